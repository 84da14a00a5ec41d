// SPDX-License-Identifier: Apache-2.0

/// When a reading was taken, in seconds (RFC 8428 section 4.5.3).
public enum SenMLTime: Equatable, Sendable {
    /// Since 1970 in UTC, without leap seconds.
    case absolute(seconds: Double)
    /// After "now", which the pack's context defines; a time in the past is negative.
    case relative(seconds: Double)

    /// Below 2^28 a time is relative.
    init(resolved seconds: Double) {
        self = seconds >= 0x1p28 ? .absolute(seconds: seconds) : .relative(seconds: seconds)
    }

    public var seconds: Double {
        switch self {
        case .absolute(let seconds), .relative(let seconds): seconds
        }
    }

    /// The nearest whole number of milliseconds; nil if it does not fit.
    public var milliseconds: Int64? {
        let scaled = seconds * 1000
        // `rounded` would need libm, whose pages are a third of a megabyte of each program's memory.
        guard scaled >= -0x1p63, scaled < 0x1p63 else { return nil }
        let whole = Int64(scaled)
        let rest = scaled - Double(whole)
        return rest >= 0.5 ? whole + 1 : rest <= -0.5 ? whole - 1 : whole
    }
}
