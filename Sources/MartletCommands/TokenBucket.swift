// SPDX-License-Identifier: Apache-2.0

/// Allows so many events in some time on average, and a burst at once.
public struct TokenBucket: Sendable {
    private let rate: UInt64
    private let burst: UInt64
    /// What an event takes.
    private let cost: UInt64
    private var level: UInt64
    private var last: UInt64

    /// `rate` events a second. `now` is boot time in milliseconds, here and below. The bucket begins full.
    public init(rate: UInt32, burst: UInt32, now: UInt64) {
        self.rate = UInt64(rate)
        cost = 1000
        self.burst = UInt64(burst) * cost
        level = self.burst
        last = now
    }

    /// `count` events in `seconds`, and as many at once; both as bounded by `TrustDocument.Rate`.
    init(count: UInt64, seconds: UInt64) {
        rate = count
        cost = 1000 &* seconds
        burst = count &* cost
        level = burst
        last = 0
    }

    /// Takes one event; false if there is none left.
    public mutating func take(now: UInt64) -> Bool {
        if now > last {
            // A day refills any bucket, and keeps the product small.
            let elapsed = min(now - last, 86_400_000)
            level = min(burst, level + elapsed * rate)
            last = now
        }
        if level < cost { return false }
        level -= cost
        return true
    }

    /// Gives back an event that was taken and did not happen.
    mutating func giveBack() { level = min(burst, level + cost) }
}
