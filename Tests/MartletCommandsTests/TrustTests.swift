// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletTestKit
import Testing

/// What the gate makes of a trust message, in short.
private enum TrustJudged: Equatable {
    case dropped(Refusal)
    case known
    case successor
}

/// A device with document 5: two of three roots must sign.
private final class TrustBench {
    let trust: TestTrust
    let stranger: TestKey
    let first: TestController
    let second: TestController
    let present: TrustDocument
    let gate: CommandGate
    var moment = GateMoment(
        now: 1_000_000, trustedTime: nil, challenge: bytes16(1), previousChallenge: bytes16(2), isResumed: true,
        waiting: 0)

    init() throws {
        trust = try TestTrust(roots: 4, deviceName: Bench.device, seed: 500)
        stranger = try TestKey(seed: 501)
        first = try TestController(name: bytes("urn:example:one"), role: .operate, audience: Bench.device, seed: 1)
        second = try TestController(name: bytes("urn:example:two"), role: .operate, audience: Bench.device, seed: 2)
        var document = trust.document(version: 5, threshold: 2, [first, second], commands: [bytes("go")])
        document.roots.removeLast()
        present = document
        let message = try trust.message(document, by: Array(trust.keys[..<3]))
        gate = CommandGate(root: trust.root, policy: try trust.policy(message), now: moment.now)
        let declaration = try #require(CommandDeclaration(name: bytes("go"), parameters: []))
        #expect(gate.declare(declaration) == 0)
    }

    /// The three roots of document 5, and a fourth key that is none of them yet.
    var roots: [TestKey] { trust.keys }
    /// As many as must sign.
    var two: [TestKey] { Array(roots[..<2]) }

    /// Document 6, or another one if the test changes it.
    func next(_ change: (inout TrustDocument) -> Void = { _ in }) -> TrustDocument {
        var document = present
        document.version = 6
        change(&document)
        return document
    }

    func judge(_ message: [UInt8]) -> TrustJudged {
        switch gate.judgeTrust(message.span, moment) {
        case .dropped(let refusal): .dropped(refusal)
        case .known: .known
        case .successor: .successor
        }
    }

    /// Judges a document, and puts it into force if it can be.
    func adopt(_ document: TrustDocument, by signers: [TestKey]? = nil) throws {
        let message = try trust.message(document, by: signers ?? two)
        guard case .successor(let policy, _) = gate.judgeTrust(message.span, moment) else {
            Issue.record("\(judge(message))")
            return
        }
        gate.adopt(policy)
    }

    func go(_ controller: TestController) throws -> [UInt8] {
        try controller.command(Command(name: bytes("go")), moment.challenge)
    }

    func judgeCommand(_ message: [UInt8]) -> Judged {
        moment.now += 1000
        return switch gate.judge(message.span, isRetained: false, moment) {
        case .dropped(let refusal): .dropped(refusal)
        case .refused(let receipt), .repeated(let receipt): .answered(receipt.outcome)
        case .running: .running
        case .accepted: .accepted
        }
    }
}

/// A message that must not come into force, and why.
private struct Attack: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let verdict: TrustJudged
    let message: @Sendable (TrustBench) throws -> [UInt8]

    init(_ why: String, _ verdict: TrustJudged, _ message: @escaping @Sendable (TrustBench) throws -> [UInt8]) {
        testDescription = why
        self.verdict = verdict
        self.message = message
    }

    init(_ why: String, _ refusal: Refusal, _ message: @escaping @Sendable (TrustBench) throws -> [UInt8]) {
        self.init(why, .dropped(refusal), message)
    }
}

