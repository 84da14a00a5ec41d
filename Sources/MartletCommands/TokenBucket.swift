// SPDX-License-Identifier: Apache-2.0

/// Allows `rate` events in a second on average and `burst` at once.
public struct TokenBucket: Sendable {
    private let rate: UInt64
    private let burst: UInt64
    /// Thousandths of an event.
    private var level: UInt64
    private var last: UInt64

    /// `now` is boot time in milliseconds, here and below. The bucket begins full.
    public init(rate: UInt32, burst: UInt32, now: UInt64) {
        self.rate = UInt64(rate)
        self.burst = UInt64(burst) * 1000
        level = self.burst
        last = now
    }

    /// Takes one event; false if there is none left.
    public mutating func take(now: UInt64) -> Bool {
        if now > last {
            // A day refills any bucket, and keeps the product small.
            let elapsed = min(now - last, 86_400_000)
            level = min(burst, level + elapsed * rate)
            last = now
        }
        if level < 1000 { return false }
        level -= 1000
        return true
    }
}
