// SPDX-License-Identifier: Apache-2.0

/// Allows so many events in some time on average, and a burst at once.
public struct TokenBucket: Sendable {
    private let rate: Int64
    private let burst: Int64
    /// What an event takes.
    private let cost: Int64
    /// Negative: a debt.
    private var level: Int64
    private var last: UInt64

    /// `rate` events a second. `now` is boot time in milliseconds, here and below. The bucket begins full.
    public init(rate: UInt32, burst: UInt32, now: UInt64) {
        self.rate = Int64(rate)
        cost = 1000
        self.burst = Int64(burst) * cost
        level = self.burst
        last = now
    }

    /// `count` events in `seconds`, and as many at once; both as bounded by `TrustDocument.Rate`.
    init(count: UInt64, seconds: UInt64) {
        rate = Int64(clamping: count)
        cost = 1000 &* Int64(clamping: seconds)
        burst = rate &* cost
        level = burst
        last = 0
    }

    /// Takes one event; false if there is none left.
    public mutating func take(now: UInt64) -> Bool {
        refill(now)
        if level < cost { return false }
        level -= cost
        return true
    }

    /// Takes `count` events, also if there are fewer left: what is missing must come before there is one again.
    public mutating func spend(_ count: UInt32, now: UInt64) {
        refill(now)
        level = max(level - Int64(count) * cost, .min / 2)
    }

    /// Boot time at which a part of an event is left, `now` if there is one. Never, if none come.
    public mutating func due(now: UInt64) -> UInt64 {
        refill(now)
        if level > 0 { return now }
        return rate > 0 ? now &+ UInt64(-level / rate) + 1 : .max
    }

    private mutating func refill(_ now: UInt64) {
        if now <= last { return }
        // A day refills any bucket, and keeps the product small.
        let elapsed = Int64(min(now - last, 86_400_000))
        level = min(burst, level + elapsed * rate)
        last = now
    }

    /// Gives back an event that was taken and did not happen.
    mutating func giveBack() { level = min(burst, level + cost) }
}