private let attacks: [Attack] = [
    Attack("the document in force again", .known) { try $0.trust.message($0.present, by: $0.two) },
    Attack("the document in force, signed by nobody who counts", .known) {
        try $0.trust.message($0.present, by: [$0.stranger])
    },
    Attack("an older version", .wrongVersion) { try $0.trust.message($0.next { $0.version = 4 }, by: $0.two) },
    Attack("the same version with other content", .wrongVersion) {
        try $0.trust.message($0.next { ($0.version, $0.controllers) = (5, []) }, by: $0.two)
    },
    Attack("two versions on", .wrongVersion) { try $0.trust.message($0.next { $0.version = 7 }, by: $0.two) },
    Attack("the highest version of all", .wrongVersion) {
        try $0.trust.message($0.next { $0.version = 1 << 62 }, by: $0.two)
    },
    Attack("signed by one root of two", .belowThreshold) { try $0.trust.message($0.next(), by: [$0.roots[0]]) },
    Attack("signed by one root twice", .malformed) {
        try $0.trust.message($0.next(), by: [$0.roots[0], $0.roots[0]])
    },
    Attack("signed by one root and one stranger", .belowThreshold) {
        try $0.trust.message($0.next(), by: [$0.roots[0], $0.stranger])
    },
    Attack("signed by enough roots and one stranger", .unknownKey) {
        try $0.trust.message($0.next(), by: $0.two + [$0.stranger])
    },
    Attack("signed by controllers", .belowThreshold) {
        try $0.trust.message($0.next(), by: [$0.first.key, $0.second.key])
    },
    Attack("by enough roots, one signature of which does not hold", .badSignature) {
        var message = try $0.trust.message($0.next(), by: Array($0.roots[..<3]))
        message[message.count - 1] ^= 1
        return message
    },
    Attack("new roots, signed by the old ones alone", .belowThreshold) { bench in
        try bench.trust.message(
            bench.next { $0.roots = [bench.roots[2].trusted, bench.roots[3].trusted] }, by: bench.two)
    },
    Attack("new roots, signed by the new ones alone", .belowThreshold) { bench in
        try bench.trust.message(
            bench.next { $0.roots = [bench.roots[2].trusted, bench.roots[3].trusted] },
            by: [bench.roots[2], bench.roots[3]])
    },
    Attack("a lower threshold, signed by so few", .belowThreshold) {
        try $0.trust.message($0.next { $0.threshold = 1 }, by: [$0.roots[0]])
    },
    Attack("a higher threshold, signed by too few for it", .belowThreshold) {
        try $0.trust.message($0.next { $0.threshold = 3 }, by: $0.two)
    },
    Attack("another device's document", .wrongAudience) {
        try $0.trust.message(
            $0.next().encoded(), by: $0.two, audience: bytes("urn:dev:ops:32473-device-2"))
    },
    Attack("one envelope for this device, one for another", .wrongAudience) {
        let mine = try $0.trust.message($0.next().encoded(), by: [$0.roots[0]], audience: Bench.device)
        let others = try $0.trust.message($0.next().encoded(), by: [$0.roots[1]], audience: bytes("urn:x"))
        return [0x82] + mine.dropFirst() + others.dropFirst()
    },
    Attack("two documents, each signed by one root", .malformed) {
        let one = try $0.trust.message($0.next(), by: [$0.roots[0]])
        let other = try $0.trust.message($0.next { $0.controllers = [] }, by: [$0.roots[1]])
        return [0x82] + one.dropFirst() + other.dropFirst()
    },
    Attack("a command's signature over a document", .wrongPurpose) {
        try $0.trust.message($0.next().encoded(), by: $0.two, Claims(purpose: .command))
    },
    Attack("a controller that is a root", .badDocument) {
        let payload = try $0.next().encoded().replacing($0.first.key.publicKey, with: $0.roots[0].publicKey)
        return try $0.trust.message(payload, by: $0.two)
    },
    Attack("one controller twice", .badDocument) {
        let payload = try $0.next().encoded().replacing($0.first.key.publicKey, with: $0.second.key.publicKey)
        return try $0.trust.message(payload, by: $0.two)
    },
    Attack("a controller whose key is none", .badDocument) { bench in
        let none = TrustDocument.Key([UInt8](repeating: 7, count: 44), hashing: bench.first.key.hashing)
        return try bench.trust.message(bench.next { $0.controllers[0].key = none }, by: bench.two)
    },
    Attack("a key with one byte after it", .badDocument) { bench in
        let key = bench.first.key
        let longer = TrustDocument.Key(key.publicKey + [0], hashing: key.hashing)
        return try bench.trust.message(bench.next { $0.controllers[0].key = longer }, by: bench.two)
    },
    Attack("a root whose key is none", .badDocument) { bench in
        let none = TrustDocument.Key([UInt8](repeating: 7, count: 44), hashing: bench.first.key.hashing)
        return try bench.trust.message(bench.next { $0.roots.append(none) }, by: bench.two)
    },
    Attack("no document", .badDocument) { try $0.trust.message([0xa0], by: $0.two) },
    Attack("a member more", .badDocument) {
        var payload = try $0.next().encoded()
        payload[0] += 1
        return try $0.trust.message(payload + [5, 0], by: $0.two)
    },
    Attack("no envelope", .malformed) { _ in [0x80] },
    Attack("nothing", .malformed) { _ in [] },
    Attack("five signatures", .malformed) { try $0.trust.message($0.next(), by: $0.roots + [$0.stranger]) },
    Attack("an envelope without array", .malformed) {
        try Array($0.trust.message($0.next(), by: [$0.roots[0]]).dropFirst())
    },
    Attack("one trailing byte", .malformed) { try $0.trust.message($0.next(), by: $0.two) + [0] },
    Attack("16,384 opened arrays", .malformed) { _ in [UInt8](repeating: 0x81, count: 16 * 1024) },
    Attack("longer than 16 KiB", .tooLarge) { _ in [UInt8](repeating: 0x81, count: 16 * 1024 + 1) },
]

