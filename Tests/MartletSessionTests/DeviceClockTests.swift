// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletSession
import Testing

@Suite struct DeviceClockTests {
    private let build: Int64 = 1_790_000_000_000
    private let boot: UInt64 = 100_000

    private func sample(_ system: Int64, _ boot: UInt64? = nil) -> TimeSample {
        TimeSample(system: system, boot: boot ?? self.boot)
    }

    @Test(
        "CLK-01 at 1970, before the build and at the build the clock is what it can be",
        arguments: [
            (0, false), (-1, false), (.min, false), (1_789_999_999_999, false), (1_790_000_000_000, true),
            (1_790_000_000_001, true), (.max, true),
        ] as [(Int64, Bool)])
    func states(_ system: Int64, isBounded: Bool) {
        let clock = DeviceClock(buildTime: build)
        let now = sample(system)
        #expect(clock.state(now) == (isBounded ? .bounded : .untrusted))
        #expect((clock.wallClock(now) != nil) == isBounded)
        // Only authenticated time is trusted.
        #expect(clock.trustedSeconds(now) == nil)
        // Certificates are never judged at an earlier time than is possible.
        #expect(clock.verificationTime(now) == (isBounded ? system / 1000 : build / 1000))
    }

    @Test func `a clock that becomes right later is used from then on`() {
        let clock = DeviceClock(buildTime: build)
        #expect(clock.state(sample(5000)) == .untrusted)
        let later = sample(build + 10_000, 200_000)
        #expect(clock.state(later) == .bounded)
        #expect(clock.wallClock(later) == build + 10_000 - 200_000)
    }

    @Test func `authenticated time makes the clock trusted, once`() {
        var clock = DeviceClock(buildTime: build)
        let now = sample(0)
        #expect(clock.authenticate(1_800_000_000, now) == true)
        #expect(clock.state(now) == .trusted && clock.trustedSeconds(now) == 1_800_000_000)
        #expect(clock.authenticate(1_800_000_001, now) == false)
        #expect(clock.trustedSeconds(now) == 1_800_000_001)
    }

    @Test func `authenticated time more than 5 minutes before the build is ignored, and a little before confirms it`() {
        var clock = DeviceClock(buildTime: build)
        #expect(clock.authenticate(1_789_999_699, sample(0)) == false)
        #expect(clock.authenticate(0, sample(0)) == false)
        #expect(clock.state(sample(0)) == .untrusted)
        #expect(clock.authenticate(1_789_999_700, sample(0)) == true)
        #expect(clock.trustedSeconds(sample(0)) == 1_790_000_000)
    }

    @Test(
        "the system clock is used within 5 minutes of authenticated time",
        arguments: [
            (300_000, true), (-300_000, true), (300_001, false), (-300_001, false), (0, true),
        ] as [(Int64, Bool)])
    func tolerance(_ difference: Int64, isUsed: Bool) {
        var clock = DeviceClock(buildTime: build)
        let true_: Int64 = 1_800_000_000_000
        let now = sample(true_ + difference)
        #expect(clock.authenticate(UInt64(true_ / 1000), now) == true)
        #expect(clock.wallClock(now) == true_ + (isUsed ? difference : 0) - Int64(boot))
    }

    @Test("CLK-03 a system clock of 2099 poisons nothing: true time recovers it")
    func poisoned() {
        var clock = DeviceClock(buildTime: build)
        let poisoned: Int64 = 4_070_908_800_000
        #expect(clock.state(sample(poisoned)) == .bounded)
        #expect(clock.authenticate(1_800_000_000, sample(poisoned)) == true)
        #expect(clock.trustedSeconds(sample(poisoned)) == 1_800_000_000)
        // An hour later the system clock is right: it was never held against it.
        let later = sample(1_800_003_600_250, boot + 3_600_000)
        #expect(clock.trustedSeconds(later) == 1_800_003_600)
        #expect(clock.wallClock(later) == 1_800_003_600_250 - Int64(boot) - 3_600_000)
    }

    @Test("CLK-02 a step of the system clock by 10 days does not move trusted time")
    func step() {
        var clock = DeviceClock(buildTime: build)
        let start: Int64 = 1_800_000_000_000
        #expect(clock.authenticate(UInt64(start / 1000), sample(start)) == true)
        for step in [-864_000_000, 864_000_000] as [Int64] {
            #expect(clock.trustedSeconds(sample(start + 60_000 + step, boot + 60_000)) == 1_800_000_060)
        }
    }

    @Test func `trusted time never goes back by a replayed statement`() {
        var clock = DeviceClock(buildTime: build)
        #expect(clock.authenticate(1_800_000_000, sample(0)) == true)
        _ = clock.authenticate(1_799_999_000, sample(0))
        #expect(clock.trustedSeconds(sample(0)) == 1_800_000_000)
        // The same statement an hour later says less than is known.
        _ = clock.authenticate(1_800_000_000, sample(0, boot + 3_600_000))
        #expect(clock.trustedSeconds(sample(0, boot + 3_600_000)) == 1_800_003_600)
    }

    @Test("no value traps", arguments: [0, 1, 1 << 31, 1 << 32, 1 << 40, 1 << 63, .max] as [UInt64])
    func extremes(_ value: UInt64) {
        for system in [.min, -1, 0, 1 << 31, 1 << 32, .max] as [Int64] {
            for boot in [0, 1 << 31, 1 << 32, 1 << 63, .max] as [UInt64] {
                var clock = DeviceClock(buildTime: build)
                let now = TimeSample(system: system, boot: boot)
                _ = clock.authenticate(value, now)
                _ = (clock.state(now), clock.wallClock(now), clock.trustedSeconds(now), clock.verificationTime(now))
                _ = (clock.lowerBound(now), clock.floorToPersist(now))
                clock.lower(to: value / 2, now)
                _ = clock.authenticate(1_800_000_000, TimeSample(system: 0, boot: 0))
                _ = (clock.state(now), clock.wallClock(now), clock.trustedSeconds(now), clock.verificationTime(now))
            }
        }
    }

    @Test func `time far beyond 32 bits is kept exactly`() {
        var clock = DeviceClock(buildTime: build)
        let now = sample(0, 1 << 40)
        #expect(clock.authenticate(1 << 33, now) == true)
        #expect(clock.trustedSeconds(now) == 1 << 33)
        #expect(clock.verificationTime(now) == 1 << 33)
    }
}
