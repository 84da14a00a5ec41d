// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCommands
import MartletController
import Testing

@Suite struct TrustSignerTests {
    private static let issuer = Array("urn:martlet:root".utf8)
    private let keys: [PrivateKey]
    private let document: TrustDocument
    private let hashing: OpenSSLHashing

    init() throws {
        hashing = try OpenSSLHashing()
        keys = try [.p256, .ed25519, .p256, .ed25519].map { try PrivateKey.generate($0) }
        document = TrustDocument(
            version: 1, roots: try keys.map { try TrustSigner.entry($0.publicKey) }, threshold: 3, controllers: [],
            policy: [])
    }

    private func root(of device: String, pinned: Int = 0) -> TrustRoot {
        let spki = document.roots[pinned].spki
        return TrustRoot(
            hashing.sha256(spki.span), deviceName: Array(device.utf8), keys: OpenSSLKeyReading(), hashing: hashing)
    }

    @Test func `every device that pins a root takes what enough roots signed`() throws {
        let message = try TrustSigner(issuer: Self.issuer, keys: keys).sign(document)
        for pinned in keys.indices {
            let policy = try TrustPolicy.first(message, root(of: "urn:dev:ops:1-a", pinned: pinned))
            #expect(policy.document == document)
        }
        #expect(try TrustSigner.document(of: message.span) == document)
        let few = try TrustSigner(issuer: Self.issuer, keys: Array(keys[..<2])).sign(document)
        #expect(throws: Refusal.belowThreshold) { _ = try TrustPolicy.first(few, root(of: "urn:dev:ops:1-a")) }
    }

    @Test func `a document for one device is for no other`() throws {
        let message = try TrustSigner(issuer: Self.issuer, keys: keys).sign(
            document, for: Array("urn:dev:ops:1-a".utf8))
        #expect(try TrustPolicy.first(message, root(of: "urn:dev:ops:1-a")).version == 1)
        #expect(throws: Refusal.wrongAudience) { _ = try TrustPolicy.first(message, root(of: "urn:dev:ops:1-b")) }
    }

    @Test func `a time is stated with the challenge that makes it one of now`() throws {
        let message = try TrustSigner(issuer: Self.issuer, keys: keys).sign(
            document, time: 1_800_000_000, challenge: bytes16(1))
        let gate = CommandGate(root: root(of: "urn:dev:ops:1-a"), policy: nil, now: 0)
        let moment = GateMoment(
            now: 0, trustedTime: nil, challenge: bytes16(1), previousChallenge: nil, isResumed: true, waiting: 0)
        guard case .successor(_, let floor) = gate.judgeTrust(message.span, moment) else {
            Issue.record("not taken")
            return
        }
        #expect(floor == 1_800_000_000)
    }

    @Test func `keys and documents outside the bounds are refused`() throws {
        for bad in [[], [keys[0], keys[0]], keys + [try PrivateKey.generate(.p256)]] {
            #expect(throws: SigningError.badDocument) { _ = try TrustSigner(issuer: Self.issuer, keys: bad) }
        }
        #expect(throws: SigningError.badName) { _ = try TrustSigner(issuer: Array("root".utf8), keys: keys) }
        let signer = try TrustSigner(issuer: Self.issuer, keys: keys)
        #expect(throws: SigningError.badName) { _ = try signer.sign(document, for: Array("pump".utf8)) }
        var bad = document
        bad.threshold = 5
        #expect(throws: SigningError.badDocument) { _ = try signer.sign(bad) }
        // Four copies of a document are more than a message holds.
        var long = document
        let limit = [CommandValue](repeating: .text([UInt8](repeating: 0x61, count: 1000)), count: 4)
        long.policy = [
            TrustDocument.Role(
                name: [0x61], rules: [TrustDocument.Rule(command: [0x61], arguments: [limit])])
        ]
        #expect(throws: SigningError.envelope(.tooLarge(limit: Envelope.maximumSize))) { _ = try signer.sign(long) }
        #expect(try TrustSigner(issuer: Self.issuer, keys: Array(keys[..<3])).sign(long).count < 16 * 1024)
        let none: [UInt8] = [0x81, 0xa0]
        #expect(throws: SigningError.badDocument) { _ = try TrustSigner.document(of: none.span) }
    }
}
