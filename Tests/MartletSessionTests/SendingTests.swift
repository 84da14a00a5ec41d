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

@Suite struct SendingTests {
    @Test("telemetry is released at PUBACK 0x00, not before")
    func release() throws {
        let device = try connected()
        #expect(device.report(1))
        #expect(device.spool.count == 1 && !device.spool.hasUnsent)
        #expect(device.acknowledge())
        #expect(device.spool.count == 0 && device.engine.backlog == 0)
    }

    @Test func `an acknowledgement that belongs to nothing changes nothing`() throws {
        let device = try connected()
        #expect(device.report(1))
        device.engine.acknowledged(id: 4711, reasonCode: 0, device.now)
        #expect(device.spool.count == 1)
    }

    @Test func `a broker that does not acknowledge within a minute is left, and what it has is sent again`() throws {
        let device = try connected()
        #expect(device.report(1))
        #expect(device.engine.due == device.now.boot + 60_000)
        device.wait(59_999)
        #expect(device.link.aborts == 0)
        device.wait(1)
        #expect(device.link.aborts == 1 && device.owner.states.last == .disconnected)
        #expect(device.spool.hasUnsent)
    }

    @Test("P1 after a reconnect what was not acknowledged is sent again, byte by byte, after a new birth")
    func resend() throws {
        let device = try connected()
        for index in 0..<3 { #expect(device.report(Double(index))) }
        #expect(device.acknowledge(at: 1))
        let first = device.link.published.filter { $0.topic == device.topics.topic(.signed(.telemetry)) }
        device.disconnect()
        device.connect()
        let again = device.link.published.filter { $0.connection == 2 }
        #expect(
            again.map { device.topics.leaf(of: $0.topic.span) }
                == [.signed(.birth), .presence, .signed(.telemetry), .signed(.telemetry)])
        #expect(again[2].payload == first[0].payload && again[3].payload == first[2].payload)
        device.acknowledgeAll()
        #expect(device.engine.backlog == 0)
    }

