// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCBOR
import MartletCOSE
import MartletEnvelope
import MartletOpenSSL
import TestSupport
import Testing

private let empty: [UInt8] = []
private let emptyMap: [UInt8] = [0xa0]
private let twoBytes: [UInt8] = [1, 2]

@Suite struct EnvelopeRoundTripTests {
    @Test(arguments: Purpose.allCases)
    func `claims of every purpose come back, all of them and none`(purpose: Purpose) throws {
        for make in bothKeys {
            let key = try make()
            var full = telemetryClaims()
            full.expires = 1 << 40
            full.notBefore = 0
            full.id = bytes16(1)
            full.nonce = bytes16(2)
            full.purpose = purpose
            for (claims, audience) in [(full, deviceName), (Claims(purpose: purpose), nil)] {
                var message: [UInt8] = [0xee]
                let sealer = try sealer(controllerName, key)
                let digest = try sealer.seal(
                    claims, audience: audience.map { Array($0.utf8) }, contentType: ContentFormat.senML,
                    payload: twoBytes.span, into: &message)
                #expect(message.removeFirst() == 0xee, "the envelope is appended")
                let (envelope, again) = try open(message, as: purpose, with: key.publicKey)
                #expect(envelope.claims == claims)
                #expect(again == digest)
                #expect(String(decoding: message[envelope.issuer], as: UTF8.self) == controllerName)
                #expect(envelope.audience.map { String(decoding: message[$0], as: UTF8.self) } == audience)
                #expect(envelope.contentType == 112)
                #expect(envelope.keyID == sealer.keyID)
                #expect(Array(message[envelope.payload]) == [1, 2])
                #expect(envelope.x5chain.isEmpty)
            }
        }
    }

    @Test func `every lane and clock state comes back`() throws {
        let key = try Vectors.ed25519()
        let sealer = try sealer(deviceName, key)
        for lane in Lane.allCases {
            for clock in [ClockState.untrusted, .bounded, .trusted] {
                var claims = telemetryClaims()
                claims.lane = lane
                claims.clock = clock
                claims.sequence = .max
                claims.previous = ChainHead(sequence: 0, digest: digest(0))
                claims.boot = BootTime(id: bytes16(0), milliseconds: .max)
                var message: [UInt8] = []
                _ = try sealer.seal(claims, contentType: 112, payload: empty.span, into: &message)
                #expect(try open(message, as: .telemetry, with: key.publicKey).envelope.claims == claims)
            }
        }
    }

    @Test(arguments: 0...4)
    func `a birth carries up to four certificates`(count: Int) throws {
        let key = try Vectors.p256()
        let chain = (0..<count).map { [UInt8](repeating: UInt8($0), count: 300) }
        var message: [UInt8] = []
        _ = try sealer(deviceName, key).seal(
            Claims(purpose: .birth), contentType: 60, payload: emptyMap.span, x5chain: chain, into: &message)
        let envelope = try open(message, as: .birth, with: key.publicKey).envelope
        #expect(envelope.x5chain.map { Array(message[$0]) } == chain)
    }

    @Test func `the key id is the beginning of the hash of the public key`() throws {
        let key = try Vectors.p256()
        let spki = key.publicKey.spki
        let hash = try SHA256().digest(spki.span)
        let message = try command(key).message
        let kid = (0..<8).map { hash[$0] }
        #expect(try Envelope(decoding: message.span).keyID == KeyID(kid.reduce(0) { $0 << 8 | UInt64($1) }))
        #expect(hex(message).contains("0448" + hex(kid)))
    }

    @Test func `equal messages have equal bytes with EdDSA`() throws {
        let key = try Vectors.ed25519()
        #expect(try command(key).message == command(key).message)
    }
}

@Suite struct EnvelopeSecurityTests {
    @Test("COSE-03 every bit flip of a command is refused", arguments: bothKeys)
    func flips(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        let message = try command(key).message
        #expect(refusal(message, with: key.publicKey) == nil)
        for bit in 0..<(message.count * 8) {
            var flipped = message
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(refusal(flipped, with: key.publicKey) != nil, "bit \(bit)")
        }
    }

    @Test("COSE-04 every prefix and one trailing byte of a command are refused", arguments: bothKeys)
    func ends(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        let message = try command(key).message
        for count in message.indices {
            let prefix = Array(message[..<count])
            guard case .cose(.malformed) = refusal(prefix, with: key.publicKey) else {
                Issue.record("\(count) bytes were not refused as malformed")
                continue
            }
        }
        #expect(refusal(message + [0], with: key.publicKey)?.anywhere == .cose(.malformed(.trailingBytes(at: 0))))
    }

