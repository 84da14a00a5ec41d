// SPDX-License-Identifier: Apache-2.0

public import MartletEnvelope

/// Both clocks at one moment.
public struct TimeSample: Sendable {
    /// Milliseconds since 1970 by the system clock, whoever set it.
    public var system: Int64
    /// CLOCK_BOOTTIME in milliseconds.
    public var boot: UInt64

    public init(system: Int64, boot: UInt64) {
        self.system = system
        self.boot = boot
    }
}

/// What time it is, and how far that can be trusted, on a board that may have no clock.
///
/// The system clock is believed only where it cannot be wrong by much: not before the lower bound, and not against
/// authenticated time. It never raises the lower bound. Authenticated time only ever moves forward.
public struct DeviceClock: Sendable {
    /// How far the system clock may be from authenticated time and still be used, in milliseconds.
    public static let tolerance: Int64 = 5 * 60 * 1000

    /// Milliseconds since 1970 before which this program was not built.
    private let buildTime: Int64
    /// Authenticated time minus boot time, in milliseconds.
    private var authenticatedOffset: Int64?

    public init(buildTime: Int64) { self.buildTime = buildTime }

    public func state(_ sample: TimeSample) -> ClockState {
        if authenticatedOffset != nil { return .trusted }
        return sample.system >= buildTime ? .bounded : .untrusted
    }

    /// Milliseconds to add to boot time to get the wall clock; nil while the clock is untrusted.
    public func wallClock(_ sample: TimeSample) -> Int64? {
        let system = sample.system &- Int64(clamping: sample.boot)
        guard let authenticatedOffset else { return sample.system >= buildTime ? system : nil }
        let difference = system &- authenticatedOffset
        return (-Self.tolerance...Self.tolerance).contains(difference) ? system : authenticatedOffset
    }

    /// Unix seconds; nil unless the clock is trusted.
    public func trustedSeconds(_ sample: TimeSample) -> UInt64? {
        guard authenticatedOffset != nil, let offset = wallClock(sample) else { return nil }
        return UInt64(clamping: (Int64(clamping: sample.boot) &+ offset) / 1000)
    }

    /// Seconds since 1970 at which certificates are judged: never earlier than is possible.
    public func verificationTime(_ sample: TimeSample) -> Int64 {
        guard let offset = wallClock(sample) else { return buildTime / 1000 }
        return (Int64(clamping: sample.boot) &+ offset) / 1000
    }

    /// Takes time that an authenticated party stated, in Unix seconds, fresh within one challenge period.
    /// Returns whether the clock became trusted by it. Time before the build is ignored.
    public mutating func authenticate(_ seconds: UInt64, _ sample: TimeSample) -> Bool {
        let stated = Int64(clamping: seconds) &* 1000
        if stated < buildTime { return false }
        let offset = stated &- Int64(clamping: sample.boot)
        guard let known = authenticatedOffset else {
            authenticatedOffset = offset
            return true
        }
        authenticatedOffset = max(known, offset)
        return false
    }
}
