// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletCommands
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletState
import MartletTestKit

/// Signed commands: through the gate alone, and through a whole device without a network.
enum CommandChecks {
    static var all: [Check] {
        [
            Check("commands: accepted once, then answered; replayed, forged and foreign ones are dropped", gate),
            Check("commands: stale, expired, unknown, bad and hurried ones are answered with their code", answers),
            Check("commands: sequences, times and arguments beyond 2^31 and 2^32", large),
            Check("device: birth, resume, command, receipt, telemetry", device),
            Check("device: any state file starts a run", stateFiles),
        ]
    }

    /// A device's gate and an operator that it knows.
    struct Bench {
        let gate: CommandGate
        let controller: TestController
        let stranger: TestController
        var moment: GateMoment

        init() throws(Failure) {
            let name = bytes("urn:example:operator")
            let audience = bytes(EnvelopeChecks.deviceName)
            controller = try require(
                try? TestController(name: name, role: .operate, audience: audience, seed: seed), "controller")
            stranger = try require(
                try? TestController(name: name, role: .operate, audience: audience, seed: seed + 7), "controller")
            let trust = try require(try? TestTrust(deviceName: audience, seed: seed + 9), "root")
            let policy = try require(
                try? trust.policy([controller], commands: [bytes("set"), bytes("get")]), "trust document")
            gate = CommandGate(root: trust.root, policy: policy, now: 0)
            let declaration = try require(
                CommandDeclaration(
                    name: bytes("set"), parameters: [.integer(-(1 << 40)...1 << 40), .choice(["on", "off"])]),
                "declaration")
            try require(gate.declare(declaration) == 0 && gate.declare(declaration) == nil, "declare")
            moment = GateMoment(
                now: 1000, trustedTime: 1_800_000_000, challenge: bytes16(1), previousChallenge: bytes16(2),
                isResumed: true, waiting: 0)
        }

        static let command = Command(name: bytes("set"), arguments: [.integer(5), .text(bytes("on"))])

        func message(
            _ command: Command = command, by controller: TestController? = nil,
            _ change: (inout Claims) -> Void = { _ in }
        ) throws(Failure) -> [UInt8] {
            let signer = controller ?? self.controller
            var claims = signer.commandClaims(moment.challenge)
            change(&claims)
            return try require(try? signer.command(command, claims), "sign")
        }

        /// One second later.
        mutating func judge(_ message: [UInt8], isRetained: Bool = false) -> Verdict {
            moment.now += 1000
            return gate.judge(message.span, isRetained: isRetained, moment)
        }

        mutating func expect(_ refusal: Refusal, _ message: [UInt8], isRetained: Bool = false) throws(Failure) {
            guard case .dropped(refusal) = judge(message, isRetained: isRetained) else {
                throw Failure(why: "is not", name: refusal.text)
            }
        }

        mutating func expect(_ outcome: Outcome, _ message: [UInt8]) throws(Failure) {
            let receipt: Receipt
            switch judge(message) {
            case .refused(let refused): receipt = refused
            case .repeated(let repeated): receipt = repeated
            default: throw Failure(why: "is not", name: outcome.text)
            }
            try require(receipt.outcome == outcome, "is not", name: outcome.text)
            try require((receipt.challenge == moment.challenge) == (outcome == .stale), "challenge", name: outcome.text)
        }

        mutating func expectAccepted(_ message: [UInt8]) throws(Failure) -> AcceptedCommand {
            guard case .accepted(let command, _) = judge(message) else { throw Failure(why: "was not accepted") }
            return command
        }
    }

    private static func gate() throws(Failure) {
        var bench = try Bench()
        let id = bytes16(9)
        let first = try bench.message { $0.id = id }
        let accepted = try bench.expectAccepted(first)
        try require(accepted.arguments == Bench.command.arguments && accepted.deadline == nil, "arguments")
        try bench.expect(.replayed, first)
        let again = try bench.message { $0.id = id }
        guard case .running = bench.judge(again) else { throw Failure(why: "is not running") }
        guard case .some = bench.gate.finish(accepted.key, .done) else { throw Failure(why: "no receipt") }
        if case .some = bench.gate.finish(accepted.key, .failed) { throw Failure(why: "a second receipt") }
        let third = try bench.message { $0.id = id }
        guard case .running = bench.judge(third) else { throw Failure(why: "is not running") }
        bench.gate.ledger.endedAreDurable()
        try bench.expect(.done, try bench.message { $0.id = id })

        try bench.expect(.retained, try bench.message(), isRetained: true)
        try bench.expect(.unknownKey, try bench.message(by: bench.stranger))
        var forged = try bench.message()
        forged[forged.count - 1] ^= 1
        try bench.expect(.badSignature, forged)
        try bench.expect(.incomplete, try bench.message { $0.id = nil })
        try bench.expect(.incomplete, try bench.message { $0.nonce = nil })
        try bench.expect(.incomplete, try bench.message { $0.sequence = nil })
        try bench.expect(.wrongPurpose, try bench.message { $0.purpose = .approval })
        bench.controller.audience = bytes("urn:dev:mac:0024befffe804ff2")
        try bench.expect(.wrongAudience, try bench.message())
        bench.controller.audience = bytes(EnvelopeChecks.deviceName)
        try bench.expect(.malformed, [])
        try bench.expect(.tooLarge, [UInt8](repeating: 0, count: Envelope.maximumSize + 1))
        _ = try bench.expectAccepted(try bench.message())

        // All at one moment: the budget ends, whoever sends.
        var isOver = false
        for _ in 0..<41 {
            forged = try bench.message()
            forged[forged.count - 1] ^= 1
            if case .dropped(.overBudget) = bench.gate.judge(forged.span, isRetained: false, bench.moment) {
                isOver = true
            }
        }
        try require(isOver, "no end of the budget")
    }

