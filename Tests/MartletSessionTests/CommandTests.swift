// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletSenML
import MartletState
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

@Suite struct CommandTests {
    @Test("CMD-05 a command of the library that a power cut interrupted is never given to the program")
    func ownCommand() throws {
        let names = ["set-interval", "suspend", "activate"].map(bytes)
        var ends: [Bool] = []
        for step in 0..<40 {
            let device = try device()
            device.document = try device.trust.message(
                device.trust.document(version: 2, [device.gateway, device.operator], commands: names))
            try device.restart()
            device.connect()
            #expect(try device.resume())
            device.disk.cutAfter = device.disk.steps + step
            let command = Command(name: bytes("suspend"), arguments: [])
            _ = device.deliver(try device.operator.command(command, device.challenge), as: .command)
            try device.cutPower(.keepsAll)
            device.engine.advance(device.now)
            #expect(device.owner.commands.isEmpty, "step \(step)")
            device.connect()
            device.acknowledgeAll()
            ends.append(device.engine.state.isSuspended)
            #expect(device.receipts.map(\.outcome) == (device.engine.state.isSuspended ? [.done] : []), "step \(step)")
        }
        #expect(ends.contains(true) && ends.contains(false))
    }

    @Test func `a command goes to its handler, and its outcome back in a signed receipt`() throws {
        let device = try resumed()
        try device.send([.integer(60)])
        #expect(device.owner.commands.map(\.arguments) == [[.integer(60)]] && device.receipts.isEmpty)
        #expect(device.engine.waiting == 1)
        device.finish(0, .done, results: [.integer(30)])
        let receipt = try #require(device.receipts.first)
        #expect(receipt.outcome == .done && receipt.results == [.integer(30)])
        #expect(receipt.command == device.owner.commands[0].key.id)
        #expect(receipt.controller == device.operator.key.keyID)
        #expect(device.engine.waiting == 0)
        // A handler ends once.
        device.finish(0, .failed)
        #expect(device.receipts.count == 1 && device.engine.waiting == 0)
    }

    @Test("P2 a receipt is sent until it is acknowledged, over reconnects")
    func receiptsAreResent() throws {
        let device = try resumed()
        try device.send()
        device.disconnect()
        device.finish()
        #expect(device.receipts.isEmpty)
        device.connect()
        #expect(device.receipts.count == 1)
        device.disconnect()
        device.connect()
        #expect(device.receipts.count == 2 && device.receipts[0] == device.receipts[1])
        device.acknowledgeAll()
        device.disconnect()
        device.connect()
        #expect(device.receipts.count == 2)
    }

