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
/// There is a lower bound before which it cannot be: the latest of the build time, the floor that an earlier run made
/// durable, and authenticated time plus the boot time since. The system clock is used only where it cannot be wrong by
/// much: not before the lower bound, and not against authenticated time. It never raises the bound.
public struct DeviceClock: Sendable {
    /// How far the system clock may be from authenticated time and still be used, in milliseconds.
    public static let tolerance: Int64 = 5 * 60 * 1000
    /// Milliseconds that the lower bound must have risen by before it is made durable again: a write for each hour of
    /// operation at most, and a device that loses its time loses an hour of it at most.
    public static let floorStep: Int64 = 60 * 60 * 1000

    /// Milliseconds since 1970 before which this program was not built.
    private let buildTime: Int64
    /// Milliseconds since 1970; at least the build time.
    private var floor: Int64
    /// What the next run begins with, as far as is known to be durable.
    private var persisted: Int64
    /// Authenticated time minus boot time, in milliseconds.
    private var authenticatedOffset: Int64?

    /// `floor`: what `floorToPersist` said in an earlier run, in milliseconds since 1970; nil if that is not known.
    public init(buildTime: Int64, floor: Int64? = nil) {
        self.buildTime = buildTime
        self.floor = max(buildTime, floor ?? buildTime)
        persisted = self.floor
    }

    /// Milliseconds since 1970 before which it cannot be. Within a run it never falls, but for `lower`.
    public func lowerBound(_ sample: TimeSample) -> Int64 {
        guard let authenticatedOffset else { return floor }
        return max(floor, Int64(clamping: sample.boot) &+ authenticatedOffset)
    }

    public func state(_ sample: TimeSample) -> ClockState {
        if authenticatedOffset != nil { return .trusted }
        return sample.system >= floor ? .bounded : .untrusted
    }

    /// Milliseconds to add to boot time to get the wall clock; nil while the clock is untrusted.
    public func wallClock(_ sample: TimeSample) -> Int64? {
        let system = sample.system &- Int64(clamping: sample.boot)
        guard let authenticatedOffset else { return sample.system >= floor ? system : nil }
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
        let bound = lowerBound(sample)
        guard let offset = wallClock(sample) else { return bound / 1000 }
        return max(Int64(clamping: sample.boot) &+ offset, bound) / 1000
    }

    /// Takes time that an authenticated party stated, in Unix seconds, bound to a current challenge, however far it is
    /// ahead. Returns whether the clock became trusted by it. It never moves time back: what is earlier than the lower
    /// bound by more than the tolerance is ignored, and what is within it confirms the bound.
    public mutating func authenticate(_ seconds: UInt64, _ sample: TimeSample) -> Bool {
        let bound = lowerBound(sample)
        let stated = Int64(clamping: seconds) &* 1000
        if stated < bound &- Self.tolerance { return false }
        let isFirst = authenticatedOffset == nil
        authenticatedOffset = max(stated, bound) &- Int64(clamping: sample.boot)
        return isFirst
    }

    /// What is to be made durable now, in milliseconds since 1970, so that the next run begins there; nil while it is
    /// not worth a write. When it is durable, call `didPersist`.
    public func floorToPersist(_ sample: TimeSample) -> Int64? {
        let bound = lowerBound(sample)
        return bound < persisted || bound &- persisted >= Self.floorStep ? bound : nil
    }

    public mutating func didPersist(_ floor: Int64) { persisted = floor }

    /// Moves the lower bound back to a time in Unix seconds that the root keys signed for a current challenge: the one
    /// way out for a device that was told a time in the future. Does nothing if that is no lower than the bound.
    /// Nothing that was authenticated before counts any longer: the clock is trusted again from the next statement on.
    public mutating func lower(to seconds: UInt64, _ sample: TimeSample) {
        let stated = max(Int64(clamping: seconds) &* 1000, buildTime)
        if stated >= lowerBound(sample) { return }
        floor = stated
        authenticatedOffset = nil
    }
}
