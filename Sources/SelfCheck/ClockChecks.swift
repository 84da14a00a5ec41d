// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletSession

/// What time it is, on a board that may have no clock.
enum ClockChecks {
    static var all: [Check] {
        [
            Check("clock: 1970, the build, later; never trusted by itself", untrusted),
            Check("clock: authenticated time is trusted, and only rises", trusted),
            Check("clock: a system clock of 2099 poisons nothing", poisoned),
            Check("clock: times beyond 2^31 and 2^32 seconds are exact, no value traps", extremes),
        ]
    }

    private static let build: Int64 = 1_790_000_000_000
    private static let boot: UInt64 = 100_000

    private static func sample(_ system: Int64, _ boot: UInt64 = boot) -> TimeSample {
        TimeSample(system: system, boot: boot)
    }

    private static func untrusted() throws(Failure) {
        let clock = DeviceClock(buildTime: build)
        for system in [.min, -1, 0, 5000, build - 1, build, build + 1, 4_070_908_800_000, .max] as [Int64] {
            let now = sample(system)
            let isPossible = system >= build
            try require(clock.state(now) == (isPossible ? .bounded : .untrusted), "state", number: system)
            try require((clock.wallClock(now) != nil) == isPossible, "wall clock", number: system)
            try require(clock.trustedSeconds(now) == nil, "trusted", number: system)
            try require(
                clock.verificationTime(now) == (isPossible ? system : build) / 1000, "verification time", number: system
            )
        }
    }

    private static func trusted() throws(Failure) {
        var clock = DeviceClock(buildTime: build)
        let now = sample(0)
        try require(!clock.authenticate(1_789_999_699, now) && clock.state(now) == .untrusted, "before the build")
        try require(clock.authenticate(1_800_000_000, now), "not taken")
        try require(clock.state(now) == .trusted && clock.trustedSeconds(now) == 1_800_000_000, "not trusted")
        _ = clock.authenticate(1_799_999_000, now)
        try require(clock.trustedSeconds(now) == 1_800_000_000, "went back")
        for difference in [-300_001, -300_000, 300_000, 300_001] as [Int64] {
            let system = 1_800_000_000_000 + difference
            let isUsed = difference.magnitude <= 300_000
            try require(
                clock.wallClock(sample(system)) == (isUsed ? system : 1_800_000_000_000) - Int64(boot), "tolerance",
                number: difference)
        }
        for step in [-864_000_000, 864_000_000] as [Int64] {
            let later = sample(1_800_000_060_000 + step, boot + 60_000)
            try require(clock.trustedSeconds(later) == 1_800_000_060, "a step of the system clock", number: step)
        }
    }

    private static func poisoned() throws(Failure) {
        var clock = DeviceClock(buildTime: build)
        let poisoned = sample(4_070_908_800_000)
        try require(clock.state(poisoned) == .bounded, "state")
        try require(clock.authenticate(1_800_000_000, poisoned), "not taken")
        try require(clock.trustedSeconds(poisoned) == 1_800_000_000, "the poison was believed")
        let later = sample(1_800_003_600_000, boot + 3_600_000)
        try require(clock.trustedSeconds(later) == 1_800_003_600, "did not recover")
    }

    private static func extremes() throws(Failure) {
        for seconds in [(1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 33, 1 << 40] as [UInt64] {
            var clock = DeviceClock(buildTime: build)
            let now = sample(0, 1 << 40)
            try require(clock.authenticate(seconds, now), "not taken", number: Int64(seconds))
            try require(clock.trustedSeconds(now) == seconds, "seconds", number: Int64(seconds))
            try require(clock.verificationTime(now) == Int64(seconds), "verification time", number: Int64(seconds))
        }
        // Whatever comes out: it must not trap.
        for stated in edges {
            for system in edges {
                for boot in edges {
                    var clock = DeviceClock(buildTime: build)
                    let now = TimeSample(system: Int64(bitPattern: system), boot: boot)
                    for _ in 0..<2 {
                        _ = (clock.state(now), clock.wallClock(now))
                        _ = (clock.trustedSeconds(now), clock.verificationTime(now))
                        _ = clock.authenticate(stated, now)
                    }
                }
            }
        }
    }
}