    @Test func `a message of one purpose is refused as any other`() throws {
        let key = try Vectors.ed25519()
        let sealer = try sealer(controllerName, key)
        for purpose in Purpose.allCases {
            var message: [UInt8] = []
            _ = try sealer.seal(Claims(purpose: purpose), contentType: 60, payload: emptyMap.span, into: &message)
            for place in Purpose.allCases {
                #expect(refusal(message, as: place, with: key.publicKey) == (place == purpose ? nil : .wrongPurpose))
            }
        }
    }

    @Test func `a signature made for telemetry does not sign a command, though the key is right`() throws {
        for make in bothKeys {
            let key = try make()
            let parts = Parts(key)
            let telemetry = try parts.message(context: "martlet/1/telemetry")
            #expect(refusal(telemetry, with: key.publicKey) == .cose(.badSignature))
            #expect(refusal(try parts.message(context: ""), with: key.publicKey) == .cose(.badSignature))
            #expect(refusal(try parts.message(context: "martlet/1/command"), with: key.publicKey) == nil)
        }
    }

    @Test func `a context names its version and purpose, and no two are equal`() {
        let contexts = Purpose.allCases.map { "\($0.context)" }
        #expect(contexts == Purpose.allCases.map { "martlet/1/\($0)" })
        #expect(Set(contexts).count == 13)
    }

    @Test func `another key of either kind is refused`() throws {
        let key = try Vectors.p256()
        let message = try command(key).message
        #expect(refusal(message, with: try PrivateKey.generate(.p256).publicKey) == .cose(.badSignature))
        #expect(refusal(message, with: try Vectors.ed25519().publicKey) == .cose(.unsupportedAlgorithm))
    }
}

@Suite struct EnvelopeSizeTests {
    static let maximum = 16 * 1024

    func seal(_ size: Int, into message: inout [UInt8]) throws {
        let payload = [UInt8](repeating: 0, count: size)
        _ = try sealer(deviceName, Vectors.ed25519()).seal(
            telemetryClaims(), contentType: 112, payload: payload.span, into: &message)
    }

    @Test func `an envelope of exactly 16 KiB is sealed and opened, one byte more is neither`() throws {
        var probe: [UInt8] = []
        try seal(16_000, into: &probe)
        let most = 16_000 + Self.maximum - probe.count
        var message: [UInt8] = []
        try seal(most, into: &message)
        #expect(message.count == Self.maximum)
        let key = try Vectors.ed25519().publicKey
        #expect(refusal(message, as: .telemetry, with: key) == nil)
        #expect(refusal(message + [0], as: .telemetry, with: key) == .tooLarge(limit: Self.maximum))

        for size in [most + 1, most + 100, 1 << 20] {
            var kept: [UInt8] = [1, 2, 3]
            #expect(throws: EnvelopeError.tooLarge(limit: Self.maximum)) { try seal(size, into: &kept) }
            #expect(kept == [1, 2, 3], "nothing is appended")
        }
    }

    @Test func `a smaller limit of the reader holds`() throws {
        let message = try command(Vectors.p256()).message
        #expect(throws: EnvelopeError.tooLarge(limit: message.count - 1)) {
            try Envelope(decoding: message.span, limit: message.count - 1)
        }
        #expect(throws: Never.self) { try Envelope(decoding: message.span, limit: message.count) }
    }

    @Test func `a header that does not fit is refused, and the sealer goes on`() throws {
        let key = try Vectors.ed25519()
        let sealer = try sealer(deviceName, key)
        var message: [UInt8] = []
        for size in [Self.maximum - 80, Self.maximum, 1 << 20] {
            let chain = [[UInt8](repeating: 0, count: size)]
            #expect(throws: EnvelopeError.tooLarge(limit: Self.maximum)) {
                try sealer.seal(
                    Claims(purpose: .birth), contentType: 60, payload: emptyMap.span, x5chain: chain, into: &message)
            }
            #expect(message.isEmpty)
        }
        _ = try sealer.seal(Claims(purpose: .birth), contentType: 60, payload: emptyMap.span, into: &message)
        #expect(refusal(message, as: .birth, with: key.publicKey) == nil)
    }

    @Test func `a key that cannot sign leaves the message as it was`() throws {
        final class Broken: Signer {
            let algorithm = COSEAlgorithm.edDSA
            func sign(_ message: Span<UInt8>, digest: Digest) throws(COSEError) -> SignatureBytes {
                throw .signingFailed
            }
        }
        let sealer = try EnvelopeSealer(
            issuer: Array(deviceName.utf8), publicKey: emptyMap.span, signer: Broken(), hashing: OpenSSLHashing())
        var message: [UInt8] = [1, 2, 3]
        #expect(throws: EnvelopeError.cose(.signingFailed)) {
            try sealer.seal(Claims(purpose: .birth), contentType: 60, payload: emptyMap.span, into: &message)
        }
        #expect(message == [1, 2, 3])
    }
}
