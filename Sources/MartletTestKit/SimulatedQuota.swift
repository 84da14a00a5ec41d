// SPDX-License-Identifier: Apache-2.0

internal import MartletEnvelope
internal import MartletSession
internal import MartletState

/// What a device sends, counted outside of it, over all its runs: never more than its quotas allow.
///
/// Which period it is, the device says by what it writes down before it sends; that may not be one that lies ahead.
final class SimulatedQuota {
    private struct Period {
        /// Hours, days or months since 1970.
        var number: UInt64 = 0
        var used: UInt64 = 0

        /// The device says which period it is. What was used is used up until a later one begins. False if that lies
        /// ahead. Time that comes late, by two periods of the challenge at most, may put it into the one before; what lies
        /// further back was forgotten.
        mutating func enter(_ number: UInt64?, present: UInt64) -> Bool {
            guard let number, number != self.number, number + 1 >= self.number else { return true }
            if number > self.number { used = 0 }
            self.number = number
            return number <= present
        }
    }

    /// So much a second, and a second's worth at once.
    private struct Rate {
        let limit: Int64
        /// In thousandths; negative: a debt.
        var level: Int64
        var last: UInt64

        init(_ limit: UInt32, boot: UInt64) {
            (self.limit, level, last) = (Int64(limit), Int64(limit) * 1000, boot)
        }

        /// Whether something may go.
        mutating func allows(boot: UInt64) -> Bool {
            level = min(limit * 1000, level + Int64(boot - min(last, boot)) * limit)
            last = max(last, boot)
            return limit == 0 || level > 0
        }

        mutating func spend(_ count: Int) { level -= Int64(count) * 1000 }
    }

    let limits: QuotaLimits
    private var connections = Period()
    private var day = Period()
    private var month = Period()
    private var readings: Rate
    private var bytes: Rate
    /// Bytes of the last message, if the device writes them down after it has sent them.
    private var unwritten: UInt64 = 0

    init(_ limits: QuotaLimits) {
        self.limits = limits
        readings = Rate(limits.readingsPerSecond, boot: 0)
        bytes = Rate(limits.bytesPerSecond, boot: 0)
    }

    var hasBytes: Bool { limits.bytesPerDay > 0 || limits.bytesPerMonth > 0 }

    /// The most that is left of a day's and a month's bytes.
    var rest: UInt64 {
        var rest = UInt64.max
        for (period, limit) in [(day, limits.bytesPerDay), (month, limits.bytesPerMonth)] where limit > 0 {
            rest = min(rest, limit - min(limit, period.used))
        }
        return rest
    }

    func didStart(boot: UInt64) {
        readings = Rate(limits.readingsPerSecond, boot: boot)
        bytes = Rate(limits.bytesPerSecond, boot: boot)
        unwritten = 0
    }

    /// The power goes: the last message may not have been written down any more.
    func losesPower() {
        day.used -= min(day.used, unwritten)
        month.used -= min(month.used, unwritten)
    }

    /// State was lost, and what was used with it.
    func forget() { (connections, day, month) = (Period(), Period(), Period()) }

    /// The device tries to connect. `time`: seconds since 1970. Gives what must not be.
    func connects(_ usage: Usage?, time: UInt64) -> StaticString? {
        if limits.connectionsPerHour == 0 { return nil }
        if !connections.enter(usage?.connections.number, present: time / 3600) {
            return "an hour began before its time"
        }
        connections.used += 1
        return connections.used > limits.connectionsPerHour ? "more connections than a quota allows" : nil
    }

    /// The device sends a message: of a lane with so many readings, or another one. Gives what must not be.
    func sends(
        _ size: Int, _ telemetry: (lane: Lane, readings: Int)?, _ usage: Usage?, boot: UInt64, time: UInt64
    ) -> StaticString? {
        let days = time / 86_400
        guard day.enter(limits.bytesPerDay > 0 ? usage?.day.number : nil, present: days),
            month.enter(limits.bytesPerMonth > 0 ? usage?.month.number : nil, present: Self.month(ofDay: days))
        else { return "a period began before its time" }
        let isWithinRates = readings.allows(boot: boot) && bytes.allows(boot: boot)
        day.used += UInt64(size)
        month.used += UInt64(size)
        bytes.spend(size)
        unwritten = telemetry == nil ? UInt64(size) : 0
        guard let telemetry else { return nil }
        readings.spend(telemetry.readings)
        if telemetry.lane != .alarm, !isWithinRates { return "readings were sent faster than a quota allows" }
        let share: UInt64 =
            switch telemetry.lane {
            case .alarm: 100
            case .normal: 95
            case .bulk: 80
            }
        for (period, limit, written) in [
            (day, limits.bytesPerDay, usage?.day.used), (month, limits.bytesPerMonth, usage?.month.used),
        ] where limit > 0 {
            if period.used * 100 > limit * share { return "more bytes than a quota allows" }
            if period.used > written ?? 0 { return "more bytes were sent than the device wrote down" }
        }
        return nil
    }

    /// Months since January 1970, until 2100.
    private static func month(ofDay day: UInt64) -> UInt64 {
        let lengths: [UInt64] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var (rest, months) = (day, 0)
        while true {
            let isLeapDay = months % 12 == 1 && (1970 + months / 12) % 4 == 0
            let length = lengths[months % 12] + (isLeapDay ? 1 : 0)
            if rest < length { return UInt64(months) }
            rest -= length
            months += 1
        }
    }
}
