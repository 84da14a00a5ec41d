// SPDX-License-Identifier: Apache-2.0

import MartletAudit
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletSenML
import MartletState
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

@Suite struct ResumeTests {
    @Test func `a resume opens this run for commands and makes time trusted`() throws {
        let device = try connected { $0.clock = ManualClock(system: 0) }
        try device.send()
        #expect(device.receipts.map(\.outcome) == [.notReady] && device.owner.commands.isEmpty)
        #expect(try device.resume(time: 1_800_000_000))
        #expect(device.engine.isResumed && device.engine.clock.state(device.now) == .trusted)
        #expect(device.events.map(\.kind) == [.clockTrusted])
        try device.send()
        #expect(device.owner.commands.count == 1)
        // Saying it again changes nothing.
        #expect(try device.resume(time: 1_800_000_000))
        #expect(device.events.count == 1)
    }

    @Test func `a new run must be resumed anew`() throws {
        let device = try resumed()
        try device.restart()
        device.connect()
        #expect(!device.engine.isResumed)
        try device.send()
        #expect(device.receipts.map(\.outcome) == [.notReady])
    }

    @Test func `a resume of the wrong key, with a wrong challenge, or kept by the broker is refused`() throws {
        let device = try connected()
        let nonce = try device.challenge
        let resume = Resume(time: 1_800_000_000)
        #expect(device.deliver(try device.operator.resume(resume, nonce), as: .resume))
        #expect(device.deliver(try device.gateway.resume(resume, bytes16(9)), as: .resume))
        #expect(device.deliver(try device.gateway.resume(resume, nonce), as: .resume, isRetained: true))
        #expect(!device.engine.isResumed && device.engine.clock.state(device.now) == .bounded)
        let refusals = device.engine.gate.refusals
        #expect(refusals[.unknownKey] == 1 && refusals[.replayed] == 1 && refusals[.retained] == 1)
        // On the other topic it is not even looked at as a resume.
        #expect(device.deliver(try device.gateway.resume(resume, nonce), as: .command))
        #expect(!device.engine.isResumed && device.engine.gate.refusals[.wrongPurpose] == 1)
    }

    @Test("CMD-06 a resume of an earlier run is refused")
    func earlierRun() throws {
        let device = try connected()
        let message = try device.gateway.resume(Resume(time: 1_800_000_000), try device.challenge)
        try device.restart()
        device.connect()
        #expect(device.deliver(message, as: .resume))
        #expect(!device.engine.isResumed)
    }

    @Test func `audit entries are sent though the back end saw the head in a birth`() throws {
        let device = try connected()
        let birth = try #require(device.newestBirth)
        let resume = Resume(time: 1_800_000_000, journal: try #require(birth.journal))
        #expect(device.deliver(try device.gateway.resume(resume, birth.challenge), as: .resume))
        device.wait(Engine.checkpointDelay)
        let message = try #require(device.sent(.checkpoint).first)
        let checkpoint = try Checkpoint(decoding: message.payload.span)
        #expect(checkpoint.entries.count == Int(checkpoint.head.sequence))
    }

    @Test func `a message on another topic is ignored`() throws {
        let device = try resumed()
        let message = try device.operator.command(
            Command(name: bytes("set-interval"), arguments: [.integer(1)]), try device.challenge)
        for topic in [
            "martlet/v1/device-2/command", "martlet/v1/device-1/desired", "x", "", "martlet/v1/device-1/commandx",
        ] {
            let topic = bytes(topic)
            let isAcknowledged = device.engine.received(
                topic: topic.span, payload: message.span, isRetained: false, device.now)
            #expect(isAcknowledged)
        }
        #expect(device.owner.commands.isEmpty && device.engine.gate.refusals.total == 0)
    }

    // MARK: Provisional connections

    @Test("CLK-01 a provisional connection carries telemetry and time, and no command until the server is judged again")
    func provisional() throws {
        let device = try device { $0.clock = ManualClock(system: 0) }
        device.connect(isProvisional: true)
        device.acknowledgeAll()
        device.link.serverValidity = 1_799_000_000...1_801_000_000
        #expect(device.report(1))
        #expect(device.acknowledge() && device.engine.backlog == 0)
        try device.send()
        #expect(device.engine.gate.refusals[.provisionalLink] == 1 && device.receipts.isEmpty)
        #expect(try device.resume(time: 1_800_000_000))
        #expect(device.link.state == .open && device.link.aborts == 0)
        try device.send()
        #expect(device.owner.commands.count == 1)
    }

    @Test("CLK-01 a server that is not valid at the trusted time is dropped")
    func provisionalInvalid() throws {
        let device = try device { $0.clock = ManualClock(system: 0) }
        device.connect(isProvisional: true)
        device.link.serverValidity = 1_900_000_000...1_901_000_000
        #expect(try device.resume(time: 1_800_000_000))
        #expect(device.link.aborts == 1 && device.owner.states.last == .disconnected)
        #expect(device.waitUntilDue())
        #expect(device.link.plans.last?.acceptsNotYetValid == false)
        #expect(device.link.plans.last?.verificationTime == device.now.boot.toSeconds(from: 1_800_000_000, at: 60_000))
    }

    // MARK: Roll-back

    @Test("CMD-06 a device that the back end is ahead of says so and goes on above, linked to what the back end saw")
    func rolledBack() throws {
        let device = try connected()
        #expect(device.report(1))
        let seen = ChainHead(sequence: device.sequences[0] + 1000, digest: digest(5))
        var heads = LaneHeads()
        heads[.normal] = seen
        #expect(try device.resume(heads: heads))
        #expect(
            device.events.first == Event(kind: .rolledBack, values: [Event.Value(code: 1, number: seen.sequence + 1)]))
        #expect(device.report(2))
        let last = try #require(device.sent(.telemetry).last)
        #expect(last.envelope.claims.sequence == seen.sequence + 1 && last.envelope.claims.previous == seen)
        // Once.
        #expect(try device.resume(heads: heads))
        #expect(device.events.filter { $0.kind == .rolledBack }.count == 1)
        // The numbers up there were reserved.
        try device.restart()
        #expect(device.report(3))
        #expect(device.engine.lane.next > seen.sequence + 2)
    }