    @Test("CMD-02 a redelivered command runs once; a repeated id gets its receipt again")
    func once() throws {
        let device = try resumed()
        var claims = device.operator.commandClaims(try device.challenge)
        let command = Command(name: bytes("set-interval"), arguments: [.integer(1)])
        let message = try device.operator.command(command, claims)
        for _ in 0..<100 { #expect(device.deliver(message, as: .command)) }
        #expect(device.owner.commands.count == 1)
        claims.sequence = 1000
        #expect(device.deliver(try device.operator.command(command, claims), as: .command))
        #expect(device.owner.commands.count == 1 && device.receipts.isEmpty)
        device.finish()
        claims.sequence = 1001
        #expect(device.deliver(try device.operator.command(command, claims), as: .command))
        #expect(device.owner.commands.count == 1 && device.receipts.count == 2)
        #expect(device.receipts[0] == device.receipts[1])
    }

    @Test("CMD-02 a retained command is refused")
    func retained() throws {
        let device = try resumed()
        let command = Command(name: bytes("set-interval"), arguments: [.integer(1)])
        let message = try device.operator.command(command, try device.challenge)
        #expect(device.deliver(message, as: .command, isRetained: true))
        #expect(device.owner.commands.isEmpty && device.engine.gate.refusals[.retained] == 1)
    }

    @Test("CMD-06 no command of an earlier run runs again, whatever became of the journal", arguments: 0..<4)
    func earlierRun(_ fate: Int) throws {
        let device = try resumed()
        let old = device.disk.image
        let command = Command(name: bytes("set-interval"), arguments: [.integer(1)])
        let message = try device.operator.command(command, try device.challenge)
        #expect(device.deliver(message, as: .command))
        #expect(device.owner.commands.count == 1)
        let name = SegmentName(stream: 1, number: 1)
        device.disk.restore([[], [(name, [])], [(name, [1, 2, 3])], old][fate])
        try device.restart()
        device.connect()
        #expect(try device.resume())
        device.acknowledgeAll()
        #expect(device.deliver(message, as: .command))
        #expect(device.owner.commands.isEmpty && device.receipts.map(\.outcome) == [.stale])
    }

    @Test("CMD-05 a command of the engine itself, whose outcome was not durable, is told as done by the next run")
    func ownOutcome() throws {
        let device = try resumed()
        let document = device.trust.document(
            version: 2, [device.gateway, device.operator], commands: [bytes("suspend")])
        device.document = try device.trust.message(document)
        try device.restart()
        device.connect()
        #expect(try device.resume())
        device.acknowledgeAll()
        // The acceptance is written and synced, nothing after it.
        device.engine.flush(device.now)
        device.disk.fault = SimulatedDisk.Fault(device.disk.operations + 3, .full, isSticky: true)
        let message = try device.operator.command(Command(name: bytes("suspend")), try device.challenge)
        #expect(device.deliver(message, as: .command))
        #expect(device.receipts.isEmpty)
        device.disk.fault = nil
        try device.restart()
        device.connect()
        #expect(device.receipts.map(\.outcome) == [.done])
        #expect(device.run.state.isSuspended && device.owner.commands.isEmpty)
    }

    @Test func `no more than 16 commands wait for handlers`() throws {
        let device = try resumed()
        for index in 0..<17 {
            try device.send([.integer(Int64(index + 1))])
            device.wait(1000)
        }
        #expect(device.owner.commands.count == 16 && device.receipts.map(\.outcome) == [.busy])
        device.finish(3)
        try device.send()
        #expect(device.owner.commands.count == 17)
    }

    @Test("CMD-05 handlers that hang do not keep the device from being suspended and activated")
    func busyButSuspended() throws {
        let idempotent = CommandDeclaration(
            name: bytes("set-text"), parameters: [.text(maximumLength: 1024)], isIdempotent: true)
        let device = try device { settings in
            if let idempotent { settings.commands.append(idempotent) }
        }
        var document = device.trust.document(
            version: 2, [device.gateway, device.operator],
            commands: ["set-interval", "set-text", "suspend", "activate"].map(bytes))
        for index in document.policy[0].rules.indices { document.policy[0].rules[index].whileSuspended = true }
        device.document = try device.trust.message(document)
        try device.restart()
        device.connect()
        #expect(try device.resume())
        device.acknowledgeAll()
        // All places, and all bytes that commands may take in the ledger.
        func send(_ name: String, _ arguments: [CommandValue] = []) throws -> Outcome? {
            let (commands, receipts) = (device.owner.commands.count, device.receipts.count)
            let command = Command(name: bytes(name), arguments: arguments)
            #expect(device.deliver(try device.operator.command(command, device.challenge), as: .command))
            device.acknowledgeAll()
            device.wait(1000)
            return device.owner.commands.count > commands ? nil : device.receipts[receipts...].first?.outcome
        }
        for size in [1024, 512, 256, 128, 64, 33, 1] {
            let text = [UInt8](repeating: UInt8(ascii: "a"), count: size)
            while device.owner.commands.count < 16 {
                if let outcome = try send("set-text", [.text(text)]) {
                    #expect(outcome == .busy)
                    break
                }
            }
        }
        #expect(device.owner.commands.count == 16)
        #expect(try send("set-interval", [.integer(1)]) == .busy)
        #expect(try send("suspend") == .done && device.run.state.isSuspended)
        #expect(try send("activate") == .done && !device.run.state.isSuspended)
    }

    @Test func `a stopping device accepts nothing more, and lets handlers end`() throws {
        let device = try resumed()
        try device.send()
        device.engine.beginStop()
        try device.send()
        #expect(device.owner.commands.count == 1)
        device.finish()
        #expect(device.receipts.map(\.outcome) == [.notReady, .done])
    }

    @Test("refusals before the signature are told in one event, at most once a minute")
    func refusals() throws {
        let device = try resumed()
        #expect(device.deliver([1, 2, 3], as: .command))
        #expect(device.events.last == Event(kind: .refusals, values: [Event.Value(code: 2, number: 1)]))
        device.wait(1)
        for _ in 0..<3 { #expect(device.deliver([1, 2, 3], as: .command)) }
        #expect(device.deliver([UInt8](repeating: 0, count: 20_000), as: .command))
        #expect(device.events.count == 2)
        device.acknowledgeAll()
        device.wait(59_998)
        #expect(device.events.count == 2)
        device.wait(1)
        let expected = Event(
            kind: .refusals,
            values: [
                Event.Value(code: UInt64(Refusal.tooLarge.rawValue), number: 1),
                Event.Value(code: UInt64(Refusal.malformed.rawValue), number: 3),
            ])
        #expect(device.events.last == expected)
        let count = device.events.count
        device.acknowledgeAll()
        device.wait(60_000)
        // A flood for 10 minutes.
        for _ in 0..<600 {
            for _ in 0..<10 { #expect(device.deliver([1], as: .command)) }
            device.wait(1000)
            device.acknowledgeAll()
        }
        let told = device.events[count...]
        #expect((10...11).contains(told.count))
        device.wait(60_000)
        #expect(device.events[count...].reduce(0) { $0 + ($1.values.first?.number ?? 0) } == 6000)
    }

    @Test("CMD-07 hostile bytes on both topics neither stop the device nor its telemetry")
    func hostile() throws {
        let device = try resumed()
        let random = SeededEntropy(seed: announcedSeed("hostile bytes"))
        for _ in 0..<2000 {
            var message: [UInt8] = []
            switch random.below(3) {
            case 0: for _ in 0..<random.below(300) { message.append(UInt8(random.below(256))) }
            case 1:
                message = [UInt8](repeating: [0x81, 0xa1, 0xc1, 0xd2, 0x9f, 0xff][Int(random.below(6))], count: 2000)
            default:
                let command = Command(name: bytes("set-interval"), arguments: [.integer(1)])
                message = try device.operator.command(command, bytes16(UInt8(random.below(256))))
                for _ in 0...random.below(3) {
                    message[Int(random.below(UInt64(message.count)))] ^= UInt8(1 + random.below(255))
                }
            }
            #expect(device.deliver(message, as: random.oneIn(2) ? .command : .resume))
            device.wait(10)
            device.acknowledgeAll()
        }
        #expect(device.deliver([UInt8](repeating: 0x81, count: 50_000), as: .command))
        #expect(device.owner.commands.isEmpty)
        device.wait(60_000)
        #expect(device.report(1))
        device.acknowledgeAll()
        try device.send()
        #expect(device.owner.commands.count == 1 && device.sequences.count == 1)
    }

    @Test func `no byte from outside reaches a log line unescaped`() {
        var line = LogLine()
        line.untrusted([0x41, 0x0a, 0x1b, 0x5c, 0x7f, 0xe2, 0x80, 0xae])
        #expect(String(decoding: line.bytes, as: UTF8.self) == "A\\x0a\\x1b\\x5c\\x7f\\xe2\\x80\\xae")
        var long = LogLine()
        long.untrusted([UInt8](repeating: 0x61, count: 97))
        #expect(String(decoding: long.bytes, as: UTF8.self) == String(repeating: "a", count: 96) + "\u{2026}")
        var numbers = LogLine()
        for number in [0, 10, UInt64.max] {
            numbers.number(number)
            numbers.text(" ")
        }
        #expect(String(decoding: numbers.bytes, as: UTF8.self) == "0 10 18446744073709551615 ")
    }
}
