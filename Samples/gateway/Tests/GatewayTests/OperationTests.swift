// SPDX-License-Identifier: Apache-2.0

import MartletController
import Testing

@testable import martlet_gateway

/// A command on its way, with a device made by hand at the other end.
@Suite struct OperationTests {
    private final class Sequences: SequenceStore {
        var last: UInt64 = 0

        func next() -> UInt64? {
            if last == .max { return nil }
            last += 1
            return last
        }
    }

    private final class Sent {
        var commands: [SignedCommand] = []
        var isFinished = false
    }

    private static let id = Bytes16(InlineArray(repeating: 0xcc))

    private let operation: Operation
    private let sealer: EnvelopeSealer
    private let certificate: [UInt8]
    private let operatorKeyID: KeyID
    private let sent = Sent()
    private let sequences = Sequences()

    init() throws {
        let now = SystemClock.unixMilliseconds() / 1000
        let authority = try CertificateAuthority.selfSigned(
            commonName: "test", notBefore: now - 60, notAfter: now + 3600)
        let urn = "urn:dev:mac:0024befffe804ff1"
        let key = try DeviceKey()
        certificate = try authority.issueDevice(
            key.key.publicKey, commonName: "pump-7", uri: urn, notBefore: now - 60, notAfter: now + 3600
        ).der
        let spki = key.key.publicKey.spki
        sealer = EnvelopeSealer(issuer: Array(urn.utf8), publicKey: spki.span, signer: key, hashing: key)
        let signer = try CommandSigner(
            issuer: Party.operator.issuer, key: PrivateKey.generate(.p256), sequences: sequences)
        operatorKeyID = signer.keyID
        operation = Operation(
            device: "pump-7", command: Command(name: Array("open".utf8)), id: Self.id, expires: nil, signer: signer,
            verifier: try DeviceVerifier(anchors: [authority.certificate]), seconds: 60)
        operation.publish = { [sent, operation] _, _ in
            if let command = operation.sent { sent.commands.append(command) }
            return 1
        }
        operation.finish = { [sent] in sent.isFinished = true }
    }

    private func challenge(_ byte: UInt8) -> Bytes16 { Bytes16(InlineArray(repeating: byte)) }

    private func receive(_ purpose: Purpose, _ payload: [UInt8]?, chain: [[UInt8]] = []) throws {
        var message: [UInt8] = []
        let payload = payload ?? []
        _ = try sealer.seal(
            Claims(purpose: purpose), contentType: ContentFormat.cbor, payload: payload.span, x5chain: chain,
            into: &message)
        let topic = Array("martlet/v1/pump-7/\(purpose.leaf)".utf8)
        _ = operation.linkReceived(topic: topic.span, payload: message.span, isRetained: false)
    }

    private func birth(run: UInt64 = 1, _ byte: UInt8) throws {
        try receive(
            .birth, Birth(run: run, connection: 1, challenge: challenge(byte)).encoded(), chain: [certificate])
    }

    private func presence(isOnline: Bool, run: UInt64 = 1) {
        let topic = Array("martlet/v1/pump-7/presence".utf8)
        let payload = Presence(isOnline: isOnline, run: run, connection: 1).encoded()
        _ = operation.linkReceived(topic: topic.span, payload: payload.span, isRetained: true)
    }

    private func receipt(
        _ outcome: Outcome, for command: SignedCommand, id: Bytes16? = nil, digest: Digest? = nil,
        challenge byte: UInt8? = nil
    ) throws {
        let receipt = Receipt(
            command: id ?? command.id, controller: operatorKeyID, outcome: outcome, digest: digest ?? command.digest,
            challenge: byte.map { challenge($0) })
        try receive(.receipt, receipt.encoded())
    }

    private var outcome: Outcome? {
        if case .answered(let receipt) = operation.end { receipt.outcome } else { nil }
    }

    @Test func `it is signed for the birth's challenge and ends with the receipt`() throws {
        try birth(1)
        #expect(sent.commands.count == 1)
        try receipt(.done, for: sent.commands[0])
        #expect(outcome == .done && sent.isFinished)
    }

    @Test func `stale makes it be signed again for the new challenge, under the same id`() throws {
        try birth(1)
        try receipt(.stale, for: sent.commands[0], challenge: 2)
        #expect(sent.commands.count == 2 && !sent.isFinished)
        #expect(sent.commands[1].id == sent.commands[0].id)
        #expect(sent.commands[1].sequence > sent.commands[0].sequence)
        let message = sent.commands[1].message
        let envelope = try Envelope(decoding: message.span)
        #expect(envelope.claims.nonce == challenge(2))
        try receipt(.done, for: sent.commands[1])
        #expect(outcome == .done)
    }

    @Test func `a device that is always stale does not keep it busy`() throws {
        try birth(1)
        for byte in 2...30 {
            try receipt(.stale, for: try #require(sent.commands.last), challenge: UInt8(byte))
        }
        #expect(sent.commands.count == 8)
    }

    @Test func `a receipt for other bytes, or for another command, is none`() throws {
        try birth(1)
        try receipt(.done, for: sent.commands[0], digest: Digest(InlineArray(repeating: 1)))
        try receipt(.done, for: sent.commands[0], id: challenge(1))
        #expect(operation.end == nil)
    }

    @Test func `an offline device is waited for until its next birth`() throws {
        presence(isOnline: false)
        try birth(1)
        #expect(sent.commands.isEmpty)
        try birth(run: 2, 2)
        #expect(sent.commands.count == 1)
    }

    @Test func `a sequence number that cannot be stored is told, and nothing is sent`() throws {
        sequences.last = .max
        try birth(1)
        guard case .failed("operator.sequence could not be written: is the disk full?")? = operation.end else {
            Issue.record("not told")
            return
        }
        #expect(sent.commands.isEmpty)
    }

    @Test func `a refusal ends it`() throws {
        try birth(1)
        try receipt(.badArguments, for: sent.commands[0])
        #expect(outcome == .badArguments && sent.isFinished)
    }
}
