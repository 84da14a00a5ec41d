// SPDX-License-Identifier: Apache-2.0

import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletTestKit
import Testing

/// A message that must not be executed, and why.
private struct Negative: CustomTestStringConvertible, Sendable {
    let why: String
    let verdict: Judged
    let message: @Sendable (Bench) throws -> [UInt8]
    var isRetained = false
    /// What the device knows when the message arrives.
    var prepare: @Sendable (Bench) throws -> Void = { _ in }

    var testDescription: String { why }
}

/// The same command in an envelope of the test's own making.
private func sealed(
    by other: TestController, _ bench: Bench, purpose: Purpose = .command
) throws -> [UInt8] {
    var claims = other.commandClaims(bench.moment.challenge)
    claims.purpose = purpose
    return try other.command(Command(name: bytes("set-interval"), arguments: [.integer(60)]), claims)
}

private func raw(_ bench: Bench, _ payload: [UInt8]) throws -> [UInt8] {
    try bench.controller.seal(bench.controller.commandClaims(bench.moment.challenge), payload)
}

private let negatives: [Negative] = [
    Negative(why: "nothing", verdict: .dropped(.malformed)) { _ in [] },
    Negative(why: "longer than 16 KiB", verdict: .dropped(.tooLarge)) { bench in
        try bench.command() + [UInt8](repeating: 0, count: 16 * 1024)
    },
    Negative(why: "one trailing byte", verdict: .dropped(.malformed)) { try $0.command() + [0] },
    Negative(why: "50,000 opened arrays", verdict: .dropped(.tooLarge)) { _ in [UInt8](repeating: 0x81, count: 50_000)
    },
    Negative(why: "16,384 opened arrays", verdict: .dropped(.malformed)) { _ in
        [UInt8](repeating: 0x81, count: 16 * 1024)
    },
    Negative(why: "kept by the broker", verdict: .dropped(.retained), message: { try $0.command() }, isRetained: true),
    Negative(why: "a key that is not configured", verdict: .dropped(.unknownKey)) { bench in
        try sealed(
            by: TestController(name: bench.controller.name, role: .operate, audience: Bench.device, seed: 99), bench)
    },
    Negative(why: "the key of one controller with the name of another", verdict: .dropped(.wrongIssuer)) { bench in
        try sealed(
            by: TestController(name: bench.gateway.name, role: .operate, audience: Bench.device, seed: 1), bench)
    },
    Negative(why: "the name of nobody", verdict: .dropped(.wrongIssuer)) { bench in
        try sealed(
            by: TestController(name: bytes("urn:example:other"), role: .operate, audience: Bench.device, seed: 1), bench
        )
    },
    Negative(why: "for another device", verdict: .dropped(.wrongAudience)) { bench in
        bench.controller.audience = bytes("urn:dev:ops:32473-device-2")
        return try bench.command()
    },
    Negative(why: "for a device whose name begins with this one's", verdict: .dropped(.wrongAudience)) { bench in
        bench.controller.audience = Bench.device + bytes("0")
        return try bench.command()
    },
    Negative(why: "for a device of another tenant", verdict: .dropped(.wrongAudience)) { bench in
        bench.controller.audience = bytes("urn:dev:ops:32474-device-1")
        return try bench.command()
    },
    Negative(why: "a telemetry signature used again", verdict: .dropped(.wrongPurpose)) {
        try sealed(by: $0.controller, $0, purpose: .telemetry)
    },
    Negative(why: "a resume signature used again", verdict: .dropped(.wrongPurpose)) {
        try $0.gateway.resume(Resume(time: 1_800_000_000), $0.moment.challenge)
    },
    Negative(why: "a receipt signature used again", verdict: .dropped(.wrongPurpose)) {
        try sealed(by: $0.controller, $0, purpose: .receipt)
    },
    Negative(why: "another content format", verdict: .dropped(.wrongPurpose)) { bench in
        let command = Command(name: bytes("set-interval"), arguments: [.integer(60)])
        return try bench.controller.seal(
            bench.controller.commandClaims(bench.moment.challenge), command.encoded() ?? [],
            contentType: ContentFormat.senML)
    },
    Negative(why: "without a sequence number", verdict: .dropped(.incomplete)) { try $0.command { $0.sequence = nil } },
    Negative(why: "without an id", verdict: .dropped(.incomplete)) { try $0.command { $0.id = nil } },
    Negative(why: "without a challenge", verdict: .dropped(.incomplete)) { try $0.command { $0.nonce = nil } },
    Negative(
        why: "its sequence number was used", verdict: .dropped(.replayed),
        message: { try $0.command { $0.sequence = 1 } },
        prepare: { try $0.accept { $0.sequence = 1 } }),
    Negative(
        why: "below the window", verdict: .dropped(.replayed), message: { try $0.command { $0.sequence = 136 } },
        prepare: { try $0.accept { $0.sequence = 200 } }),
    Negative(why: "signed by a key with the same hint, another signature", verdict: .dropped(.badSignature)) { bench in
        var message = try bench.command()
        let other = try bench.command()
        message.replaceSubrange((message.count - 64)..., with: other[(other.count - 64)...])
        return message
    },
    Negative(why: "signature of zeros", verdict: .dropped(.badSignature)) { bench in
        let message = try bench.command()
        return message.dropLast(64) + [UInt8](repeating: 0, count: 64)
    },
    Negative(
        why: "more signatures than the link's budget", verdict: .dropped(.overBudget), message: { try $0.command() },
        prepare: { bench in
            var forged = try bench.command()
            forged[forged.count - 1] ^= 1
            for _ in 0..<40 { #expect(bench.judge(forged) == .dropped(.badSignature)) }
        }),
    Negative(why: "bound to a challenge that nobody gave", verdict: .answered(.stale)) {
        try $0.command { $0.nonce = bytes16(9) }
    },
    Negative(
        why: "past its time, by a trusted clock", verdict: .answered(.expired),
        message: { try $0.command { $0.expires = 1_800_000_000 } },
        prepare: { $0.moment.trustedTime = 1_800_000_000 }),
    Negative(
        why: "before its time, by a trusted clock", verdict: .answered(.notYetValid),
        message: { try $0.command { $0.notBefore = 1_800_000_001 } },
        prepare: { $0.moment.trustedTime = 1_800_000_000 }),
    Negative(why: "no payload", verdict: .answered(.badCommand)) { try raw($0, []) },
    Negative(why: "a payload that is no map", verdict: .answered(.badCommand)) { try raw($0, [0x80]) },
    Negative(why: "a payload of opened arrays", verdict: .answered(.badCommand)) {
        try raw($0, [UInt8](repeating: 0x81, count: 15 * 1024))
    },
    Negative(why: "a payload with a trailing byte", verdict: .answered(.badCommand)) {
        try raw($0, (Command(name: bytes("set-interval"), arguments: [.integer(60)]).encoded() ?? []) + [0])
    },
    Negative(why: "a name with a capital", verdict: .answered(.badCommand)) {
        try raw($0, Command(name: bytes("Set-interval")).encoded() ?? [])
    },
    Negative(why: "a priority of 3", verdict: .answered(.badCommand)) {
        try raw($0, Command(name: bytes("set-interval"), arguments: [.integer(60)], priority: 3).encoded() ?? [])
    },
    Negative(why: "a gateway's key", verdict: .answered(.notAuthorised)) { try sealed(by: $0.gateway, $0) },
    Negative(why: "a command that the device does not have", verdict: .answered(.unknownCommand)) {
        try raw($0, Command(name: bytes("reboot")).encoded() ?? [])
    },
    Negative(why: "an argument out of range", verdict: .answered(.badArguments)) { try $0.command([.integer(0)]) },
    Negative(why: "no argument", verdict: .answered(.badArguments)) { try $0.command([]) },
    Negative(why: "one argument too many", verdict: .answered(.badArguments)) {
        try $0.command([.integer(1), .integer(1)])
    },
    Negative(
        why: "16 commands wait", verdict: .answered(.busy), message: { try $0.command() },
        prepare: { $0.moment.waiting = 16 }),
    Negative(
        why: "before this run's resume", verdict: .answered(.notReady), message: { try $0.command() },
        prepare: { $0.moment.isResumed = false }),
    Negative(
        why: "more than the controller's rate", verdict: .answered(.rateLimited), message: { try $0.command() },
        prepare: { bench in
            for _ in 0..<20 { try bench.accept() }
        }),
]

@Suite struct RefusalTests {
    @Test("CMD-01 the positive control is accepted")
    func positive() throws {
        let bench = try Bench()
        #expect(try bench.judge(bench.command()) == .accepted)
        #expect(try bench.judge(bench.command { $0.nonce = bench.moment.previousChallenge }) == .accepted)
        #expect(bench.gate.refusals.total == 0)
    }

    @Test("CMD-01 a message that must not be executed gets its own code", arguments: negatives)
    private func negative(_ negative: Negative) throws {
        let bench = try Bench()
        try negative.prepare(bench)
        let before = bench.gate.refusals
        let message = try negative.message(bench)
        #expect(bench.judge(message, isRetained: negative.isRetained) == negative.verdict)
        // Counted under its own code, and only there; what is answered is not counted.
        for refusal in Refusal.allCases {
            let count = bench.gate.refusals[refusal] - before[refusal]
            #expect(count == (negative.verdict == .dropped(refusal) ? 1 : 0), "\(refusal)")
        }
        // What was refused did not break the gate.
        bench.moment.now += 60_000
        bench.moment.waiting = 0
        bench.moment.isResumed = true
        bench.controller.audience = Bench.device
        bench.controller.sequence = 1000
        #expect(try bench.judge(bench.command()) == .accepted)
    }

    @Test("CMD-01 the table is long enough and reaches every code of this level")
    func coverage() {
        #expect(negatives.count >= 25)
        // The others are of the link, and of trust documents.
        for refusal in Refusal.allCases where refusal.rawValue < Refusal.provisionalLink.rawValue {
            #expect(negatives.contains { $0.verdict == .dropped(refusal) }, "\(refusal)")
        }
        let outcomes: [Outcome] = [
            .stale, .expired, .notYetValid, .badCommand, .notAuthorised, .unknownCommand, .badArguments, .busy,
            .notReady, .rateLimited,
        ]
        for outcome in outcomes { #expect(negatives.contains { $0.verdict == .answered(outcome) }, "\(outcome)") }
    }

    @Test("CMD-01 every prefix of a valid command is dropped")
    func prefixes() throws {
        let bench = try Bench()
        let message = try bench.command()
        for count in 0..<message.count {
            #expect(bench.judge([UInt8](message[..<count])) == .dropped(.malformed), "\(count) bytes")
        }
        #expect(bench.judge(message) == .accepted)
    }

    @Test("CMD-01 every bit flip of a valid command gets a typed verdict, and none is accepted or answered")
    func flips() throws {
        let bench = try Bench()
        let message = try bench.command()
        var counts: [Refusal: Int] = [:]
        for bit in 0..<message.count * 8 {
            var flipped = message
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            // The budget, also that for old challenges, is another test's matter.
            bench.moment.now += 2000
            guard case .dropped(let refusal) = bench.judge(flipped) else {
                Issue.record("bit \(bit) was not dropped")
                continue
            }
            counts[refusal, default: 0] += 1
        }
        for refusal in [Refusal.malformed, .unknownKey, .wrongIssuer, .wrongAudience, .wrongPurpose, .badSignature] {
            #expect(counts[refusal, default: 0] > 0, "\(refusal)")
        }
        #expect(counts[.overBudget] == nil)
        #expect(bench.judge(message) == .accepted)
    }
}
