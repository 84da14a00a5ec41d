// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletEnvelope
import MartletState
import Testing

@testable import MartletSession

private let day: UInt64 = 86_400_000

@Suite struct QuotaTests {
    private func quota(
        _ change: (inout QuotaLimits) -> Void, _ usage: Usage? = nil, time: UInt64 = 20_000 * day, boot: UInt64 = 0
    ) throws -> Quota {
        var limits = QuotaLimits()
        change(&limits)
        return try #require(Quota(limits, usage, time: time, boot: boot))
    }

    @Test func `without a limit there is no quota`() {
        #expect(Quota(QuotaLimits(), nil, time: 0, boot: 0) == nil)
    }

    @Test func `months are those of the calendar`() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
        for number in 0..<UInt64(200_000) where number % 7 == 0 || number < 3000 {
            let date = Date(timeIntervalSince1970: Double(number) * 86_400)
            let parts = calendar.dateComponents([.year, .month], from: date)
            let expected = ((parts.year ?? 0) - 1970) * 12 + (parts.month ?? 0) - 1
            #expect(Quota.month(ofDay: number) == UInt64(expected), "day \(number)")
        }
        #expect(Quota.month(ofDay: .max) > 0)
    }

    @Test func `a rate lets a second's worth go at once, and what it takes too much is missing later`() throws {
        let quota = try quota({ $0.readingsPerSecond = 10 })
        #expect(quota.hold(.normal, bytes: 100) == nil)
        quota.send(readings: 32)
        #expect(quota.hold(.normal, bytes: 100) == 2201)
        #expect(quota.hold(.alarm, bytes: 100) == nil)
        quota.advance(2200, trusted: nil)
        #expect(quota.hold(.bulk, bytes: 100) != nil)
        quota.advance(2201, trusted: nil)
        #expect(quota.hold(.bulk, bytes: 100) == nil)
    }

    @Test func `over any time no more is sent than the rate allows, one second's worth, and one message`() throws {
        var random = SystemRandomNumberGenerator()
        let quota = try quota({ $0.bytesPerSecond = 5000 })
        var (now, sent): (UInt64, UInt64) = (0, 0)
        while now < 600_000 {
            let size = Int.random(in: 1...16_384, using: &random)
            quota.advance(now, trusted: nil)
            if let due = quota.hold(.normal, bytes: size) {
                #expect(due > now)
                now = due
                continue
            }
            quota.send(bytes: size)
            sent += UInt64(size)
            #expect(sent <= 5 * now + 5000 + 16_384)
        }
        #expect(sent >= 5 * 590_000)
    }

    @Test func `bulk readings leave a fifth of a day's bytes to others, normal ones a twentieth to alarms`() throws {
        let quota = try quota({ $0.bytesPerDay = 100_000 })
        quota.send(bytes: 79_000)
        #expect(quota.hold(.bulk, bytes: 1000) == nil && quota.hold(.bulk, bytes: 1001) == day)
        #expect(quota.isHeld(.bulk) && !quota.isHeld(.normal))
        quota.send(bytes: 15_000)
        #expect(quota.hold(.normal, bytes: 1000) == nil && quota.hold(.normal, bytes: 1001) == day)
        quota.send(bytes: 5000)
        #expect(quota.hold(.alarm, bytes: 1000) == nil && quota.hold(.alarm, bytes: 1001) == day)
        quota.advance(day - 1, trusted: nil)
        #expect(quota.hold(.alarm, bytes: 1001) != nil)
        quota.advance(day, trusted: nil)
        #expect(quota.hold(.bulk, bytes: 80_000) == nil && !quota.isHeld(.bulk))
    }

    @Test func `a month ends with the month`() throws {
        // 2024-02-28, 23:00
        let start: UInt64 = 1_709_161_200_000
        let quota = try quota({ $0.bytesPerMonth = 100_000 }, time: start)
        quota.send(bytes: 100_000)
        quota.advance(25 * 3_600_000 - 1, trusted: nil)
        #expect(quota.hold(.alarm, bytes: 1) == 25 * 3_600_000)
        quota.advance(25 * 3_600_000, trusted: nil)
        #expect(quota.hold(.alarm, bytes: 1) == nil)
    }

    @Test func `connections are counted by the hour`() throws {
        let quota = try quota({ $0.connectionsPerHour = 3 })
        for _ in 0..<3 {
            #expect(quota.connectionHold == nil)
            quota.connect()
        }
        #expect(quota.connectionHold == 3_600_000)
        quota.advance(3_600_000, trusted: nil)
        #expect(quota.connectionHold == nil)
    }

    @Test func `time that turns out to be later ends a period; time that turns out to be earlier does not refill it`()
        throws
    {
        let quota = try quota({ $0.bytesPerDay = 65_536 })
        quota.send(bytes: 65_536)
        quota.advance(1000, trusted: 20_001 * day)
        #expect(quota.hold(.alarm, bytes: 65_536) == nil)
        quota.send(bytes: 65_536)
        quota.advance(2000, trusted: 19_000 * day)
        #expect(quota.hold(.alarm, bytes: 1) == 2000 + day)
        quota.advance(2000 + day, trusted: 19_001 * day)
        #expect(quota.hold(.alarm, bytes: 1) == nil)
    }

    @Test func `an hour that was over by a guess, and is not by trusted time, goes on with what was used of it`() throws
    {
        let now = 20_000 * day + 3_500_000
        let quota = try quota({ $0.connectionsPerHour = 1 }, nil, time: now)
        quota.didReserve(try #require(quota.reservation(connections: 1)))
        quota.connect()
        quota.advance(200_000, trusted: nil)
        #expect(quota.connectionHold == nil)
        quota.advance(200_000, trusted: now + 50_000)
        #expect(quota.connectionHold == 250_000)
        quota.advance(250_000, trusted: nil)
        #expect(quota.connectionHold == nil)
    }

    @Test func `a period of a time that was too late goes on as the present one, and ends`() throws {
        let now = 20_000 * day
        let usage = Usage(
            time: now, connections: Usage.Period(number: 1 << 40, used: 3),
            day: Usage.Period(number: 1 << 40, used: 65_536), month: Usage.Period(number: 1 << 40, used: 0))
        let quota = try quota(
            {
                $0.connectionsPerHour = 3
                $0.bytesPerDay = 65_536
            }, usage, time: now, boot: 500)
        #expect(quota.connectionHold == 500 + 3_600_000 && quota.hold(.alarm, bytes: 1) == 500 + day)
        quota.advance(500 + day, trusted: nil)
        #expect(quota.connectionHold == nil && quota.hold(.alarm, bytes: 1) == nil)
    }

    @Test func `an hour that begins does not end a day's wait`() throws {
        let quota = try quota({ $0.bytesPerDay = 65_536 })
        quota.send(bytes: 65_536)
        #expect(quota.hold(.bulk, bytes: 1) != nil)
        quota.advance(3_600_001, trusted: nil)
        #expect(quota.isHeld(.bulk) && quota.saveDue != nil)
        quota.advance(day, trusted: nil)
        #expect(!quota.isHeld(.bulk) && quota.saveDue == nil)
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `nobody is told of less than 80 percent`(limit: UInt64) throws {
        let quota = try quota({ $0.connectionsPerHour = limit })
        while quota.takeAlert() == nil { quota.connect() }
        quota.connect()
        let used = try #require((1...limit).first { $0 * 100 >= limit * 80 })
        let again = try self.quota({ $0.connectionsPerHour = limit })
        for count in 1...used {
            #expect(again.takeAlert() == nil, "before attempt \(count)")
            again.connect()
        }
        #expect(again.takeAlert()?.percent == used * 100 / limit)
    }

    @Test func `the back end is told once for each period, from 80 percent on`() throws {
        let quota = try quota({ $0.bytesPerDay = 100_000 })
        quota.send(bytes: 79_999)
        #expect(quota.takeAlert() == nil)
        quota.send(bytes: 1)
        let alert = try #require(quota.takeAlert())
        #expect(alert.kind == .bytesPerDay && alert.percent == 80)
        quota.send(bytes: 10_000)
        #expect(quota.takeAlert() == nil)
        quota.advance(day, trusted: nil)
        quota.send(bytes: 90_000)
        #expect(quota.takeAlert()?.percent == 90)
    }

    /// Sends as much as it may, with boots at random; returns the most that was sent in one period.
    private func most(_ limits: QuotaLimits, seed: UInt64, forgets: Bool) throws -> (day: UInt64, connections: UInt64) {
        var random = Seeded(state: seed)
        var durable: Usage?
        var sent: [UInt64: UInt64] = [:]
        var connections: [UInt64: UInt64] = [:]
        var time = 20_000 * day
        for _ in 0..<40 {
            var boot = UInt64.random(in: 0...100_000, using: &random)
            let quota = try #require(
                Quota(limits, forgets ? nil : durable, time: max(time, durable?.time ?? 0), boot: boot))
            for _ in 0..<Int.random(in: 1...30, using: &random) {
                let step = UInt64.random(in: 0...1_800_000, using: &random)
                boot += step
                time += step
                quota.advance(boot, trusted: time)
                if quota.connectionHold == nil {
                    if let next = quota.reservation(connections: 1) {
                        durable = next
                        quota.didReserve(next)
                    }
                    quota.connect()
                    connections[time / 3_600_000, default: 0] += 1
                }
                let size = Int.random(in: 1...3000, using: &random)
                if quota.hold(.alarm, bytes: size) != nil { continue }
                if let next = quota.reservation(bytes: size) {
                    durable = next
                    quota.didReserve(next)
                }
                quota.send(bytes: size)
                sent[time / day, default: 0] += UInt64(size)
            }
        }
        return (sent.values.max() ?? 0, connections.values.max() ?? 0)
    }

    @Test func `QTA no limit is passed, however often the device is switched off; a twin that forgets passes them`()
        throws
    {
        var limits = QuotaLimits()
        limits.bytesPerDay = 65_536
        limits.connectionsPerHour = 4
        let seed = announcedSeed("quota")
        var twin = (day: UInt64(0), connections: UInt64(0))
        for place in 0..<200 as Range<UInt64> {
            let most = try most(limits, seed: seed &+ place, forgets: false)
            #expect(most.day <= 65_536 && most.connections <= 4, "seed \(seed &+ place)")
            let other = try self.most(limits, seed: seed &+ place, forgets: true)
            twin = (max(twin.day, other.day), max(twin.connections, other.connections))
        }
        #expect(twin.day > 65_536 && twin.connections > 4)
    }

    @Test func `a boot costs a hundredth at most, and what was reserved is written seldom`() throws {
        let limits = 1_000_000
        var quota = try quota({ $0.bytesPerDay = UInt64(limits) })
        var (sent, writes, durable): (Int, Int, Usage?) = (0, 0, nil)
        while quota.hold(.alarm, bytes: 100) == nil {
            if let next = quota.reservation(bytes: 100) {
                durable = next
                quota.didReserve(next)
                writes += 1
            }
            quota.send(bytes: 100)
            sent += 100
            if sent == limits / 2 + 100 { quota = try self.quota({ $0.bytesPerDay = UInt64(limits) }, durable) }
        }
        #expect(writes <= 101 && sent >= limits - limits / 100)
    }
}

/// SplitMix64.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
