// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletSenML
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

/// A device, a broker with moods and a back end that keeps books, all driven by one seed.
private final class Simulation {
    let device: TestDevice
    let random: SeededEntropy
    /// Hash and predecessor of each envelope that the broker took, by sequence number.
    var stored: [UInt64: (digest: [UInt8], previous: ChainHead?)] = [:]
    /// Numbers that gap records cover.
    var told: [ClosedRange<UInt64>] = []
    /// Numbers that were given to readings.
    var given: Set<UInt64> = []
    var executed: Set<CommandKey> = []
    var seen = 0
    var problems: [String] = []

    init(seed: UInt64) throws {
        random = SeededEntropy(seed: seed)
        device = try MartletSessionTests.device(
            {
                $0.spoolLimits.bytes = 20_000
                $0.spoolSegment = 4096
            }, seed: seed)
    }

    func step() throws {
        switch random.below(20) {
        case 0...4:
            let next = device.engine.lane.next
            if device.report(1) { given.formUnion(next..<device.engine.lane.next) }
        case 5...9: _ = acknowledge()
        case 10: if device.link.state == .opening { device.connect(isProvisional: random.oneIn(5)) }
        case 11: if device.link.state != .closed, random.oneIn(4) { device.disconnect() }
        case 12: if device.link.state == .open { _ = try device.resume() }
        case 13: if device.link.state == .open, device.newestBirth != nil { try device.send() }
        case 14:
            if device.engine.waiting > 0 {
                for (index, command) in device.owner.commands.enumerated() where !executed.contains(command.key) {
                    executed.insert(command.key)
                    device.finish(index)
                    break
                }
            }
        case 15: _ = device.deliver([UInt8](repeating: 0x81, count: Int(random.below(100))), as: .command)
        case 16: device.link.window = 1 + Int(random.below(30))
        case 17: device.settings.clock.system += Int64(random.below(2_000_000_000)) - 1_000_000_000
        case 18: device.wait(random.below(random.oneIn(20) ? 10_000_000 : 5000))
        default: if random.oneIn(40) { device.stop(); try restart() } else { _ = device.waitUntilDue() }
        }
        observe()
    }

    /// The broker answers one message, in any order and sometimes badly.
    func acknowledge() -> Bool {
        let waiting = device.link.unacknowledged
        if waiting.isEmpty { return false }
        let index = Int(random.below(UInt64(waiting.count)))
        let message = device.open(waiting[index])
        // A gap record that the broker never takes would be lost, as nothing smaller could be told.
        let codes: [UInt8] = message?.leaf == .signed(.gap) ? [0x10, 0x87, 0x97] : [0x10, 0x87, 0x97, 0x95, 0x99]
        let code = random.oneIn(6) ? codes[Int(random.below(UInt64(codes.count)))] : 0
        if code == 0, let message { store(message) }
        return device.acknowledge(code, at: index)
    }

    private func store(_ message: TestDevice.Signed) {
        if message.leaf == .signed(.gap), let gap = try? Gap(decoding: message.payload.span) {
            told.append(gap.first...gap.last)
        }
        guard message.leaf == .signed(.telemetry), let sequence = message.envelope.claims.sequence else { return }
        let digest = (0..<32).map { message.digest.bytes[$0] }
        if let known = stored[sequence], known.digest != digest { problems.append("\(sequence) was used twice") }
        stored[sequence] = (digest, message.envelope.claims.previous)
    }

    private func restart() throws {
        try device.restart()
        seen = 0
        executed = []
    }

    /// What must hold after every step.
    private func observe() {
        if device.link.violations > 0 { problems.append("the link was used without a connection") }
        if device.engine.waiting < 0 || device.engine.waiting > 16 {
            problems.append("waiting \(device.engine.waiting)")
        }
        if device.link.unacknowledged.count > 30 { problems.append("too many in flight") }
        if device.engine.outbox.entries.count > Outbox.capacity { problems.append("the outbox is not bounded") }
        let ids = Set(device.owner.commands.map(\.key))
        if ids.count != device.owner.commands.count { problems.append("a command was executed twice") }
        if !progresses() { problems.append("due at \(device.engine.due ?? 0), nothing done at \(device.now.boot)") }
    }

    /// Whoever calls `advance` when it is due is not called again at once for nothing.
    private func progresses() -> Bool {
        for _ in 0..<8 {
            guard let due = device.engine.due, due <= device.now.boot else { return true }
            device.engine.advance(device.now)
        }
        return false
    }

    /// The storm is over: everything that was not told must come now.
    func settle() throws {
        for _ in 0..<3 {
            device.link.window = 20
            while device.link.state != .open { device.link.state == .opening ? device.connect() : device.wait(61_000) }
            for _ in 0..<5 {
                while let message = device.link.unacknowledged.first {
                    if let signed = device.open(message) { store(signed) }
                    _ = device.acknowledge()
                }
                device.wait(61_000)
            }
        }
    }
}

@Suite struct SimulationTests {
    @Test(
        "P1 P2 P8 in any weather: no busy loop, nothing executed twice, every reading stored or told", arguments: 0..<12
    )
    func storm(_ round: Int) throws {
        let seed = announcedSeed("storm \(round)") &+ UInt64(round)
        let simulation = try Simulation(seed: seed)
        for step in 0..<2500 {
            try simulation.step()
            if !simulation.problems.isEmpty {
                Issue.record("seed \(seed), step \(step): \(simulation.problems)")
                return
            }
        }
        try simulation.settle()
        #expect(simulation.device.engine.backlog == 0, "seed \(seed)")
        let lost = simulation.given.filter { sequence in
            simulation.stored[sequence] == nil && !simulation.told.contains { $0.contains(sequence) }
        }
        #expect(lost.isEmpty, "seed \(seed): neither stored nor told: \(lost.sorted())")
        #expect(simulation.problems.isEmpty, "seed \(seed)")
        #expect(simulation.stored.count > 20, "seed \(seed): the storm did something")
    }

    @Test func `the same seed gives the same bytes`() throws {
        func run() throws -> [[UInt8]] {
            let simulation = try Simulation(seed: 42)
            for _ in 0..<300 { try simulation.step() }
            return simulation.device.link.published.map(\.payload)
        }
        #expect(try run() == run())
    }
}
