// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletSenML
import TestSupport

@testable import MartletController

/// What a device would send, made by hand.
struct TestDevice {
    static let urn = "urn:dev:mac:0024befffe804ff1"

    let id: [UInt8]
    let certificates: [[UInt8]]
    let sealer: EnvelopeSealer
    var boot = BootTime(id: bytes16(0xb0), milliseconds: 60_000)

    init(_ id: String = "pump-7", certificate: Certificate, key: PrivateKey, urn: String = urn) throws {
        self.id = Array(id.utf8)
        certificates = [try certificate.der]
        sealer = try EnvelopeSealer(issuer: Array(urn.utf8), key: key)
    }

    init(_ authority: TestAuthority, id: String = "pump-7") throws {
        let identity = try authority.device(id)
        try self.init(id, certificate: identity.certificate, key: identity.key)
    }

    /// `trusted`: Unix seconds of a trusted clock.
    func claims(_ purpose: Purpose, trusted: UInt64? = nil, at milliseconds: UInt64? = nil) -> Claims {
        var claims = Claims(purpose: purpose)
        claims.clock = trusted == nil ? .untrusted : .trusted
        claims.issuedAt = trusted
        claims.boot = BootTime(id: boot.id, milliseconds: milliseconds ?? boot.milliseconds)
        return claims
    }

    func seal(
        _ claims: Claims, _ payload: [UInt8]?, contentType: UInt64 = ContentFormat.cbor, chain: [[UInt8]] = []
    ) throws -> (message: [UInt8], digest: Digest) {
        var message: [UInt8] = []
        let payload = payload ?? []
        let digest = try sealer.seal(
            claims, contentType: contentType, payload: payload.span, x5chain: chain, into: &message)
        return (message, digest)
    }

    func birth(
        run: UInt64 = 1, connection: UInt64 = 1, challenge: UInt8 = 1, at milliseconds: UInt64? = nil,
        chain: [[UInt8]]? = nil, journal: ChainHead? = nil
    ) throws -> [UInt8] {
        let birth = Birth(run: run, connection: connection, challenge: bytes16(challenge), journal: journal)
        return try seal(claims(.birth, at: milliseconds), birth.encoded(), chain: chain ?? certificates).message
    }

    func telemetry(
        _ sequence: UInt64, after previous: ChainHead?, _ payload: [UInt8] = pack(), claims: Claims? = nil
    ) throws -> (message: [UInt8], head: ChainHead) {
        var claims = claims ?? self.claims(.telemetry)
        claims.lane = .normal
        claims.sequence = sequence
        claims.previous = previous
        let (message, digest) = try seal(claims, payload, contentType: ContentFormat.senML)
        return (message, ChainHead(sequence: sequence, digest: digest))
    }

    func gap(_ gap: Gap) throws -> [UInt8] {
        var claims = claims(.gap)
        claims.lane = .normal
        return try seal(claims, gap.encoded()).message
    }

    func event(_ kind: EventKind, _ claims: Claims) throws -> [UInt8] {
        try seal(claims, Event(kind: kind).encoded()).message
    }
}

/// A SenML pack of one reading `level` = 20.5, `time` in milliseconds, relative if not `isAbsolute`.
func pack(time: Int64 = 0, isAbsolute: Bool = false) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 128)
    var writer = CBORWriter(bytes.mutableSpan)
    writer.array(1)
    let name = Array("level".utf8)
    SenMLRecord(name: name.span, value: .number(20.5), time: isAbsolute ? nil : time)
        .write(to: &writer, base: isAbsolute ? SenMLRecord.Base(time: time) : nil)
    let count = (try? writer.finish()) ?? 0
    return Array(bytes.prefix(count))
}

func bytes16(_ byte: UInt8) -> Bytes16 { Bytes16(InlineArray(repeating: byte)) }

func digest(_ byte: UInt8) -> Digest { Digest(InlineArray(repeating: byte)) }

/// A verifier and one device that it knows, or will.
final class Bench {
    let authority: TestAuthority
    let device: TestDevice
    let verifier: DeviceVerifier
    let now: Int64

    init(knowing: Bool = true) throws {
        authority = try TestAuthority()
        device = try TestDevice(authority)
        verifier = try DeviceVerifier(anchors: [authority.authority.certificate], maximumDevices: 2)
        now = authority.notBefore + 86_400
        if knowing { _ = try take(device.birth(), as: .birth) }
    }

    @discardableResult
    func take(
        _ message: [UInt8], as purpose: Purpose, from id: [UInt8]? = nil, at time: Int64? = nil, now clock: UInt64 = 0
    ) throws(VerificationError) -> DeviceMessage {
        let id = id ?? device.id
        return try verifier.verify(message.span, from: id.span, as: purpose, at: time ?? now, now: clock)
    }

    /// The reason for which a message is refused; nil if it is taken.
    func refusal(
        _ message: [UInt8], as purpose: Purpose, from id: [UInt8]? = nil, at time: Int64? = nil
    ) -> VerificationError? {
        do throws(VerificationError) {
            try take(message, as: purpose, from: id, at: time)
            return nil
        } catch {
            return error
        }
    }
}

extension DeviceMessage {
    var standing: BirthStanding? {
        if case .birth(_, let standing) = content { standing } else { nil }
    }

    var verdict: LaneVerdict? {
        if case .telemetry(_, let verdict) = content { verdict } else { nil }
    }

    var readings: [Reading] {
        if case .telemetry(let readings, _) = content { readings } else { [] }
    }
}
