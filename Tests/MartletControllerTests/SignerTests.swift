// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCommands
import MartletController
import Testing
import TestSupport

/// What is signed here goes through the gate of a device.
@Suite struct SignerTests {
    private final class Sequences: SequenceStore {
        var last: UInt64 = 0
        var works = true

        func next() -> UInt64? {
            last += 1
            return works ? last : nil
        }
    }

    private static let urn = Array(TestDevice.urn.utf8)
    private static let operatorName = Array("urn:martlet:operator".utf8)
    private static let gatewayName = Array("urn:martlet:gateway".utf8)

    private let sequences = Sequences()
    private let signer: CommandSigner
    private let resumes: ResumeSigner
    private let gate: CommandGate
    private let command = Command(name: Array("open".utf8), arguments: [.integer(5)])

    init() throws {
        let hashing = try OpenSSLHashing()
        let keys = (operate: try PrivateKey.generate(.p256), gateway: try PrivateKey.generate(.ed25519))
        signer = try CommandSigner(issuer: Self.operatorName, key: keys.operate, sequences: sequences)
        resumes = try ResumeSigner(issuer: Self.gatewayName, key: keys.gateway)
        let rootKey = try PrivateKey.generate(.p256)
        let (spki, roles) = (rootKey.publicKey.spki, (operate: Array("operate".utf8), gateway: Array("gateway".utf8)))
        func controller(_ name: [UInt8], _ role: [UInt8], _ key: PrivateKey) -> TrustDocument.Controller {
            TrustDocument.Controller(
                name: name, key: TrustDocument.Key(key.publicKey.spki, hashing: hashing), roles: [role])
        }
        let document = TrustDocument(
            version: 1, roots: [TrustDocument.Key(spki, hashing: hashing)], threshold: 1,
            controllers: [
                controller(Self.operatorName, roles.operate, keys.operate),
                controller(Self.gatewayName, roles.gateway, keys.gateway),
            ],
            policy: [TrustDocument.Role(name: roles.operate, rules: [TrustDocument.Rule(command: command.name)])])
        let message = try TrustSigner(issuer: Array("urn:martlet:root".utf8), keys: [rootKey]).sign(document)
        let root = TrustRoot(
            hashing.sha256(spki.span), deviceName: Self.urn, keys: OpenSSLKeyReading(), hashing: hashing)
        gate = CommandGate(root: root, policy: try .first(message, root), now: 0)
        let declaration = try #require(CommandDeclaration(name: command.name, parameters: [.integer(0...9)]))
        _ = gate.declare(declaration)
    }

    private func judge(_ message: [UInt8], challenge: UInt8 = 1, time: UInt64? = nil) -> Verdict {
        gate.judge(message.span, isRetained: false, moment(challenge, time))
    }

    private func moment(_ challenge: UInt8, _ time: UInt64?) -> GateMoment {
        GateMoment(
            now: 0, trustedTime: time, challenge: bytes16(challenge), previousChallenge: nil, isResumed: true,
            waiting: 0)
    }

    private func sign(challenge: UInt8 = 1, id: Bytes16 = bytes16(9), expires: UInt64? = nil) throws -> SignedCommand {
        try signer.sign(
            command, for: Self.urn, challenge: bytes16(challenge), id: id, time: 1000, expires: expires)
    }

    @Test func `a device accepts a command that echoes its challenge`() throws {
        let signed = try sign()
        guard case .accepted(let accepted, _) = judge(signed.message) else {
            Issue.record("not accepted")
            return
        }
        #expect(accepted.arguments == [.integer(5)])
        #expect(accepted.key == CommandKey(controller: signer.keyID, id: bytes16(9)))
    }

    @Test func `signed again for a new challenge it keeps its id, and has a new sequence`() throws {
        let first = try sign(challenge: 1)
        guard case .refused(let receipt) = judge(first.message, challenge: 2) else {
            Issue.record("not answered")
            return
        }
        #expect(receipt.outcome == .stale && receipt.digest == first.digest && receipt.challenge == bytes16(2))
        let second = try sign(challenge: 2)
        #expect(second.id == first.id && second.sequence > first.sequence && second.digest != first.digest)
        guard case .accepted = judge(second.message, challenge: 2) else {
            Issue.record("not accepted")
            return
        }
        // Once more: the device knows the id, and does not carry it out again.
        guard case .running = judge(try sign(challenge: 2).message, challenge: 2) else {
            Issue.record("carried out twice")
            return
        }
    }

    @Test func `a copy is refused as a replay`() throws {
        let signed = try sign()
        guard case .accepted = judge(signed.message), case .dropped(.replayed) = judge(signed.message) else {
            Issue.record("not refused")
            return
        }
    }

    @Test func `the expiry is in the command`() throws {
        guard case .refused(let receipt) = judge(try sign(expires: 1010).message, time: 1010) else {
            Issue.record("not answered")
            return
        }
        #expect(receipt.outcome == .expired)
    }

    @Test func `a command for another device is refused`() throws {
        let signed = try signer.sign(
            command, for: Array("urn:dev:mac:0024befffe804ff2".utf8), challenge: bytes16(1), id: bytes16(1), time: 1)
        guard case .dropped(.wrongAudience) = judge(signed.message) else {
            Issue.record("not refused")
            return
        }
    }

    @Test func `a gateway's key signs resumes, and neither key does the other's work`() throws {
        let resume = Resume(time: 1_800_000_000)
        let signed = try resumes.sign(resume, for: Self.urn, challenge: bytes16(1))
        #expect(gate.judgeResume(signed.span, isRetained: false, moment(1, nil)) == resume)
        #expect(gate.judgeResume(signed.span, isRetained: false, moment(2, nil)) == nil)
        let command = try sign().message
        #expect(gate.judgeResume(command.span, isRetained: false, moment(1, nil)) == nil)
        guard case .dropped(.wrongPurpose) = judge(signed) else {
            Issue.record("a resume passed for a command")
            return
        }
    }

    @Test func `commands outside the protocol's bounds are not signed and use no number`() throws {
        let long = [UInt8](repeating: 0, count: Command.maximumValueLength + 1)
        for command in [
            Command(name: []), Command(name: Array("Open".utf8)), Command(name: command.name, priority: 3),
            Command(name: command.name, arguments: [.data(long)]),
            Command(name: command.name, arguments: [.number(.infinity)]),
            Command(name: command.name, arguments: [.text([0xff])]),
            Command(name: command.name, deadline: 1 << 32),
            Command(name: command.name, arguments: Array(repeating: .boolean(true), count: 9)),
        ] {
            #expect(throws: SigningError.badCommand) {
                try signer.sign(command, for: Self.urn, challenge: bytes16(1), id: bytes16(1), time: 1)
            }
        }
        #expect(throws: SigningError.badName) {
            try signer.sign(command, for: Array("pump-7".utf8), challenge: bytes16(1), id: bytes16(1), time: 1)
        }
        #expect(sequences.last == 0)
    }

    @Test func `without a durable number nothing is signed`() throws {
        sequences.works = false
        #expect(throws: SigningError.noSequence) { try sign() }
    }

    @Test func `ids are random`() throws {
        #expect(try CommandSigner.newID() != CommandSigner.newID())
    }
}