    private static func answers() throws(Failure) {
        var bench = try Bench()
        _ = try bench.expectAccepted(try bench.message { $0.nonce = bytes16(2) })
        try bench.expect(.stale, try bench.message { $0.nonce = bytes16(3) })
        try bench.expect(.expired, try bench.message { $0.expires = 1_800_000_000 })
        _ = try bench.expectAccepted(try bench.message { $0.expires = 1_800_000_001 })
        try bench.expect(.notYetValid, try bench.message { $0.notBefore = 1_800_000_001 })
        try bench.expect(.unknownCommand, try bench.message(Command(name: bytes("get"))))
        for arguments in [
            [], [.integer(5)], [.integer(5), .text(bytes("maybe"))], [.text(bytes("on")), .integer(5)],
            [.integer(.max), .text(bytes("on"))], [.integer(.min), .text(bytes("on"))],
            [.number(5), .text(bytes("on"))],
        ] as [[CommandValue]] {
            try bench.expect(.badArguments, try bench.message(Command(name: bytes("set"), arguments: arguments)))
        }
        bench.moment.waiting = CommandGate.maximumWaiting
        try bench.expect(.busy, try bench.message())
        bench.moment.waiting = 0
        bench.moment.isResumed = false
        try bench.expect(.notReady, try bench.message())
        bench.moment.isResumed = true
        // Without trusted time nothing expires; the challenge still ends it.
        bench.moment.trustedTime = nil
        _ = try bench.expectAccepted(try bench.message { $0.expires = 1 })
    }

    private static func large() throws(Failure) {
        for start in [(1 << 31) - 2, (1 << 32) - 2, (1 << 63) - 2, .max - 3] as [UInt64] {
            var bench = try Bench()
            bench.moment.now = 1 << 33
            for offset in 0..<4 as Range<UInt64> {
                let arguments: [CommandValue] = [.integer(1 << 40), .text(bytes("off"))]
                let message = try bench.message(
                    Command(name: bytes("set"), arguments: arguments, deadline: 1 << 31)
                ) { claims in
                    claims.sequence = start + offset
                    claims.expires = 1 << 40
                }
                let accepted = try bench.expectAccepted(message)
                try require(accepted.arguments == arguments, "arguments")
                try require(accepted.deadline == bench.moment.now + 1000 << 31, "deadline")
                try bench.expect(.replayed, message)
            }
        }
    }

    private static func device() throws(Failure) {
        var settings = TestDevice.Settings()
        settings.commands = [
            try require(CommandDeclaration(name: bytes("set"), parameters: [.integer(1...9)]), "declaration")
        ]
        // Up for 50 days: boot time beyond 2^32 ms.
        settings.clock.boot = 50 * 86_400_000
        let device = try require(try? TestDevice(seed: seed, settings), "start")
        device.connect()
        try require(device.births.count == 1, "birth")
        let challenge = try require(device.newestBirth, "birth").challenge
        let command = Command(name: bytes("set"), arguments: [.integer(7)])
        let early = try require(try? device.operator.command(command, challenge), "sign")
        try require(device.deliver(early, as: .command) && device.owner.commands.isEmpty, "before the resume")
        device.acknowledgeAll()
        try require((try? device.resume()) == true, "resume")
        let message = try require(try? device.operator.command(command, challenge), "sign")
        _ = device.deliver(message, as: .command)
        _ = device.deliver(message, as: .command)
        try require(device.owner.commands.count == 1, "the command was not executed once")
        try require(device.owner.commands[0].arguments == [.integer(7)], "arguments")
        // The power goes while the handler runs: it is not called again, and its outcome is told as unknown.
        try require((try? device.cutPower(.losesAll)) != nil, "restart")
        device.connect()
        try require((try? device.resume()) == true, "resume after the cut")
        device.acknowledgeAll()
        _ = device.deliver(message, as: .command)
        device.acknowledgeAll()
        try require(device.owner.commands.isEmpty, "the command was executed again")
        try require(device.receipts.map { $0.outcome } == [.interrupted, .stale], "receipts after the cut")
        try require(device.report(51.2), "report")
        device.wait(10_000)
        device.acknowledgeAll()
        try require(device.sent(.telemetry).count == 1, "telemetry")
        try require(device.link.violations == 0, "sent without a connection")
    }

    /// What a file may hold after whatever happened to it.
    private static func stateFiles() throws(Failure) {
        var files: [[UInt8]] = [[], [0], [UInt8](repeating: 0, count: 64), [UInt8](repeating: 0xff, count: 4096)]
        for value in edges {
            files.append(
                try written { writer in
                    writer.array(4)
                    writer.unsigned(value)
                    for _ in Lane.allCases {
                        writer.array(2)
                        writer.unsigned(value)
                        writer.array(0)
                    }
                })
        }
        files += HostileChecks.lengths() + HostileChecks.nested()
        for (number, file) in files.enumerated() {
            if let state = RunState(decoding: file) {
                try require(
                    state.lanes.allSatisfy { $0.next < RunState.limit }, "a number out of bounds in file",
                    number: Int64(number))
            }
            try require(!Ledger().recover(file.span), "an entry in file", number: Int64(number))
            let settings = TestDevice.Settings()
            settings.disk.restore([(SegmentName(stream: DeviceState.stream, number: 1), file)])
            let device = try require(
                try? TestDevice(seed: seed, settings), "did not start with file", number: Int64(number))
            device.connect()
            try require(device.births.count == 1, "no birth with file", number: Int64(number))
        }
    }
}
