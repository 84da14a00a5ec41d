// SPDX-License-Identifier: Apache-2.0

public import MartletSession

/// Both clocks of a board, moved by hand.
public struct ManualClock {
    /// Milliseconds since 1970 by the system clock.
    public var system: Int64
    /// CLOCK_BOOTTIME in milliseconds.
    public var boot: UInt64

    /// By default a board with a right clock, a minute after its boot.
    public init(system: Int64 = 1_800_000_000_000, boot: UInt64 = 60_000) {
        self.system = system
        self.boot = boot
    }

    public var sample: TimeSample { TimeSample(system: system, boot: boot) }

    /// Both clocks go on.
    public mutating func advance(_ milliseconds: UInt64) {
        boot += milliseconds
        system += Int64(clamping: milliseconds)
    }
}
