// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCOSE
import MartletEnvelope
import MartletOpenSSL
import TestSupport

/// A command as the protocol describes it, written by hand and not by the library: a test changes one part of it.
struct CommandParts {
    static let context = "martlet/1/command"

    var tag: UInt64? = 18
    /// By label; in the order of their encoding, where `set` put them.
    var header: [(label: Int64, value: Raw)]
    var claims: [(label: Int64, value: Raw)]
    var unprotected = Raw.map([:])
    var payload: Raw
    /// What the signature covers as its context.
    var external = CommandParts.context
    /// Which key signs it, whatever the header says.
    var key: PrivateKey
    /// Changes the signature.
    var sign: ([UInt8]) -> Raw = { .bstr($0) }
    /// What stands in the place of `wholeHeader`.
    var protected: (CommandParts) -> Raw = { $0.wholeHeader }

    /// `set-interval` with 60 seconds.
    static let setInterval = Raw.map([0: "set-interval", 1: .array([60])])

    init(key: PrivateKey, issuer: String, device: [UInt8], challenge: [UInt8], sequence: UInt64) {
        self.key = key
        payload = .bstr(Self.setInterval.bytes)
        let spki = key.publicKey.spki
        let kid = SHA256.kid(spki)
        header = [(1, key.kind == .p256 ? -7 : -8), (3, 60), (4, .bstr(kid))]
        claims = [
            (1, .text(issuer)), (3, .text(device)), (6, .int(Int64(Date().timeIntervalSince1970))),
            (7, .bstr((0..<16).map { _ in .random(in: 0...255) })), (10, .bstr(challenge)),
            (-65537, Self.privateClaim(purpose: 16, sequence: .unsigned(sequence))),
        ]
    }

    /// Purpose, lane, sequence, previous, clock, boot.
    static func privateClaim(purpose: Raw, sequence: Raw) -> Raw {
        .array([purpose, .null, sequence, .null, .null, .null])
    }

    /// Replaces a claim, adds it where it belongs, or leaves it out.
    mutating func set(claim label: Int64, _ value: Raw?) { Self.set(&claims, label, value) }

    mutating func set(header label: Int64, _ value: Raw?) { Self.set(&header, label, value) }

    private static func set(_ list: inout [(label: Int64, value: Raw)], _ label: Int64, _ value: Raw?) {
        let index = list.firstIndex { $0.label == label }
        if let index { list.remove(at: index) }
        guard let value else { return }
        // Unsigned labels come before negative ones (RFC 8949 section 4.2.1).
        let place = list.firstIndex { label >= 0 && ($0.label < 0 || $0.label > label) }
        list.insert((label, value), at: index ?? place ?? list.count)
    }

    static func map(_ list: [(label: Int64, value: Raw)]) -> Raw {
        .map(list.map { (key: .int($0.label), value: $0.value) })
    }

    /// The protected header with the claims in it.
    var wholeHeader: Raw {
        Self.map(header.filter { $0.label <= 4 } + [(15, Self.map(claims))] + header.filter { $0.label > 4 })
    }

    /// What the signature covers; its SHA-256 is the command's hash.
    private var signed: [UInt8] {
        Raw.array(["Signature1", .bstr(protected(self).bytes), .bstr(Array(external.utf8)), payload]).bytes
    }

    var digest: Digest {
        get throws {
            let signed = signed
            return Digest(try SHA256().digest(signed.span))
        }
    }

    func message() throws -> [UInt8] {
        let signed = signed
        let signature = try key.sign(signed.span, digest: SHA256().digest(signed.span))
        let parts = Raw.array([
            .bstr(protected(self).bytes), unprotected, payload, sign(signature.indices.map { signature[$0] }),
        ])
        return (tag.map { Raw.tag($0, parts) } ?? parts).bytes
    }
}

extension Bytes16 {
    var array: [UInt8] { bytes.indices.map { bytes[$0] } }
}

extension SHA256 {
    /// The first 8 bytes of the hash of a public key.
    static func kid(_ publicKey: [UInt8]) -> [UInt8] {
        guard let digest = try? SHA256().digest(publicKey.span) else { return [] }
        return (0..<8).map { digest[$0] }
    }
}