    @Test(
        "what the broker does not take now is kept, and tried again after a pause that grows",
        arguments: [0x10, 0x87, 0x97, 0x80, 0x83] as [UInt8])
    func hold(_ code: UInt8) throws {
        let device = try connected()
        for index in 0..<3 { #expect(device.report(Double(index))) }
        let first = device.link.unacknowledged.map(\.payload)
        for pause in [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] as [UInt64] {
            while device.acknowledge(code) {}
            #expect(device.spool.count == 3 && device.link.unacknowledged.isEmpty)
            #expect(device.engine.due == device.now.boot + pause)
            device.wait(pause - 1)
            #expect(device.link.unacknowledged.isEmpty)
            device.wait(1)
            #expect(device.link.unacknowledged.map(\.payload) == first)
        }
        device.acknowledgeAll()
        #expect(device.engine.backlog == 0)
        // What was taken ends the growth.
        #expect(device.report(4))
        #expect(device.acknowledge(code))
        #expect(device.engine.due == device.now.boot + 1000)
    }

    @Test("a birth that is refused for now waits for the pause too, and goes before all else")
    func heldBirth() throws {
        let device = try device()
        #expect(device.report(1))
        device.link.window = 1
        device.connect()
        #expect(device.waitingLeaves == [.signed(.birth)])
        #expect(device.acknowledge(0x87))
        #expect(device.link.unacknowledged.isEmpty, "it was sent again at once")
        #expect(device.engine.due == device.now.boot + 1000)
        #expect(device.waitUntilDue())
        #expect(device.waitingLeaves == [.signed(.birth)])
        device.acknowledgeAll()
        #expect(device.leaves == [.signed(.birth), .signed(.birth), .presence, .signed(.telemetry)])
    }

    @Test func `that nobody listens to a birth is no reason to send it again`() throws {
        let device = try device()
        device.connect()
        while device.acknowledge(0x10) {}
        #expect(device.leaves == [.signed(.birth), .presence])
        #expect(device.engine.due == device.engine.challenge.due)
    }

    @Test("what the broker will never take becomes a gap record", arguments: [0x95, 0x99] as [UInt8])
    func refused(_ code: UInt8) throws {
        let device = try connected()
        for index in 0..<3 { #expect(device.report(Double(index))) }
        let sent = device.sent(.telemetry)
        #expect(device.acknowledge(code, at: 1))
        let gap = try #require(device.gaps.first)
        #expect(gap == Gap(first: gap.first, last: gap.first, readings: 1, reason: .refused, digest: sent[1].digest))
        #expect(gap.first == sent[1].envelope.claims.sequence)
        #expect(device.sent(.gap)[0].envelope.claims.lane == .normal)
        device.acknowledgeAll()
        #expect(device.engine.backlog == 0 && device.sequences.count == 3)
    }

    @Test func `what the broker will never take is kept until its gap is written down`() throws {
        let device = try connected()
        #expect(device.report(1))
        device.disk.fault = SimulatedDisk.Fault(device.disk.operations + 1, .full, isSticky: true)
        #expect(device.acknowledge(0x95))
        #expect(device.gaps.isEmpty && device.engine.backlog == 1)
        device.disk.fault = nil
        device.wait(Engine.flushRetry)
        #expect(device.acknowledge(0x99))
        device.acknowledgeAll()
        #expect(device.gaps.map(\.readings) == [1] && device.engine.backlog == 0)
        // The link knows it at once. The envelope itself is written before.
        device.link.maximumSize = 200
        device.disk.fault = SimulatedDisk.Fault(device.disk.operations + 3, .full, isSticky: true)
        #expect(device.report(2))
        #expect(device.gaps.count == 1 && device.engine.backlog == 1)
        device.disk.fault = nil
        device.link.maximumSize = .max
        device.wait(Engine.flushRetry)
        device.acknowledgeAll()
        #expect(device.gaps.count == 1 && device.engine.backlog == 0)
    }

    @Test func `what is too large for the link becomes a gap record at once`() throws {
        let device = try connected()
        #expect(device.report(1))
        #expect(device.acknowledge(0x95))
        let size = try #require(device.link.published.last).payload.count
        device.acknowledgeAll()
        device.link.maximumSize = size
        for _ in 0..<20 { try device.collect("humidity") }
        #expect(device.report(2))
        // It never went out, and the record of it is told in the same step.
        #expect(device.gaps.count == 2 && device.gaps[1].reason == .refused && device.gaps[1].readings == 21)
        #expect(device.sequences.count == 1 && device.waitingLeaves == [.signed(.gap)])
    }

    @Test("P1 a full spool becomes a gap record, and the rest is in order")
    func overflow() throws {
        let device = try device {
            $0.spoolLimits.bytes = 16_384
            $0.spoolSegment = 4096
        }
        for index in 0..<90 { #expect(device.report(Double(index))) }
        #expect(device.spool.size <= 16_384)
        device.connect()
        device.acknowledgeAll()
        let gap = try #require(device.gaps.first)
        #expect(device.gaps.count == 1 && gap.reason == .retention && gap.readings == gap.last - gap.first + 1)
        #expect(device.sequences == Array((gap.last + 1)..<(gap.first + 90)))
        #expect(device.sent(.telemetry)[0].envelope.claims.previous?.digest == gap.digest)
        #expect(device.leaves.firstIndex(of: .signed(.gap))! < device.leaves.firstIndex(of: .signed(.telemetry))!)
    }

    @Test("P1 a gap record that was not acknowledged is told again, by this run or the next")
    func gapIsKept() throws {
        let device = try connected()
        #expect(device.report(1))
        #expect(device.acknowledge(0x95))
        #expect(device.gaps.count == 1)
        device.disconnect()
        device.connect()
        #expect(device.gaps.count == 2 && device.gaps[0] == device.gaps[1])
        let gap = device.gaps[0]
        device.stop()
        try device.restart()
        device.connect()
        device.acknowledgeAll()
        #expect(device.gaps == [gap])
        device.stop()
        try device.restart()
        device.connect()
        #expect(device.gaps.isEmpty)
    }

    @Test("P1 a flood of receipts and events pushes no gap record out")
    func gapOutlastsFlood() throws {
        let device = try resumed()
        #expect(device.report(1))
        device.link.window = 1
        #expect(device.acknowledge(0x95))
        #expect(device.waitingLeaves == [.signed(.gap)])
        device.disconnect()
        for _ in 0..<200 { device.engine.tell(Event(kind: .clockTrusted), device.now) }
        #expect(device.engine.outbox.entries.count == Outbox.capacity)
        device.connect()
        device.acknowledgeAll()
        #expect(device.gaps.count == 2 && device.engine.backlog == 0)
    }

    @Test func `if the state cannot be saved telemetry waits, and goes on when it can`() throws {
        let device = try connected { $0.limits.count = 2 }
        #expect(device.report(0))
        device.acknowledgeAll()
        device.disk.isFull(true)
        device.engine.lane.reservedUntil = device.engine.lane.next + 1
        #expect(device.report(1))
        #expect(!device.report(2))
        #expect(device.batch.count == 1 && device.sequences.count == 1)
        device.disk.isFull(false)
        #expect(device.report(3))
        #expect(device.batch.count == 0 && device.sequences.count == 3)
    }

    @Test("IOE-01 what could not be read for a moment is sent a second later")
    func readAgain() throws {
        let device = try connected { $0.spoolSegment = 4096 }
        device.link.window = 0
        for index in 0..<300 { #expect(device.report(Double(index))) }
        // Too many open files.
        device.disk.fault = SimulatedDisk.Fault(device.disk.operations + 1, .failed(24), isSticky: true)
        device.link.window = 20
        device.wait(0)
        device.acknowledgeAll()
        #expect(device.sequences.count < 300 && device.link.unacknowledged.isEmpty)
        device.disk.fault = nil
        #expect(device.engine.due == device.now.boot + 1000)
        device.wait(1000)
        device.acknowledgeAll()
        #expect(device.sequences.count == 300 && device.gaps.isEmpty)
    }

    @Test("no more messages are in flight than the link takes, and telemetry leaves 5 places", arguments: [6, 20, 100])
    func window(_ window: Int) throws {
        let device = try connected()
        device.link.window = window
        for index in 0..<120 { #expect(device.report(Double(index))) }
        #expect(device.link.unacknowledged.count == window - 5)
        #expect(device.acknowledge())
        #expect(device.link.unacknowledged.count == window - 5)
        device.acknowledgeAll()
        #expect(device.sequences.count == 120 && device.sequences == device.sequences.sorted())
    }

    @Test("where the broker allows few messages telemetry has one place", arguments: 1...5)
    func smallWindow(_ window: Int) throws {
        let device = try connected()
        device.link.window = window
        for index in 0..<10 { #expect(device.report(Double(index))) }
        #expect(device.waitingLeaves == [.signed(.telemetry)])
        device.acknowledgeAll()
        #expect(device.sequences.count == 10)
    }

    @Test func `a birth, an event and a receipt leave at once while the broker acknowledges no telemetry`() throws {
        let device = try resumed()
        device.wait(device.engine.challenge.due - device.now.boot - 1000)
        for index in 0..<120 { #expect(device.report(Double(index))) }
        #expect(device.waitingLeaves.allSatisfy { $0 == .signed(.telemetry) })
        try device.send()
        device.finish()
        #expect(device.waitingLeaves.last == .signed(.receipt))
        device.wait(1000)
        #expect(device.waitingLeaves.last == .signed(.birth))
        #expect(device.deliver([], as: .command))
        device.wait(0)
        #expect(device.waitingLeaves.last == .signed(.event))
        #expect(device.link.unacknowledged.count == device.link.window - 2)
    }

    @Test("CLK-04 stamps say how far to trust them")
    func stamps() throws {
        let device = try connected { $0.clock = ManualClock(system: 5000) }
        #expect(device.report(1))
        #expect(try device.resume(time: 1_800_000_000))
        #expect(device.report(2))
        let claims = device.sent(.telemetry).map(\.envelope.claims)
        #expect(claims.map(\.clock) == [.untrusted, .trusted])
        #expect(claims.map(\.issuedAt) == [nil, 1_800_000_000])
        #expect(claims.allSatisfy { $0.boot == BootTime(id: bytes16(7), milliseconds: 60_000) })
    }
}
