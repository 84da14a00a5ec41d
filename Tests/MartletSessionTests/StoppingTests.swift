// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletSenML
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

@Suite struct StoppingTests {
    @Test("P6 after a clean stop the next run links to the last envelope and goes on with the next number")
    func clean() throws {
        let device = try connected()
        for index in 0..<3 { #expect(device.report(Double(index))) }
        device.acknowledgeAll()
        let last = try #require(device.sent(.telemetry).last)
        let run = device.engine.run
        device.stop()
        #expect(device.link.disconnects == 1)
        let goodbye = try presence(try #require(device.link.published.last).payload)
        #expect(goodbye == Presence(isOnline: false, run: run, connection: 1))
        try device.restart()
        #expect(device.engine.run == run + 1)
        device.connect()
        let head = ChainHead(sequence: try #require(last.envelope.claims.sequence), digest: last.digest)
        #expect(device.births[0].heads[.normal] == head)
        #expect(device.report(4))
        let next = try #require(device.sent(.telemetry).first)
        #expect(next.envelope.claims.sequence == head.sequence + 1 && next.envelope.claims.previous == head)
    }

    @Test func `without room for the goodbye the will says it: no DISCONNECT`() throws {
        let device = try connected()
        device.link.window = 1
        device.acknowledgeAll()
        #expect(device.report(1))
        #expect(device.link.unacknowledged.count == 1)
        device.stop()
        #expect(device.link.disconnects == 0 && device.link.aborts == 1)
    }

    @Test("P1 P6 after an unclean end the chain goes on where it was committed, and no number is used again")
    func unclean() throws {
        let device = try connected()
        var used: Set<UInt64> = []
        var run = device.engine.run
        for _ in 0..<5 {
            for index in 0..<10 { #expect(device.report(Double(index))) }
            device.acknowledgeAll()
            let head = try #require(device.engine.lane.head)
            for sequence in device.sequences { #expect(used.insert(sequence).inserted) }
            try device.cutPower(.losesAll)
            #expect(device.engine.run == run + 1)
            run += 1
            device.connect()
            #expect(device.births[0].heads[.normal] == head)
            // The acknowledgements were not written down: all comes again, byte by byte.
            device.acknowledgeAll()
            used.subtract(device.sequences)
            #expect(device.report(1))
            let first = try #require(device.sent(.telemetry).last)
            #expect(first.envelope.claims.previous == head && first.envelope.claims.sequence == head.sequence + 1)
        }
    }

    @Test("P6 a run that reported nothing keeps the link of the run before")
    func silentRun() throws {
        let device = try connected()
        #expect(device.report(1))
        let head = device.engine.lane.head
        device.acknowledgeAll()
        device.stop()
        try device.restart()
        device.stop()
        try device.restart()
        #expect(device.engine.lane.head == head)
    }

    @Test("P1 what is spooled at the stop is sent by the next run, byte by byte")
    func queued() throws {
        let device = try connected()
        for index in 0..<3 { #expect(device.report(Double(index))) }
        let topic = device.topics.topic(.signed(.telemetry))
        let sent = device.link.published.filter { $0.topic == topic }.map { $0.payload }
        #expect(device.acknowledge())
        device.stop()
        try device.restart()
        try device.restart()
        device.connect()
        #expect(device.link.published.filter { $0.topic == topic }.map { $0.payload } == Array(sent[1...]))
        device.acknowledgeAll()
        #expect(device.gaps.isEmpty && device.engine.backlog == 0)
    }

    @Test("P1 numbers used after the stop are not used again by the next run")
    func afterStop() throws {
        let device = try connected()
        #expect(device.report(1))
        device.acknowledgeAll()
        device.stop()
        #expect(device.report(2))
        let next = device.engine.lane.next
        try device.restart()
        #expect(device.engine.lane.next == next && device.engine.lane.head?.sequence == next - 1)
    }

    @Test func `a stopped engine is never due, and hears nothing more`() throws {
        let device = try connected()
        device.stop()
        #expect(device.engine.due == nil)
        let states = device.owner.states
        #expect(states.last == .disconnected)
        device.engine.closed(LinkFailure("late"), device.now)
        device.wait(1 << 40)
        #expect(device.owner.states == states && device.link.plans.count == 1 && device.engine.due == nil)
    }

    @Test func `a command that arrives during the farewell is not acknowledged`() throws {
        let device = try resumed()
        let command = Command(name: bytes("set-interval"), arguments: [.integer(60)])
        let message = try device.operator.command(command, try device.challenge)
        device.engine.beginStop()
        device.engine.finishStop(device.now)
        #expect(device.link.disconnects == 1)
        #expect(!device.deliver(message, as: .command) && device.owner.commands.isEmpty)
    }

    @Test func `a stop without a connection ends the attempt`() throws {
        let device = try device()
        device.wait(0)
        device.engine.finishStop(device.now)
        #expect(device.link.aborts == 1 && device.link.violations == 0)
    }

    @Test("if nothing can be saved at the stop, the next run goes on where this one was committed")
    func unsaved() throws {
        let device = try connected()
        #expect(device.report(1))
        let (next, head) = (device.engine.lane.next, device.engine.lane.head)
        device.disk.cutAfter = device.disk.steps
        device.stop()
        #expect(device.hasLogged("the journal could not be written"))
        try device.cutPower(.losesAll)
        #expect(device.engine.lane.next == next && device.engine.lane.head == head)
    }

    @Test(
        "CMD-06 a damaged journal gives fresh numbers and a signed event",
        arguments: [[], [0x84], [0xff, 0xff]] as [[UInt8]])
    func damaged(_ content: [UInt8]) throws {
        let device = try device { $0.disk.restore([(SegmentName(stream: 1, number: 1), [0x4d] + content)]) }
        device.connect()
        let run = device.engine.run
        #expect(run > UInt64(device.now.system / 1000) && device.engine.lane.next == run)
        #expect(device.events == [Event(kind: .stateLost, values: [Event.Value(code: 0, number: run)])])
        device.acknowledgeAll()
        device.stop()
        try device.restart()
        device.connect()
        #expect(device.events.isEmpty && device.births[0].run == run + 1)
    }

    @Test("CLK-01 a first run with a clock of 1970 counts from the build time")
    func firstRun() throws {
        let device = try device { $0.clock = ManualClock(system: 0) }
        #expect(device.engine.run == 1_790_000_000)
        device.connect()
        #expect(device.events.isEmpty)
    }
}
