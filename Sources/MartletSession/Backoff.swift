// SPDX-License-Identifier: Apache-2.0

/// When to try again: full jitter over an exponentially growing span, so that a fleet that lost its broker does not
/// come back at once. Only a connection that was stable starts over.
public struct Backoff: Sendable {
    /// Milliseconds.
    public static let base: UInt64 = 1000
    public static let cap: UInt64 = 60_000
    /// How long a connection must have held to count as stable.
    public static let stable: UInt64 = 60_000

    private var failures: UInt64 = 0

    public init() {}

    /// Milliseconds to wait after a failure. `random` is uniform over all values.
    public mutating func next(random: UInt64) -> UInt64 {
        failures = min(failures + 1, 16)
        return random % (min(Self.cap, Self.base << failures) + 1)
    }

    /// A connection ended after `milliseconds`.
    public mutating func connectionHeld(for milliseconds: UInt64) {
        if milliseconds >= Self.stable { failures = 0 }
    }
}
