// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletState
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

/// What a device with limits sends, keeps and gives up.
@Suite struct LimitTests {
    /// What had been sent when the last envelope of a lane was, with that, after the first messages.
    private func bytesSent(_ device: TestDevice, _ lane: Lane, after first: Int) -> Int {
        var (sum, last) = (0, 0)
        for message in device.link.published.dropFirst(first) {
            sum += message.payload.count
            guard let signed = device.open(message), signed.leaf == .signed(.telemetry) else { continue }
            if signed.envelope.claims.lane == lane { last = sum }
        }
        return last
    }

    /// Reports until a lane does not send at once any longer; returns how many it sent.
    private func fill(_ device: TestDevice, _ lane: Lane, atMost count: Int = 1000) throws -> Int {
        for index in 0..<count {
            let before = device.link.published.count
            try #require(device.report(Double(index), lane))
            device.engine.commit(lane, device.now)
            device.engine.advance(device.now)
            if device.link.published.count == before { return index }
            device.acknowledgeAll()
        }
        return count
    }

    @Test("QTA-02 a day's bytes are not passed: bulk stops first, then normal, then alarms; a boot refills nothing")
    func dayOfBytes() throws {
        let device = try connected { $0.quotas.bytesPerDay = 65_536 }
        // What was sent before counts for the day that the device believed in.
        let first = device.link.published.count
        #expect(try device.resume())
        device.acknowledgeAll()
        #expect(try fill(device, .bulk) > 50)
        #expect((50_000...52_428).contains(bytesSent(device, .bulk, after: first)))
        #expect(try fill(device, .normal) > 10)
        #expect((60_000...62_259).contains(bytesSent(device, .normal, after: first)))
        #expect(try fill(device, .alarm) > 3)
        #expect((65_000...65_536).contains(bytesSent(device, .alarm, after: first)))
        let events = device.events.filter { $0.kind == .quota }
        #expect(events.count == 1)
        #expect(events.first?.values.first?.code == 1 && (80...81).contains(events.first?.values.first?.number ?? 0))

        let waiting = device.engine.backlog
        #expect(waiting >= 3)
        try device.cutPower(.losesAll)
        device.connect()
        #expect(try device.resume())
        device.acknowledgeAll()
        #expect(device.sent(.telemetry).isEmpty, "the boot refilled nothing")
        device.wait(86_400_000)
        device.connect()
        device.acknowledgeAll()
        #expect(Set(device.sent(.telemetry).map { $0.envelope.claims.lane }) == [.alarm, .normal, .bulk])
        #expect(device.run.spools.allSatisfy { $0.count == 0 })
    }

