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

@Suite struct ConnectingTests {
    @Test func `a new engine connects at once and says so`() throws {
        let device = try device()
        #expect(device.engine.due == 0)
        device.wait(0)
        #expect(device.link.state == .opening && device.owner.states == [.connecting])
        let plan = try #require(device.link.plans.first)
        #expect(plan.willTopic == device.topics.topic(.presence) && plan.now == device.now.boot)
        let will = try presence(plan.will)
        #expect(!will.isOnline && will.run == device.engine.run && will.connection == 1)
    }

    @Test func `all subscriptions, then birth and presence, then everything else`() throws {
        let device = try device()
        #expect(device.report(1))
        #expect(device.link.violations == 0)
        device.accept()
        #expect(
            device.link.subscriptions == [
                device.topics.topic(.signed(.resume)), device.topics.topic(.signed(.command)),
                device.topics.topic(.signed(.trust)),
            ])
        #expect(device.link.published.isEmpty)
        device.engine.subscribed(reasonCode: 1, device.now)
        #expect(device.leaves == [.signed(.birth), .presence, .signed(.telemetry)])
        #expect(device.link.published.map(\.isRetained) == [true, true, false])
        let online = try presence(device.link.published[1].payload)
        #expect(online == Presence(isOnline: true, run: device.engine.run, connection: 1))
        let birth = try #require(device.sent(.birth).first)
        #expect(birth.envelope.claims.uptime == device.now.boot / 1000 && birth.envelope.claims.clock == .bounded)
    }

    @Test("nothing overtakes the birth, however small the window", arguments: 1...4)
    func smallWindow(_ window: Int) throws {
        let device = try device()
        device.link.window = window
        for index in 0..<3 { #expect(device.report(Double(index))) }
        device.connect()
        device.acknowledgeAll()
        #expect(
            device.leaves == [.signed(.birth), .presence] + [Leaf?](repeating: .signed(.telemetry), count: 3))
        #expect(device.engine.backlog == 0)
    }

    @Test func `an attempt ends after 30 seconds without CONNACK`() throws {
        let device = try device()
        device.wait(0)
        #expect(device.engine.due == device.now.boot + 30_000)
        device.wait(29_999)
        #expect(device.link.aborts == 0)
        device.wait(1)
        #expect(device.link.aborts == 1 && device.link.state == .closed)
        #expect(device.owner.states == [.connecting, .disconnected])
    }

    @Test func `a connection ends 30 seconds after CONNACK if the subscriptions are not confirmed`() throws {
        let device = try device()
        device.wait(0)
        device.accept()
        #expect(device.engine.due == device.now.boot + 30_000)
        device.wait(29_999)
        #expect(device.link.state == .open)
        #expect(device.waitUntilDue())
        #expect(device.link.aborts == 1 && device.owner.states.last == .disconnected)
    }

    @Test func `a refused subscription ends the connection`() throws {
        let device = try device()
        device.wait(0)
        device.accept()
        device.engine.subscribed(reasonCode: 0x87, device.now)
        #expect(device.link.aborts == 1 && device.owner.states.last == .disconnected)
        #expect(device.link.published.isEmpty)
    }

    @Test("the pause between attempts grows to a minute and never exceeds it")
    func pauses() throws {
        let device = try device()
        var longest: UInt64 = 0
        for attempt in 0..<60 {
            #expect(device.waitUntilDue())
            #expect(device.link.plans.count == attempt + 1 && device.link.state == .opening)
            let start = device.now.boot
            device.disconnect()
            let due = try #require(device.engine.due)
            #expect(due - start <= min(60_000, 2000 << UInt64(min(attempt, 10))))
            longest = max(longest, due - start)
        }
        #expect(longest > 30_000)
    }

    @Test func `a connection's end is heard once`() throws {
        let device = try connected()
        device.disconnect()
        let due = device.engine.due
        device.disconnect()
        #expect(device.engine.due == due && device.owner.states.filter { $0 == .disconnected }.count == 1)
    }

    @Test func `each connection has its own number, in birth, presence and will`() throws {
        let device = try connected()
        device.disconnect()
        device.connect()
        #expect(device.births.map(\.connection) == [1, 2] && device.births[0].run == device.births[1].run)
        #expect(try presence(device.link.plans[1].will).connection == 2)
        #expect(device.births[1].isNewer(than: device.births[0]))
    }

    @Test func `without entropy, or if the state cannot be saved, there is no engine`() throws {
        let device = try device()
        device.entropy.isExhausted = true
        #expect(throws: TestKitError.engine) { try device.restart() }
        device.entropy.isExhausted = false
        device.disk.isFull(true)
        #expect(throws: TestKitError.engine) { try device.restart() }
        device.disk.isFull(false)
        try device.restart()
    }

    @Test(
        "CLK-01 with an untrusted clock a certificate that is not yet valid is accepted, and judged at the build time")
    func untrustedPlan() throws {
        let device = try device { $0.clock = ManualClock(system: 5000) }
        device.wait(0)
        let plan = try #require(device.link.plans.first)
        #expect(plan.acceptsNotYetValid && plan.verificationTime == 1_790_000_000)
    }

    @Test("CLK-01 with trusted time a certificate must be valid at that time")
    func trustedPlan() throws {
        let device = try resumed()
        device.disconnect()
        #expect(device.waitUntilDue())
        let plan = try #require(device.link.plans.last)
        #expect(!plan.acceptsNotYetValid && plan.verificationTime == device.now.system / 1000)
    }

    @Test("a new challenge is told in a new birth, and commands may use the old one for one more period")
    func rotation() throws {
        let device = try resumed()
        let first = try device.challenge
        #expect(device.engine.due == 60_000 + Challenge.period)
        #expect(device.waitUntilDue())
        #expect(device.births.count == 2)
        device.acknowledgeAll()
        let second = try device.challenge
        #expect(second != first && device.births[1].isNewer(than: device.births[0]))
        try device.send([.integer(1)], first)
        try device.send([.integer(2)], second)
        #expect(device.owner.commands.map(\.arguments) == [[.integer(1)], [.integer(2)]])
        device.wait(Challenge.period)
        try device.send([.integer(3)], first)
        #expect(device.owner.commands.count == 2)
        #expect(
            device.receipts.last?.outcome == .stale && device.receipts.last?.challenge == device.births.last?.challenge)
    }

    @Test("after a long suspend nothing recorded is valid, before the engine is called for anything else")
    func suspend() throws {
        let device = try connected()
        let old = try device.challenge
        let command = try device.operator.command(Command(name: bytes("set-interval"), arguments: [.integer(1)]), old)
        let resume = try device.gateway.resume(Resume(time: 1_900_000_000), old)
        device.settings.clock.advance(2 * Challenge.period)
        #expect(device.deliver(resume, as: .resume))
        #expect(!device.engine.isResumed && device.engine.gate.refusals[.replayed] == 1)
        #expect(device.deliver(command, as: .command))
        #expect(device.owner.commands.isEmpty)
        device.engine.advance(device.now)
        #expect(device.births.count == 2)
    }
}
