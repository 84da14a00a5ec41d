// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletEnvelope
internal import MartletState

/// What a device may send. 0: no limit. Bytes are those of messages, without what MQTT, HTTPS, TLS and TCP add.
public struct QuotaLimits: Equatable, Sendable {
    public var readingsPerSecond: UInt32 = 0
    public var bytesPerSecond: UInt32 = 0
    public var bytesPerDay: UInt64 = 0
    public var bytesPerMonth: UInt64 = 0
    /// Attempts to connect.
    public var connectionsPerHour: UInt64 = 0

    public init() {}
}

/// Keeps what is sent within `QuotaLimits`. Times are milliseconds.
///
/// Telemetry that would go beyond a limit waits in the spool. Alarms wait for no rate, and may use a day's or a month's
/// bytes up; normal readings may use 95 % of them, bulk ones 80 %. Everything else a device says is sent, and counts.
final class Quota {
    /// Which limit; codes of the event `quota`.
    enum Kind: UInt64, CaseIterable {
        case connectionsPerHour = 0
        case bytesPerDay = 1
        case bytesPerMonth = 2
    }

    /// Percent of a limit from which on the back end is told.
    static let alertShare: UInt64 = 80
    /// How often time is written down while something waits for a period to end: what passes then counts after a boot.
    static let saveInterval: UInt64 = 60_000

    let limits: QuotaLimits
    private var usage: Usage
    /// What is durable: at least what was used.
    private var reserved: Usage
    private var readings: TokenBucket?
    private var bytes: TokenBucket?
    /// Boot time at which `usage.time` was that.
    private var anchor: UInt64
    /// Whether the back end was told in this run, by the codes of `Kind`.
    private var told = [false, false, false]
    /// Lanes, by their codes, that wait for a day or a month to end.
    private var held = [false, false, false]
    /// Boot time at which time must be written down; nil if nothing waits.
    private(set) var saveDue: UInt64?

    /// nil if there is no limit. `usage`: what an earlier run wrote down; `time`: the least that it can be.
    init?(_ limits: QuotaLimits, _ usage: Usage?, time: UInt64, boot: UInt64) {
        if limits == QuotaLimits() { return nil }
        self.limits = limits
        self.usage = usage ?? Usage(time: time)
        self.usage.time = max(self.usage.time, time)
        reserved = self.usage
        anchor = boot
        readings = Self.bucket(limits.readingsPerSecond, boot)
        bytes = Self.bucket(limits.bytesPerSecond, boot)
        // Periods of a time that was wrong, and later than this one, go on as the present ones.
        advance(boot, trusted: self.usage.time)
    }

    /// A second's worth at once, and any one envelope: what that takes too much is missing afterwards.
    private static func bucket(_ limit: UInt32, _ boot: UInt64) -> TokenBucket? {
        limit > 0 ? TokenBucket(rate: limit, burst: limit, now: boot) : nil
    }

    // MARK: Time

    /// Begins the periods that have begun. `trusted`: the time, if that is known.
    func advance(_ boot: UInt64, trusted: UInt64?) {
        // While time is not known it goes on as long as the device runs.
        usage.time = trusted ?? usage.time &+ (boot &- anchor)
        anchor = boot
        let day = usage.time / 86_400_000
        let isKnown = trusted != nil
        begin(&usage.connections, reserved.connections, usage.time / 3_600_000, isKnown, .connectionsPerHour)
        begin(&usage.day, reserved.day, day, isKnown, .bytesPerDay)
        begin(&usage.month, reserved.month, Self.month(ofDay: day), isKnown, .bytesPerMonth)
        if !held.contains(true), !isConnectingHeld { saveDue = nil }
    }

    private func begin(
        _ period: inout Usage.Period, _ reserved: Usage.Period, _ number: UInt64, _ isKnown: Bool, _ kind: Kind
    ) {
        if number > period.number {
            period = Usage.Period(number: number)
            told[Int(kind.rawValue)] = false
            if kind != .connectionsPerHour { for lane in held.indices { held[lane] = false } }
        } else if isKnown, number < period.number {
            // A period that seems to be over before it began was one of a time that was wrong: it goes on as the present
            // one. If that had begun before, and nothing was used since, what is written down holds.
            period.number = number
            if reserved.number == number { period.used = max(period.used, reserved.used) }
        }
    }

