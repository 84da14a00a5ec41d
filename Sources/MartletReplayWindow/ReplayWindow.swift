// SPDX-License-Identifier: Apache-2.0

/// Accepts each counter at most once, and none that is too old to tell (after RFC 6479).
///
/// It remembers which of the 64 counters up to the highest accepted one were seen; anything below counts as seen.
/// A new window has seen nothing. Every UInt64 is a valid counter. Not safe for concurrent use. 16 bytes.
public struct ReplayWindow: Sendable {
    /// The number of counters that are told apart.
    public static let width: UInt64 = 64

    private var highest: UInt64 = 0
    /// Bit n: `highest` - n was accepted.
    private var seen: UInt64 = 0

    public init() {}

    /// Whether `accept` would accept `counter` now. Changes nothing.
    public func allows(_ counter: UInt64) -> Bool {
        guard counter <= highest else { return true }
        let age = highest - counter
        return age < Self.width && seen & 1 << age == 0
    }

    /// Marks `counter` as seen. False if it was seen before or is too old to tell; then nothing changes.
    public mutating func accept(_ counter: UInt64) -> Bool {
        guard allows(counter) else { return false }
        if counter > highest {
            // A shift by 64 or more gives zero.
            seen = seen << (counter - highest) | 1
            highest = counter
        } else {
            seen |= 1 << (highest - counter)
        }
        return true
    }
}
