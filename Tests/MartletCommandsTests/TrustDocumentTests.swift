// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletTestKit
import Testing

@Suite struct TrustDocumentTests {
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
        let stored = try #require(
            try TrustPolicy.inForce(stored: message, origin: [], first: nil, bench.trust.root))
        #expect(stored.document == document && stored.digest == policy.digest)
    }

    @Test("CMD-08 a message that must not come into force gets its own code", arguments: attacks)
    func attack(_ attack: Attack) throws {
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