    @Test func `a back end that is where the device is, or behind, changes nothing`() throws {
        let device = try connected()
        for index in 0..<3 { #expect(device.report(Double(index))) }
        let next = device.engine.lane.next
        for sequence in [next - 1, next - 3, 0] {
            var heads = LaneHeads()
            heads[.normal] = ChainHead(sequence: sequence, digest: digest(5))
            heads[.alarm] = ChainHead(sequence: .max, digest: digest(5))
            #expect(try device.resume(heads: heads))
        }
        #expect(device.engine.lane.next == next && device.events.allSatisfy { $0.kind != .rolledBack })
    }

    @Test("AUD-02 a back end that has seen the head of the audit log is told the entries that lead there")
    func announcedHead() throws {
        let device = try connected()
        try device.cutPower()
        device.connect()
        let birth = try #require(device.newestBirth)
        let head = try #require(birth.journal)
        let resume = Resume(time: UInt64(device.now.system / 1000), journal: head)
        #expect(device.deliver(try device.gateway.resume(resume, birth.challenge), as: .resume))
        device.acknowledgeAll()
        device.wait(5000)
        let payload = try #require(device.sent(.checkpoint).first?.payload)
        let checkpoint = try Checkpoint(decoding: payload.span)
        let first = try #require(checkpoint.entries.first)
        let entry = try AuditEntry(decoding: first.span)
        #expect(entry.index == 1, "\(entry.kind), head \(head.sequence)")
        #expect(checkpoint.head.sequence >= head.sequence)
    }

    @Test(
        "no lane head traps or spoils the state",
        arguments: [.max, .max - 1, .max - 4097, 1 << 63, 1 << 62, 1 << 61] as [UInt64])
    func absurdHeads(_ sequence: UInt64) throws {
        let device = try connected()
        var heads = LaneHeads()
        heads[.normal] = ChainHead(sequence: sequence, digest: digest(5))
        #expect(try device.resume(heads: heads))
        #expect(device.engine.isResumed && device.engine.lane.next < 1 << 60)
        #expect(device.report(1))
        let run = device.engine.run
        try device.restart()
        #expect(device.engine.run == run + 1)
    }
}

extension UInt64 {
    /// Unix seconds at this boot time, if it was `seconds` at `boot`.
    fileprivate func toSeconds(from seconds: Int64, at boot: UInt64) -> Int64 { seconds + Int64(self - boot) / 1000 }

    @Test("CMD-06 a device that an old image rolled back many runs goes on above all runs there were", arguments: 0..<3)
    func rolledBackRuns(_ knows: Int) throws {
        let device = try resumed()
        let old = device.disk.image
        for round in 0..<2 {
            for _ in 0..<5 {
                device.settings.clock.advance(1000)
                try device.restart()
                device.connect()
                #expect(try device.resume())
                device.acknowledgeAll()
                #expect(device.report(1))
                device.acknowledgeAll()
            }
            let seen = try #require(device.newestBirth)
            let (head, time) = (device.engine.lane.head, UInt64(clamping: device.now.system / 1000))
            device.disk.restore(old)
            try device.restart()
            device.connect()
            device.acknowledgeAll()
            let first = try #require(device.newestBirth)
            #expect(first.run < seen.run)
            var heads = LaneHeads()
            if knows != 1 { heads[.normal] = head }
            // The time, if it is believed at all, tells the runs of two restored images apart.
            if knows == 2, round == 1 { return }
            let resume = Resume(time: knows == 2 ? 1 : time, journal: knows == 0 ? nil : seen.journal, heads: heads)
            #expect(device.deliver(try device.gateway.resume(resume, first.challenge), as: .resume))
            let next = try #require(device.newestBirth)
            #expect(next.run > seen.run && next.run >= first.run + DeviceState.damageMargin)
            #expect(next.run < RunState.limit && next.challenge == first.challenge)
            device.acknowledgeAll()
            try device.send()
            #expect(device.owner.commands.count == 1)
            try device.cutPower(.losesAll)
            device.connect()
            device.acknowledgeAll()
            #expect(try #require(device.newestBirth).run == next.run + 1)
        }
    }
}