@Suite struct TrustTests {
    @Test("CMD-08 the positive control comes into force")
    func positive() throws {
        let bench = try TrustBench()
        let document = bench.next { $0.controllers.removeLast() }
        let message = try bench.trust.message(document, by: [bench.roots[2], bench.roots[0]])
        guard case .successor(let policy, let floor) = bench.gate.judgeTrust(message.span, bench.moment) else {
            Issue.record("not taken")
            return
        }
        #expect(policy.document == document && policy.message == message && floor == nil)
        // It holds once it is adopted.
        #expect(bench.gate.policy?.version == 5)
        bench.gate.adopt(policy)
        #expect(bench.gate.policy?.version == 6 && bench.judge(message) == .known)
        #expect(bench.gate.refusals.total == 0)
        // What was stored is the same, without its signatures being checked.
        let stored = try TrustPolicy(stored: message, bench.trust.root)
        #expect(stored.document == document && stored.digest == policy.digest)
    }

    @Test("CMD-08 a message that must not come into force gets its own code", arguments: attacks)
    private func attack(_ attack: Attack) throws {
        let bench = try TrustBench()
        let message = try attack.message(bench)
        #expect(bench.judge(message) == attack.verdict)
        for refusal in Refusal.allCases {
            let count = bench.gate.refusals[refusal]
            #expect(count == (attack.verdict == .dropped(refusal) ? 1 : 0), "\(refusal)")
        }
        // The gate is as it was.
        #expect(bench.gate.policy?.version == 5)
        #expect(try bench.judgeCommand(bench.go(bench.first)) == .accepted)
        #expect(try bench.judge(bench.trust.message(bench.next(), by: bench.two)) == .successor)
    }

    @Test("CMD-08 every prefix and every bit flip of a document is refused")
    func damaged() throws {
        let bench = try TrustBench()
        let message = try bench.trust.message(bench.next(), by: bench.two)
        for count in 0..<message.count {
            #expect(bench.judge([UInt8](message[..<count])) == .dropped(.malformed), "\(count) bytes")
        }
        for bit in 0..<message.count * 8 {
            var flipped = message
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            bench.moment.now += 1000
            guard case .dropped(let refusal) = bench.judge(flipped) else {
                Issue.record("bit \(bit) was not refused")
                continue
            }
            #expect(refusal != .overBudget)
        }
        #expect(bench.judge(message) == .successor)
    }

    @Test("CMD-08 a revoked key's commands are those of an unknown key at once")
    func revoked() throws {
        let bench = try TrustBench()
        #expect(try bench.judgeCommand(bench.go(bench.second)) == .accepted)
        try bench.adopt(bench.next { $0.controllers.removeLast() })
        #expect(try bench.judgeCommand(bench.go(bench.second)) == .dropped(.unknownKey))
        #expect(try bench.judgeCommand(bench.go(bench.first)) == .accepted)
    }

    @Test("CMD-08 what was seen under one document stays seen under the next")
    func window() throws {
        let bench = try TrustBench()
        bench.moment.isResumed = false
        let refused = try bench.go(bench.first)
        #expect(bench.judgeCommand(refused) == .answered(.notReady))
        bench.moment.isResumed = true
        try bench.adopt(bench.next())
        #expect(bench.judgeCommand(refused) == .dropped(.replayed))
        #expect(try bench.judgeCommand(bench.go(bench.first)) == .accepted)
    }

    @Test("CMD-08 a key that is revoked and named again goes on where it was")
    func readmitted() throws {
        let bench = try TrustBench()
        bench.moment.isResumed = false
        let refused = try bench.go(bench.second)
        #expect(bench.judgeCommand(refused) == .answered(.notReady))
        bench.moment.isResumed = true
        try bench.adopt(bench.next { $0.controllers.removeLast() })
        try bench.adopt(bench.next { $0.version = 7 })
        try bench.adopt(bench.next { $0.version = 8 })
        #expect(bench.judgeCommand(refused) == .dropped(.replayed))
        #expect(try bench.judgeCommand(bench.go(bench.second)) == .accepted)
    }

    @Test("CMD-08 a sequence number that jumped to 2^63 ends with the key: the next one begins anew")
    func jump() throws {
        let bench = try TrustBench()
        bench.second.sequence = 1 << 63
        #expect(try bench.judgeCommand(bench.go(bench.second)) == .accepted)
        bench.second.sequence = 5
        #expect(try bench.judgeCommand(bench.go(bench.second)) == .dropped(.replayed))
        let rotated = try TestController(
            name: bench.second.name, role: .operate, audience: Bench.device, seed: 77)
        try bench.adopt(bench.next { $0.controllers[1] = rotated.trusted })
        #expect(try bench.judgeCommand(bench.go(rotated)) == .accepted)
    }

