// SPDX-License-Identifier: Apache-2.0

public import MartletEnvelope

/// Random numbers from the operating system.
public protocol Entropy: AnyObject {
    /// 64 unpredictable bits; nil if there are none to be had.
    func next() -> UInt64?
}

/// What every command must echo: random, in memory only, new in each run and each period. So nothing that was
/// recorded survives a restart, whatever happened to disk and clock, and nothing older than two periods ever runs.
public struct Challenge {
    /// Milliseconds of boot time.
    public static let period: UInt64 = 15 * 60 * 1000

    public private(set) var current: Bytes16
    public private(set) var previous: Bytes16?
    /// Boot time in milliseconds at which the next one is to be drawn.
    public private(set) var due: UInt64
    /// Boot time at which the current one has had its period.
    private var end: UInt64

    /// Milliseconds until the next try, if there was no entropy.
    private static let retry: UInt64 = 1000

    /// nil if there is no entropy: then there can be no commands either.
    public init?(_ entropy: any Entropy, now: UInt64) {
        guard let value = Self.random(entropy) else { return nil }
        current = value
        end = now &+ Self.period
        due = end
    }

    /// Draws a new challenge if it is time. One that was drawn late ends with its period all the same, so that the one
    /// before never lives longer than two; after two missed periods that one is gone at once. Without entropy the old
    /// one stays, and a new one is tried for.
    public mutating func advance(_ entropy: any Entropy, now: UInt64) -> Bool {
        if now < due { return false }
        guard let value = Self.random(entropy) else {
            previous = nil
            due = now &+ Self.retry
            return false
        }
        let isLate = now &- end >= Self.period
        previous = isLate ? nil : current
        current = value
        end = (isLate ? now : end) &+ Self.period
        due = end
        return true
    }

    private static func random(_ entropy: any Entropy) -> Bytes16? {
        guard let high = entropy.next(), let low = entropy.next() else { return nil }
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<8 {
            bytes[index] = UInt8(truncatingIfNeeded: high >> UInt64(8 * index))
            bytes[index + 8] = UInt8(truncatingIfNeeded: low >> UInt64(8 * index))
        }
        return Bytes16(bytes)
    }
}
