// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletSession
import Testing

/// The time before which it cannot be: what raises it, what survives, and what does not touch it.
@Suite struct LowerBoundTests {
    private static let build: Int64 = 1_790_000_000_000
    /// What an earlier run made durable: 100 days after the build.
    private static let floor = build + 100 * day
    private static let second: Int64 = 1000
    private static let hour = 3600 * second
    private static let day = 24 * hour

    private func sample(_ system: Int64, _ boot: UInt64 = 100_000) -> TimeSample {
        TimeSample(system: system, boot: boot)
    }

    @Test(
        "CLK-01 a cold boot is untrusted before the floor, wherever its clock stands",
        arguments: [
            ("1970", 0, false), ("ten seconds after 1970", 10 * second, false), ("the image's date", build, false),
            ("a saved clock of a month ago", floor - 30 * day, false),
            ("ten minutes early", floor - 600 * second, false),
            ("a millisecond early", floor - 1, false), ("the floor", floor, true), ("right", floor + day, true),
        ] as [(String, Int64, Bool)])
    func coldBoot(_ name: String, _ system: Int64, isBounded: Bool) {
        let clock = DeviceClock(buildTime: Self.build, floor: Self.floor)
        let now = sample(system)
        #expect(clock.state(now) == (isBounded ? .bounded : .untrusted))
        #expect(clock.wallClock(now) == (isBounded ? system - 100_000 : nil))
        #expect(clock.lowerBound(now) == Self.floor)
        #expect(clock.verificationTime(now) == max(system, Self.floor) / 1000)
        // CLK-06: what has an end is judged by trusted time only.
        #expect(clock.trustedSeconds(now) == nil)
    }

    @Test func `the bound is the latest of build, floor and authenticated time`() {
        #expect(DeviceClock(buildTime: Self.build).lowerBound(sample(0)) == Self.build)
        #expect(DeviceClock(buildTime: Self.build, floor: Self.build - 1).lowerBound(sample(0)) == Self.build)
        #expect(DeviceClock(buildTime: Self.build, floor: .min).lowerBound(sample(0)) == Self.build)
        var clock = DeviceClock(buildTime: Self.build, floor: Self.floor)
        #expect(clock.authenticate(UInt64((Self.floor + Self.day) / 1000), sample(0)) == true)
        #expect(clock.lowerBound(sample(0)) == Self.floor + Self.day)
        // It goes on with boot time, whatever the system clock does.
        #expect(clock.lowerBound(sample(0, 100_000 + 3_600_000)) == Self.floor + Self.day + Self.hour)
        #expect(clock.lowerBound(sample(.max, 100_000)) == Self.floor + Self.day)
    }

    @Test("CLK-03 a system clock of 2099 for an hour raises nothing, and is not made durable")
    func poisoned() {
        var clock = DeviceClock(buildTime: Self.build, floor: Self.floor)
        let poisoned: Int64 = 4_070_908_800_000
        for minute in 0..<60 as Range<Int64> {
            let now = sample(poisoned + minute * 60 * Self.second, 100_000 + UInt64(minute) * 60_000)
            #expect(clock.state(now) == .bounded && clock.trustedSeconds(now) == nil)
            #expect(clock.lowerBound(now) == Self.floor && clock.floorToPersist(now) == nil)
        }
        // True time comes, by NTP alone.
        let right = Self.floor + Self.day
        let later = sample(right, 3_700_000)
        #expect(clock.state(later) == .bounded && clock.wallClock(later) == right - 3_700_000)
        #expect(clock.verificationTime(later) == right / 1000)
        // And by the back end.
        #expect(clock.authenticate(UInt64(right / 1000), later) == true)
        #expect(clock.trustedSeconds(later) == UInt64(right / 1000))
    }

    @Test("CLK-02 steps of 10 days back and forth move neither the bound nor trusted time nor what is judged by them")
    func steps() {
        var clock = DeviceClock(buildTime: Self.build, floor: Self.floor)
        let right = Self.floor + 20 * Self.day
        #expect(clock.authenticate(UInt64(right / 1000), sample(right)) == true)
        var boot: UInt64 = 100_000
        for step in [-10, 10, 0, 10, -10] as [Int64] {
            boot += 60_000
            let true_ = right + Int64(boot) - 100_000
            let now = sample(true_ + step * Self.day, boot)
            #expect(clock.state(now) == .trusted)
            #expect(clock.trustedSeconds(now) == UInt64(true_ / 1000))
            #expect(clock.lowerBound(now) == true_ && clock.verificationTime(now) == true_ / 1000)
            #expect(clock.wallClock(now) == true_ - Int64(boot))
        }
    }