    @Test("CMD-08 roots change when the old and the new threshold sign")
    func rotation() throws {
        let bench = try TrustBench()
        let (old, new) = (Array(bench.roots[..<2]), Array(bench.roots[2...]))
        try bench.adopt(bench.next { $0.roots = new.map(\.trusted) }, by: old + new)
        #expect(bench.gate.policy?.version == 6)
        // The old ones say nothing any more.
        let message = try bench.trust.message(bench.next { ($0.version, $0.roots) = (7, new.map(\.trusted)) }, by: old)
        #expect(bench.judge(message) == .dropped(.belowThreshold))
        try bench.adopt(bench.next { ($0.version, $0.roots, $0.threshold) = (7, new.map(\.trusted), 1) }, by: new)
        #expect(bench.gate.policy?.version == 7)
    }

    @Test("CMD-07 a flood of forged documents costs a bounded number of signatures")
    func flood() throws {
        let bench = try TrustBench()
        var forged = try bench.trust.message(bench.next(), by: bench.two)
        forged[forged.count - 1] ^= 1
        for _ in 0..<1000 {
            bench.moment.now += 10
            _ = bench.judge(forged)
        }
        #expect((8...19).contains(bench.gate.refusals[.badSignature]))
        // Commands are not locked out, and a document only for a moment.
        #expect(try bench.judgeCommand(bench.go(bench.first)) == .accepted)
        #expect(try bench.judge(bench.trust.message(bench.next(), by: bench.two)) == .successor)
    }

    @Test("CMD-08 without a document nobody commands, and the pinned root's is the first")
    func firstDocument() throws {
        let bench = try TrustBench()
        let gate = CommandGate(root: bench.trust.root, policy: nil, now: 0)
        let command = try bench.go(bench.first)
        guard case .dropped(.unknownKey) = gate.judge(command.span, isRetained: false, bench.moment) else {
            Issue.record("a command without a document")
            return
        }
        func judge(_ document: TrustDocument, by signers: [TestKey]) throws -> Refusal? {
            let message = try bench.trust.message(document, by: signers)
            switch gate.judgeTrust(message.span, bench.moment) {
            case .dropped(let refusal): return refusal
            case .known:
                Issue.record("known")
                return nil
            case .successor: return nil
            }
        }
        // Any version; the threshold of the document itself.
        #expect(try judge(bench.present, by: bench.two) == nil)
        #expect(try judge(bench.present, by: [bench.roots[0]]) == .belowThreshold)
        #expect(try judge(bench.present, by: [bench.roots[1], bench.roots[2]]) == .belowThreshold)
        let foreign = bench.next { ($0.roots, $0.threshold) = ([bench.stranger.trusted], 1) }
        #expect(try judge(foreign, by: [bench.stranger]) == .belowThreshold)
        #expect(try judge(foreign, by: [bench.stranger, bench.roots[0]]) == .belowThreshold)
        #expect(throws: Refusal.belowThreshold) {
            _ = try TrustPolicy.first(bench.trust.message(bench.present, by: [bench.roots[0]]), bench.trust.root)
        }
    }

    @Test func `a document lowers the clock's bound only if every signer echoes a challenge and states the time`()
        throws
    {
        let bench = try TrustBench()
        func claims(_ nonce: UInt8?, _ time: UInt64?) -> Claims {
            var claims = Claims(purpose: .trust)
            claims.nonce = nonce.map { bytes16($0) }
            claims.issuedAt = time
            return claims
        }
        let payload = try bench.next().encoded()
        func floor(_ one: Claims, _ other: Claims) throws -> UInt64? {
            let first = try bench.trust.message(payload, by: [bench.roots[0]], one)
            let second = try bench.trust.message(payload, by: [bench.roots[1]], other)
            let message = [0x82] + first.dropFirst() + second.dropFirst()
            bench.moment.now += 1000
            guard case .successor(_, let floor) = bench.gate.judgeTrust(message.span, bench.moment) else {
                Issue.record("not taken")
                return nil
            }
            return floor
        }
        #expect(try floor(claims(1, 1000), claims(2, 2000)) == 2000)
        #expect(try floor(claims(1, 2000), claims(1, 1000)) == 2000)
        for other in [claims(nil, 1000), claims(1, nil), claims(9, 1000), claims(nil, nil)] {
            #expect(try floor(claims(1, 1000), other) == nil)
            #expect(try floor(other, claims(1, 1000)) == nil)
        }
    }
}

extension [UInt8] {
    fileprivate func replacing(_ old: [UInt8], with new: [UInt8]) throws -> [UInt8] {
        let start = try #require(indices.first { self[$0...].starts(with: old) })
        return Array(self[..<start]) + new + self[(start + old.count)...]
    }
}
