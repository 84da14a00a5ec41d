// SPDX-License-Identifier: Apache-2.0

import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletTestKit

/// Trust documents: who may command what, and which document follows which.
enum TrustChecks {
    static var all: [Check] {
        [
            Check("trust: a successor is signed by enough roots, and the next version", successors),
            Check("trust: policy decides about command, state, arguments and rate", policy),
            Check("trust: every prefix and every flipped byte of a document is refused", damaged),
        ]
    }

    private static let device = bytes(EnvelopeChecks.deviceName)
    private static let command = bytes("set")

    private struct Bench {
        let trust: TestTrust
        let controller: TestController
        let gate: CommandGate
        var document: TrustDocument
        var moment = GateMoment(
            now: 1000, trustedTime: nil, challenge: bytes16(1), previousChallenge: nil, isResumed: true, waiting: 0)

        init() throws(Failure) {
            trust = try require(try? TestTrust(roots: 3, deviceName: device, seed: seed + 20), "roots")
            controller = try require(
                try? TestController(
                    name: bytes("urn:example:operator"), role: .operate, audience: device, seed: seed), "controller")
            document = trust.document(threshold: 2, [controller], commands: [command])
            gate = CommandGate(
                root: trust.root, policy: try require(try? trust.policy(trust.message(document)), "first"), now: 0)
            let declaration = try require(
                CommandDeclaration(name: command, parameters: [.integer(0...100)]), "declaration")
            try require(gate.declare(declaration) == 0, "declare")
        }

        mutating func judge(_ message: [UInt8]) -> TrustVerdict {
            moment.now += 1000
            return gate.judgeTrust(message.span, moment)
        }

        mutating func refusal(_ document: TrustDocument, by signers: [TestKey]) throws(Failure) -> Refusal? {
            let message = try require(try? trust.message(document, by: signers), "sign")
            if case .dropped(let refusal) = judge(message) { return refusal }
            return nil
        }

        /// Puts the next version into force.
        mutating func adopt(_ change: (inout TrustDocument) -> Void) throws(Failure) {
            document.version += 1
            change(&document)
            let message = try require(try? trust.message(document, by: [trust.keys[2], trust.keys[0]]), "sign")
            guard case .successor(let policy, nil) = judge(message) else { throw Failure(why: "no successor") }
            gate.adopt(policy)
        }

        mutating func outcome(_ argument: Int64) throws(Failure) -> Outcome? {
            let message = try require(
                try? controller.command(
                    Command(name: command, arguments: [.integer(argument)]), moment.challenge), "command")
            switch gate.judge(message.span, isRetained: false, moment) {
            case .refused(let receipt): return receipt.outcome
            case .accepted: return nil
            default: throw Failure(why: "neither answered nor accepted")
            }
        }
    }

    private static func successors() throws(Failure) {
        var bench = try Bench()
        let (first, two) = (bench.document, Array(bench.trust.keys[..<2]))
        var next = first
        next.version = 2
        try require(try bench.refusal(next, by: [two[0]]) == .belowThreshold, "one root")
        next.version = 3
        try require(try bench.refusal(next, by: two) == .wrongVersion, "a version was left out")
        next.version = 2
        next.roots.removeFirst(2)
        next.threshold = 1
        try require(try bench.refusal(next, by: two) == .belowThreshold, "no new root")
        try require(try bench.refusal(next, by: [bench.trust.keys[2]]) == .belowThreshold, "no old root")
        try require(try bench.refusal(next, by: bench.trust.keys) == nil, "old and new roots")
        try bench.adopt { $0.controllers = [] }
        try require(bench.gate.policy?.version == 2, "not in force")
        try require(try bench.refusal(first, by: two) == .wrongVersion, "an old one again")
        let message = try require(
            try? bench.controller.command(Command(name: command), bench.moment.challenge), "command")
        guard case .dropped(.unknownKey) = bench.gate.judge(message.span, isRetained: false, bench.moment) else {
            throw Failure(why: "a revoked key commands")
        }
    }

    private static func policy() throws(Failure) {
        var bench = try Bench()
        try require(try bench.outcome(5) == nil, "the first document")
        try bench.adopt {
            $0.policy[0].rules = [
                TrustDocument.Rule(
                    command: command, rate: TrustDocument.Rate(count: 1, seconds: 3600),
                    arguments: [[.integer(2), .number(7.5)]])
            ]
        }
        for argument in [0, 1, 8, 100] as [Int64] {
            try require(try bench.outcome(argument) == .outOfPolicy, "range", number: argument)
        }
        try require(try bench.outcome(101) == .badArguments, "declaration")
        bench.moment.isSuspended = true
        try require(try bench.outcome(5) == .notAuthorised, "suspended")
        bench.moment.isSuspended = false
        try require(try bench.outcome(5) == nil, "within")
        try require(try bench.outcome(5) == .rateLimited, "rate")
        try bench.adopt { $0.policy[0].rules = [] }
        try require(try bench.outcome(5) == .notAuthorised, "no rule")
    }

    private static func damaged() throws(Failure) {
        var bench = try Bench()
        bench.document.version = 2
        let message = try require(
            try? bench.trust.message(bench.document, by: Array(bench.trust.keys[..<2])), "sign")
        for count in message.indices {
            guard case .dropped(.malformed) = bench.judge([UInt8](message[..<count])) else {
                throw Failure(why: "prefix not refused", number: Int64(count))
            }
        }
        for at in message.indices {
            var bad = message
            bad[at] ^= 0x55
            guard case .dropped = bench.judge(bad) else { throw Failure(why: "not refused, byte", number: Int64(at)) }
        }
    }
}