    /// Months since January 1970 on a day since 1970 (UTC).
    static func month(ofDay day: UInt64) -> UInt64 {
        // Counted from March of the year 0, so that leap days are last: 146,097 days are 400 years.
        let days = min(day, 1 << 40) + 719_468
        let ofEra = days % 146_097
        let year = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100)
        // Of five months from March or August on, 153 days.
        let month = (5 * ofYear + 2) / 153
        return (days / 146_097 * 400 + year) * 12 + month + 2 - 1970 * 12
    }

    /// Boot time at which the hour ends, or the day.
    private func end(of length: UInt64) -> UInt64 { anchor &+ length - usage.time % length }

    // MARK: Connections

    /// Boot time from which on there may be another attempt to connect; nil: now.
    var connectionHold: UInt64? {
        if !isConnectingHeld { return nil }
        wait()
        return hourEnd
    }

    private var isConnectingHeld: Bool {
        limits.connectionsPerHour > 0 && usage.connections.used >= limits.connectionsPerHour
    }

    /// The same for an attempt that only finds out whether a server is there: such ones leave half of the limit.
    var searchHold: UInt64? {
        limits.connectionsPerHour > 0 && usage.connections.used >= (limits.connectionsPerHour + 1) / 2
            ? hourEnd : nil
    }

    private var hourEnd: UInt64 { end(of: 3_600_000) }

    func connect() { if limits.connectionsPerHour > 0 { usage.connections.used += 1 } }

    // MARK: Messages

    /// Boot time from which on an envelope of a lane may be sent; nil: now.
    func hold(_ lane: Lane, bytes count: Int) -> UInt64? {
        if !fits(usage.day, limits.bytesPerDay, lane, count) || !fits(usage.month, limits.bytesPerMonth, lane, count) {
            held[Int(lane.rawValue)] = true
            wait()
            return end(of: 86_400_000)
        }
        held[Int(lane.rawValue)] = false
        if lane == .alarm { return nil }
        let due = max(readings?.due(now: anchor) ?? 0, bytes?.due(now: anchor) ?? 0)
        return due > anchor ? due : nil
    }

    private func fits(_ period: Usage.Period, _ limit: UInt64, _ lane: Lane, _ count: Int) -> Bool {
        let share: UInt64 =
            switch lane {
            case .alarm: 100
            case .normal: 95
            case .bulk: 80
            }
        return limit == 0 || period.used + UInt64(clamping: count) <= limit / 100 * share + limit % 100 * share / 100
    }

    /// Whether readings of the lane wait for a day or a month to end.
    func isHeld(_ lane: Lane) -> Bool { held[Int(lane.rawValue)] }

    private func wait() { if saveDue == nil { saveDue = anchor &+ Self.saveInterval } }

    /// A message was sent.
    func send(bytes count: Int) {
        bytes?.spend(UInt32(clamping: count), now: anchor)
        let count = UInt64(clamping: count)
        if limits.bytesPerDay > 0 { usage.day.used += count }
        if limits.bytesPerMonth > 0 { usage.month.used += count }
    }

    func send(readings count: Int) { readings?.spend(UInt32(clamping: count), now: anchor) }

    // MARK: Durability

    /// What must be durable before a connection or `bytes` more are used, in blocks of a hundredth of each limit; nil if
    /// enough is.
    func reservation(connections: UInt64 = 0, bytes count: Int = 0) -> Usage? {
        let count = UInt64(clamping: count)
        let next = Usage(
            time: usage.time,
            connections: Self.raised(usage.connections, by: connections, reserved.connections, block: 1),
            day: Self.raised(
                usage.day, by: limits.bytesPerDay > 0 ? count : 0, reserved.day, block: limits.bytesPerDay / 100),
            month: Self.raised(
                usage.month, by: limits.bytesPerMonth > 0 ? count : 0, reserved.month, block: limits.bytesPerMonth / 100
            ))
        let isNews =
            next.connections != reserved.connections || next.day != reserved.day || next.month != reserved.month
        return isNews ? next : nil
    }

    private static func raised(
        _ period: Usage.Period, by count: UInt64, _ reserved: Usage.Period, block: UInt64
    ) -> Usage.Period {
        let needed = period.used + count
        if count == 0 || reserved.number == period.number && needed <= reserved.used { return reserved }
        let block = max(block, 1)
        return Usage.Period(number: period.number, used: (needed + block - 1) / block * block)
    }

    /// What is to be written down so that time goes on after a boot.
    var saved: Usage {
        var saved = reserved
        saved.time = usage.time
        return saved
    }

    /// It is durable.
    func didReserve(_ usage: Usage) {
        reserved = usage
        didSave()
    }

    func didSave() { if saveDue != nil { saveDue = anchor &+ Self.saveInterval } }

    // MARK: Alerts

    /// A limit of which so much is used that the back end should know, and how many percent; once for each period.
    func takeAlert() -> (kind: Kind, percent: UInt64)? {
        for kind in Kind.allCases where !told[Int(kind.rawValue)] {
            let (used, limit) =
                switch kind {
                case .connectionsPerHour: (usage.connections.used, limits.connectionsPerHour)
                case .bytesPerDay: (usage.day.used, limits.bytesPerDay)
                case .bytesPerMonth: (usage.month.used, limits.bytesPerMonth)
                }
            // Rounded up.
            let share = limit / 100 * Self.alertShare + (limit % 100 * Self.alertShare + 99) / 100
            if limit == 0 || used < share { continue }
            told[Int(kind.rawValue)] = true
            return (kind, used > .max / 100 ? used / limit * 100 : used * 100 / limit)
        }
        return nil
    }
}