    @Test("CLK-02 before time is trusted a step back below the bound makes the clock untrusted, certificates stay old")
    func stepUntrusted() {
        let clock = DeviceClock(buildTime: Self.build, floor: Self.floor)
        #expect(clock.state(sample(Self.floor + Self.day)) == .bounded)
        let back = sample(Self.floor - 9 * Self.day)
        #expect(clock.state(back) == .untrusted && clock.wallClock(back) == nil)
        #expect(clock.verificationTime(back) == Self.floor / 1000)
    }

    @Test func `a resume a little before the bound confirms it, an older one is ignored`() {
        let cases: [(Int64, Bool)] = [(0, true), (-1, true), (-300, true), (-301, false), (1, true)]
        for (difference, isTaken) in cases {
            var clock = DeviceClock(buildTime: Self.build, floor: Self.floor)
            let stated = UInt64(Self.floor / 1000 + difference)
            #expect(clock.authenticate(stated, sample(0)) == isTaken, "\(difference)")
            #expect(clock.lowerBound(sample(0)) == Self.floor + max(0, difference) * 1000)
            #expect((clock.state(sample(0)) == .trusted) == isTaken)
        }
    }

    @Test func `the floor is made durable once an hour of authenticated time, and by that alone`() {
        var clock = DeviceClock(buildTime: Self.build, floor: Self.floor)
        #expect(clock.authenticate(UInt64((Self.floor + Self.hour) / 1000) - 1, sample(0)) == true)
        #expect(clock.floorToPersist(sample(0)) == nil)
        let due = sample(0, 101_000)
        #expect(clock.floorToPersist(due) == Self.floor + Self.hour)
        // A write that failed is tried again with what is known then.
        #expect(clock.floorToPersist(sample(0, 102_000)) == Self.floor + Self.hour + 1000)
        clock.didPersist(Self.floor + Self.hour)
        #expect(clock.floorToPersist(due) == nil)
        #expect(clock.floorToPersist(sample(.max, 101_000 + 3_599_999)) == nil)
        #expect(clock.floorToPersist(sample(0, 101_000 + 3_600_000)) == Self.floor + 2 * Self.hour)
        // The next run begins there.
        let next = DeviceClock(buildTime: Self.build, floor: Self.floor + Self.hour)
        #expect(next.lowerBound(sample(0)) == Self.floor + Self.hour && next.floorToPersist(sample(0)) == nil)
    }

    @Test func `the bound falls by the root keys' word only, never before the build, and is made durable at once`() {
        var clock = DeviceClock(buildTime: Self.build, floor: Self.floor)
        let wrong: Int64 = 4_070_908_800_000
        #expect(clock.authenticate(UInt64(wrong / 1000), sample(0)) == true)
        clock.didPersist(wrong)
        let right = Self.floor + Self.day
        #expect(clock.authenticate(UInt64(right / 1000), sample(0)) == false)
        #expect(clock.lowerBound(sample(0)) == wrong)
        clock.lower(to: UInt64(wrong / 1000), sample(0))
        #expect(clock.state(sample(0)) == .trusted && clock.floorToPersist(sample(0)) == nil, "that is no lower")
        clock.lower(to: UInt64(right / 1000), sample(0))
        #expect(clock.lowerBound(sample(0)) == right && clock.state(sample(0)) == .untrusted)
        #expect(clock.trustedSeconds(sample(0)) == nil)
        #expect(clock.floorToPersist(sample(0)) == right)
        clock.didPersist(right)
        #expect(clock.floorToPersist(sample(0)) == nil)
        #expect(clock.authenticate(UInt64(right / 1000) + 1, sample(0)) == true)
        #expect(clock.trustedSeconds(sample(0)) == UInt64(right / 1000) + 1)
        clock.lower(to: 0, sample(0))
        #expect(clock.lowerBound(sample(0)) == Self.build)
    }
}
