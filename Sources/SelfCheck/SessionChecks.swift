// SPDX-License-Identifier: Apache-2.0

import MartletCommands
import MartletEnvelope
import MartletReplayWindow
import MartletSession
import MartletTestKit

/// What a session counts and times.
enum SessionChecks {
    static var all: [Check] {
        [
            Check("replay window: a counter is accepted once, up to 2^64 - 1", replay),
            Check("replay window: 20,000 random steps agree with a list of all that was accepted", replayModel),
            Check("challenge: one period, then one more, then never again", challenge),
            Check("challenge: boot times beyond 2^31 and 2^32 ms", lateChallenge),
            Check("backoff: bounded, and reset by a stable connection only", backoff),
            Check("token bucket: burst, rate, and clocks that jump", bucket),
        ]
    }

    private static let steps: [(counter: UInt64, isAccepted: Bool)] = [
        (0, true), (0, false), (1, true), (1, false), (9, true), (8, true), (7, true), (7, false), (3, true),
        (63, true), (0, false), (64, true), (0, false), (1, false), (4, true), (65, true), (69, true), (5, false),
        (6, true), (6, false), (1000, true), (69, false), (936, false), (937, true), (937, false), (1064, true),
        (1000, false), (1001, true), (1127, true), (1064, false), (1065, true), ((1 << 31) - 1, true), (1 << 31, true),
        ((1 << 31) - 1, false), (1 << 32, true), ((1 << 32) - 1, true), ((1 << 32) - 1, false), (1 << 63, true),
        ((1 << 63) - 1, true), (1 << 32, false), (.max, true), (.max, false), (.max - 63, true), (.max - 64, false),
        (0, false),
    ]

    private static func replay() throws(Failure) {
        var window = ReplayWindow()
        for (index, step) in steps.enumerated() {
            try require(window.allows(step.counter) == step.isAccepted, "allows, step", number: Int64(index))
            try require(window.accept(step.counter) == step.isAccepted, "accept, step", number: Int64(index))
        }
    }

    private static func replayModel() throws(Failure) {
        let random = SeededEntropy(seed: seed)
        for start in [0, 1 << 31, 1 << 32, 1 << 63] as [UInt64] {
            var window = ReplayWindow()
            var accepted: [UInt64] = []
            var highest: UInt64?
            for step in 0..<5000 as Range<Int64> {
                let middle = highest ?? start
                let counter = middle &+ random.below(random.oneIn(50) ? 300 : 100) &- 90
                let isOld = highest.map { $0 >= 64 && counter <= $0 - 64 } ?? false
                let isNew = !isOld && !accepted.contains(counter)
                try require(window.accept(counter) == isNew, "step", number: step)
                if isNew {
                    accepted.append(counter)
                    highest = max(highest ?? 0, counter)
                    if accepted.count > 400 { accepted.removeFirst(200) }
                }
            }
        }
    }

    private static func challenge() throws(Failure) {
        let entropy = SeededEntropy(seed: seed)
        let period = Challenge.period
        var challenge = try require(Challenge(entropy, now: 1000), "no challenge")
        let first = challenge.current
        try require(challenge.previous == nil && challenge.due == 1000 + period, "begin")
        try require(!challenge.advance(entropy, now: 999 + period) && challenge.current == first, "too early")
        try require(challenge.advance(entropy, now: 1000 + period), "not drawn")
        let second = challenge.current
        try require(second != first && challenge.previous == first, "second period")
        try require(challenge.advance(entropy, now: 1000 + 2 * period), "not drawn")
        try require(challenge.current != second && challenge.previous == second, "third period")
        try require(challenge.advance(entropy, now: 1000 + 9 * period) && challenge.previous == nil, "missed periods")

        let last = challenge.current
        entropy.isExhausted = true
        try require(!challenge.advance(entropy, now: challenge.due), "drawn without entropy")
        try require(challenge.current == last && challenge.previous == nil, "without entropy")
        try require(Challenge(entropy, now: 0) == nil, "made without entropy")
    }

    private static func lateChallenge() throws(Failure) {
        let entropy = SeededEntropy(seed: seed)
        for now in edges {
            var challenge = try require(Challenge(entropy, now: now), "no challenge")
            let first = challenge.current
            _ = challenge.advance(entropy, now: now)
            for step in edges { _ = challenge.advance(entropy, now: step) }
            guard now <= 1 << 40 else { continue }
            challenge = try require(Challenge(entropy, now: now), "no challenge")
            try require(challenge.due == now + Challenge.period, "due", number: Int64(now))
            try require(challenge.advance(entropy, now: challenge.due), "not drawn", number: Int64(now))
            try require(challenge.current != first, "the same again", number: Int64(now))
        }
    }

    private static func backoff() throws(Failure) {
        let random = SeededEntropy(seed: seed)
        var backoff = Backoff()
        for failure in 1...40 as ClosedRange<UInt64> {
            let limit: UInt64 = failure < 6 ? 1000 << failure : 60_000
            for number in edges {
                var copy = backoff
                try require(copy.next(random: number) <= limit, "above the limit, failure", number: Int64(failure))
            }
            var copy = backoff
            try require(copy.next(random: limit) == limit, "never the limit, failure", number: Int64(failure))
            _ = backoff.next(random: random.next())
        }
        backoff.connectionHeld(for: Backoff.stable - 1)
        var copy = backoff
        try require(copy.next(random: 60_000) == 60_000, "reset by an unstable connection")
        backoff.connectionHeld(for: Backoff.stable)
        try require(backoff.next(random: 2001) == 0, "not reset")
    }

    private static func bucket() throws(Failure) {
        for start in [0, 0x7fff_ffff, 0xffff_ffff, 1 << 40] as [UInt64] {
            var bucket = TokenBucket(rate: 20, burst: 40, now: start)
            for _ in 0..<40 { try require(bucket.take(now: start), "burst", number: Int64(start)) }
            try require(!bucket.take(now: start), "beyond the burst", number: Int64(start))
            try require(!bucket.take(now: start + 49), "too early", number: Int64(start))
            try require(bucket.take(now: start + 50), "rate", number: Int64(start))
            try require(!bucket.take(now: start / 2), "a clock that goes back", number: Int64(start))
            for _ in 0..<40 { try require(bucket.take(now: start + 1 << 33), "refilled", number: Int64(start)) }
            try require(!bucket.take(now: start + 1 << 33), "more than the burst", number: Int64(start))
        }
        for rate in [0, 1, .max] as [UInt32] {
            var bucket = TokenBucket(rate: rate, burst: .max, now: 0)
            for now in edges { _ = bucket.take(now: now) }
        }
    }
}