    @Test("QTA-01 readings wait for their rate; alarms do not")
    func rate() throws {
        let device = try connected { $0.quotas.readingsPerSecond = 1 }
        for index in 0..<3 { #expect(device.report(Double(index), .bulk)) }
        device.engine.commit(.bulk, device.now)
        device.engine.advance(device.now)
        #expect(device.sent(.telemetry).count == 1)
        #expect(device.report(7, .alarm))
        device.engine.commit(.alarm, device.now)
        device.engine.advance(device.now)
        #expect(device.sent(.telemetry).count == 2)
        // The alarm is a debt of the rate.
        #expect(device.engine.due == device.now.boot + 1001)
        device.wait(1001)
        #expect(device.sent(.telemetry).count == 3)
        device.wait(1001)
        #expect(device.sent(.telemetry).count == 4)
    }

    @Test("QTA-03 no more connections in an hour than allowed, also after a boot; time that runs counts")
    func connections() throws {
        let device = try device { $0.quotas.connectionsPerHour = 3 }
        for _ in 0..<3 {
            device.connect()
            device.disconnect()
        }
        let opened = device.link.plans.count
        #expect(device.waitUntilDue())
        #expect(device.link.plans.count == opened, "the fourth waits")
        try device.cutPower(.losesAll)
        #expect(device.waitUntilDue())
        #expect(device.link.plans.count == 0)
        for _ in 0..<200 where device.link.plans.count == 0 { #expect(device.waitUntilDue()) }
        #expect(device.link.plans.count == 1, "the next hour came")
    }

    @Test func `a connection that a link asks for is not held back, and counts; looking for a server leaves half`()
        throws
    {
        let device = try device { $0.quotas.connectionsPerHour = 4 }
        device.connect()
        #expect(device.engine.beginSearch(device.now) == nil)
        #expect(device.run.state.usage?.connections.used == 2)
        #expect(try #require(device.engine.beginSearch(device.now)) > device.now.boot)
        #expect(device.run.state.usage?.connections.used == 2, "it did not begin")
        for _ in 0..<2 {
            device.disconnect()
            device.connect()
        }
        // The limit is reached.
        device.disconnect()
        #expect(device.waitUntilDue())
        let opened = device.link.plans.count
        device.engine.retry(device.now)
        device.engine.advance(device.now)
        #expect(device.link.plans.count == opened + 1)
        #expect(device.run.state.usage?.connections.used == 5)
        device.disconnect()
        #expect(device.waitUntilDue())
        #expect(device.link.plans.count == opened + 1, "the next one waits")
    }

    @Test func `one connection an hour may be one that looks for a server`() throws {
        let device = try device { $0.quotas.connectionsPerHour = 1 }
        #expect(device.engine.beginSearch(device.now) == nil)
        #expect(device.engine.beginSearch(device.now) != nil)
    }

    @Test func `readings that wait for their rate wake nobody while the broker takes nothing`() throws {
        let device = try connected { $0.quotas.readingsPerSecond = 1 }
        for index in 0..<3 { #expect(device.report(Double(index))) }
        device.engine.commit(.normal, device.now)
        device.engine.advance(device.now)
        #expect(device.acknowledge(0x10))
        for _ in 0..<20 {
            let due = try #require(device.engine.due)
            #expect(due > device.now.boot)
            #expect(device.waitUntilDue())
            while device.acknowledge(0x10) {}
        }
        device.disconnect()
        #expect(device.waitUntilDue())
        device.accept()
        device.engine.advance(device.now)
        #expect(try #require(device.engine.due) > device.now.boot, "until SUBACK")
    }

    @Test func `what could not be written down was not reserved: telemetry waits, and the device connects`() throws {
        let device = try connected {
            $0.quotas.bytesPerDay = 65_536
            $0.quotas.connectionsPerHour = 10
        }
        #expect(device.report(1))
        device.engine.commit(.normal, device.now)
        device.acknowledgeAll()
        let before = device.run.state.usage
        let sent = device.sent(.telemetry).count
        device.disconnect()
        #expect(device.report(2))
        device.engine.commit(.normal, device.now)
        device.disk.fault = SimulatedDisk.Fault(device.disk.operations + 1, .failed(5), isSticky: true)
        device.connect()
        #expect(device.link.state == .open && device.run.state.usage == before)
        for _ in 0..<3 { device.wait(1001) }
        #expect(device.sent(.telemetry).count == sent, "nothing was reserved for it")
        device.disk.fault = nil
        device.wait(1001)
        #expect(device.sent(.telemetry).count == sent + 1)
        device.disconnect()
        device.connect()
        #expect(device.run.state.usage?.connections.used == 3, "those that could not be written, too")
    }

    @Test func `while the disk takes nothing, one record waits for it that says how late it is`() throws {
        let device = try resumed { $0.quotas.bytesPerMonth = 20_000 }
        for index in 0..<100 {
            #expect(device.report(Double(index)))
            device.acknowledgeAll()
        }
        #expect(device.spool.hasUnsent)
        device.engine.flush(device.now)
        device.disk.isFull(true)
        for _ in 0..<600 {
            device.wait(60_000)
            device.acknowledgeAll()
        }
        #expect(device.run.state.hasPendingUsage && !device.run.state.mustFlush)
    }

    @Test func `time that passed in a run counts after the next start`() throws {
        let device = try device { $0.quotas.connectionsPerHour = 1 }
        device.connect()
        device.disconnect()
        try device.restart()
        for _ in 0..<14 {
            for _ in 0..<5 { device.wait(60_000) }
            if !device.link.plans.isEmpty { break }
            device.engine.finishStop(device.now)
            try device.restart()
        }
        #expect(!device.link.plans.isEmpty, "the hour is over")
    }

    @Test func `the last presence counts as every message does`() throws {
        // So small that what is written down is not rounded up.
        let device = try connected { $0.quotas.bytesPerDay = 100 }
        device.engine.beginStop()
        device.engine.finishStop(device.now)
        let sent = device.link.published.reduce(0) { $0 + $1.payload.count }
        #expect(try presence(#require(device.link.published.last).payload).isOnline == false)
        try device.restart()
        #expect(device.run.state.usage?.day.used == UInt64(sent))
    }

    @Test func `what the spool gives up while a quota holds it back, is told as that`() throws {
        let device = try connected {
            $0.quotas.bytesPerDay = 65_536
            $0.spoolLimits.bytes = 16_384
            $0.spoolSegment = 4096
        }
        _ = try fill(device, .normal)
        for index in 0..<300 {
            #expect(device.report(Double(index)))
            device.engine.commit(.normal, device.now)
        }
        device.wait(86_400_000)
        device.connect()
        device.acknowledgeAll()
        #expect(Set(device.gaps.map(\.reason)) == [.quota])
    }

    @Test("SPL-01 no more readings wait than allowed and a file holds")
    func readings() throws {
        let device = try device {
            $0.spoolLimits.readings = 100
            $0.spoolSegment = 4096
        }
        for index in 0..<500 {
            #expect(device.report(Double(index)))
            device.engine.commit(.normal, device.now)
            #expect(device.spool.count <= 100 + 20, "a file of 4096 bytes holds fewer than 20")
        }
        #expect(device.spool.count >= 80)
        device.connect()
        device.acknowledgeAll()
        let sent = UInt64(device.sent(.telemetry).count)
        #expect(device.gaps.map(\.reason) == [.retention] && device.gaps[0].readings + sent == 500)
    }

    @Test("SPL-01 readings become too old by trusted time alone")
    func age() throws {
        let device = try connected {
            $0.spoolLimits.age = 3600
            $0.spoolSegment = 4096
        }
        device.disconnect()
        for index in 0..<40 {
            #expect(device.report(Double(index)))
            device.engine.commit(.normal, device.now)
        }
        let all = device.spool.count
        // The link fails for two hours without anybody knowing the time.
        for _ in 0..<120 { device.wait(60_000) }
        #expect(device.spool.count == all)
        device.connect()
        #expect(try device.resume())
        while device.acknowledge(0x97) {}
        #expect(device.spool.count == all, "when they were taken nobody knew the time")
        for index in 0..<40 {
            #expect(device.report(Double(index)))
            device.engine.commit(.normal, device.now)
        }
        while device.acknowledge(0x97) {}
        for _ in 0..<59 { device.wait(60_000) }
        #expect(device.spool.count == all + 40)
        for _ in 0..<3 {
            device.wait(60_000)
            while device.acknowledge(0x97) {}
        }
        #expect(device.spool.count < 60)
        device.wait(61_000)
        device.connect()
        device.acknowledgeAll()
        #expect(!device.gaps.isEmpty && device.gaps.allSatisfy { $0.reason == .age })
    }

    @Test func `a twentieth of the disk stays free, but for alarms`() throws {
        let device = try connected {
            $0.spoolSegment = 4096
        }
        device.disconnect()
        let used = device.disk.image.reduce(0) { $0 + $1.bytes.count }
        device.disk.capacity = 20 * (used + 40_000) / 19
        let reserve = try #require(device.disk.capacity) / 20
        for index in 0..<300 {
            #expect(device.report(Double(index)))
            device.engine.commit(.normal, device.now)
            let free = try #require(device.disk.space()).free
            #expect(free >= reserve)
        }
        #expect(device.spool.count > 20)
        for index in 0..<300 where device.report(Double(index), .alarm) { device.engine.commit(.alarm, device.now) }
        #expect(device.run.spools[0].count > 40)
        #expect(device.spool.count < 20, "less urgent readings gave way")
    }
}
