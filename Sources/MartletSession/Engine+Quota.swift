// SPDX-License-Identifier: Apache-2.0

internal import MartletEnvelope
internal import MartletMessages
internal import MartletState

/// What is sent stays within the device's quotas.
extension Engine {
    /// Boot time from which on the next attempt to connect may begin; nil: it may, and counts. One that `mustBegin`
    /// counts, whatever the limit.
    func beginConnection(mustBegin: Bool, _ now: TimeSample) -> UInt64? {
        guard let quota else { return nil }
        advanceQuota(now)
        if !mustBegin, let hold = quota.connectionHold {
            log(.warning) { $0.text("as many connections as are allowed in an hour: the next try comes later") }
            return spread(hold)
        }
        countConnection()
        return nil
    }

    /// The same for an attempt of the link's own, by which it finds out whether a server is there.
    public func beginSearch(_ now: TimeSample) -> UInt64? {
        guard let quota else { return nil }
        advanceQuota(now)
        if let hold = quota.searchHold {
            log(.info) { $0.text("half of the connections of an hour are used: the broker is looked for later") }
            return spread(hold)
        }
        countConnection()
        return nil
    }

    /// Not all devices at the full hour.
    private func spread(_ hold: UInt64) -> UInt64 { hold &+ (entropy.next() ?? 0) % Self.connectionSpread }

    private func countConnection() {
        // A device that cannot write must be able to say so: it counts in memory.
        _ = reserve(quota?.reservation(connections: 1))
        quota?.connect()
    }

    /// Milliseconds over which devices spread that wait for the same hour.
    private static let connectionSpread: UInt64 = 60_000

    /// Whether an envelope of a lane may be sent now.
    func mayTelemeter(_ lane: Lane, bytes: Int, _ now: TimeSample) -> Bool {
        guard let quota else { return true }
        advanceQuota(now)
        let wasHeld = quota.isHeld(lane)
        if let hold = quota.hold(lane, bytes: bytes) {
            telemetryDue = min(telemetryDue ?? .max, hold)
            if quota.isHeld(lane), !wasHeld {
                log(.warning) {
                    $0.text("a quota of bytes is used up: telemetry waits on the disk for the next day or month")
                }
            }
            return false
        }
        if reserve(quota.reservation(bytes: bytes)) { return true }
        telemetryDue = min(telemetryDue ?? .max, now.boot &+ Self.flushRetry)
        return false
    }

    /// A message was handed to the link.
    func count(bytes: Int, _ now: TimeSample) {
        guard let quota else { return }
        advanceQuota(now)
        // What is no telemetry is sent in any case; telemetry has been reserved.
        _ = reserve(quota.reservation(bytes: bytes))
        quota.send(bytes: bytes)
    }

    /// Tells the back end once that most of a quota is used, and lets time go on while something waits for it.
    func tellUsage(_ now: TimeSample) {
        guard let quota else { return }
        advanceQuota(now)
        if let due = quota.saveDue, due <= now.boot {
            // While the disk takes nothing, one record waits for it.
            if state.hasPendingUsage { quota.didSave() } else { saveTime(now) }
        }
        while let (kind, percent) = quota.takeAlert() {
            log(.warning) {
                $0.text("a quota is used by ")
                $0.number(percent)
                $0.text(" %")
            }
            tell(Event(kind: .quota, values: [Event.Value(code: kind.rawValue, number: percent)]), now)
        }
    }

    private func advanceQuota(_ now: TimeSample) {
        let isTrusted = clock.state(now) == .trusted
        quota?.advance(now.boot, trusted: isTrusted ? UInt64(clamping: clock.lowerBound(now)) : nil)
    }

    /// Makes durable what is to be used. False, and nothing is, if that is not possible now.
    private func reserve(_ usage: Usage?) -> Bool {
        guard let usage else { return true }
        let mark = state.mark
        state.put(usage)
        guard state.flush() else {
            state.rollBack(to: mark)
            return false
        }
        quota?.didReserve(usage)
        return true
    }

    /// Writes down how late it is, so that time goes on after a boot, with the next commit of the journal.
    func saveTime(_ now: TimeSample) {
        guard let quota else { return }
        advanceQuota(now)
        state.put(quota.saved)
        quota.didSave()
    }
}
