// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletTestKit
import Testing

/// What the gate makes of a trust message, in short.
enum TrustJudged: Equatable {
    case dropped(Refusal)
    case known
    case successor
}

/// A device with document 5: two of three roots must sign.
final class TrustBench {
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
struct Attack: CustomTestStringConvertible, Sendable {
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

let attacks: [Attack] = [
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

extension [UInt8] {
    fileprivate func replacing(_ old: [UInt8], with new: [UInt8]) throws -> [UInt8] {
        let start = try #require(indices.first { self[$0...].starts(with: old) })
        return Array(self[..<start]) + new + self[(start + old.count)...]
    }
}
