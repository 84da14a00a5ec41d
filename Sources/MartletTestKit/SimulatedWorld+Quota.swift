// SPDX-License-Identifier: Apache-2.0

internal import MartletEnvelope
internal import MartletMessages
internal import MartletSession
internal import MartletState

/// What a device may send, and what becomes of readings that it may not send yet.
extension SimulatedWorld {
    /// Far below what a configuration may say, so that a storm reaches them.
    static func quotas(_ random: SeededEntropy) -> QuotaLimits {
        var limits = QuotaLimits()
        if random.oneIn(2) { limits.readingsPerSecond = 1 + UInt32(random.below(3)) }
        if random.oneIn(2) { limits.bytesPerSecond = 300 + UInt32(random.below(3000)) }
        if random.oneIn(2) { limits.bytesPerDay = 16_000 + random.below(16_000) }
        if random.oneIn(3) { limits.bytesPerMonth = 24_000 + random.below(40_000) }
        if random.oneIn(2) { limits.connectionsPerHour = 6 + random.below(20) }
        return limits
    }

    /// Counts what goes over the link of this run; the world outlives its devices.
    func watchQuota() {
        if quota.limits == QuotaLimits() { return }
        quota.didStart(boot: now.boot)
        device.link.opens = { [unowned(unsafe) self] in
            if !disk.isOff { judgeQuota(quota.connects(device.run.state.usage, time: UInt64(time / 1000))) }
        }
        device.link.sends = { [unowned(unsafe) self] message in
            judgeQuota(
                quota.sends(
                    message.payload.count, telemetry(message), device.run.state.usage, boot: now.boot,
                    time: UInt64(time / 1000)))
        }
    }

    /// A device whose disk fails counts in memory, until its program ends.
    private func judgeQuota(_ problem: StaticString?) {
        if let problem, books.totals[.diskError] == 0 { books.fail(problem) }
    }

    private func telemetry(_ message: RecordingLink.Message) -> (lane: Lane, readings: Int)? {
        guard message.topic == telemetryTopic, let envelope = try? Envelope(decoding: message.payload.span),
            let lane = envelope.claims.lane
        else { return nil }
        // A pack is an array of its readings: RFC 8949 section 3.
        let payload = message.payload[envelope.payload]
        let (head, next) = (payload.first ?? 0, payload.dropFirst().first ?? 0)
        return (lane, Int(head < 0x98 ? head & 0x1f : next))
    }

    /// Lets a day or a month end, if there is a quota for it, by whatever time the device goes.
    func endPeriods() {
        let days: UInt64 = quota.limits.bytesPerMonth > 0 ? 31 : 1
        if quota.hasBytes { wait(days * 86_400_000) }
    }

    /// On a calm day normal readings are held back before all bytes are used up, alarms are not, and what was held back
    /// goes when the period ends.
    func probeQuota() throws(TestKitError) {
        // A disk that failed may have taken none of what was used.
        if !quota.hasBytes || books.totals[.diskError] > 0 { return }
        endPeriods()
        try settleOnce()
        var count = 0
        while device.engine.backlog == 0, count < 100, problem == nil {
            report(.normal, [UInt8](repeating: 0, count: 600))
            device.engine.commit(.normal, now)
            try settleOnce()
            try settleOnce()
            count += 1
        }
        if device.engine.backlog == 0 { return books.fail("a quota held no reading back", UInt64(count)) }
        if quota.rest > 2 * Self.alarmSize {
            report(.alarm, [])
            device.engine.commit(.alarm, now)
            device.engine.advance(now)
            try settleOnce()
            if backEnd.heads[.alarm] != device.engine.head(.alarm) {
                books.fail("an alarm waits for a quota that has room for it", quota.rest)
            }
            books.totals.count(.alarmPassed)
        }
        endPeriods()
        try settleOnce()
        try settleOnce()
        if device.engine.backlog > 0 {
            books.fail("what a quota held back did not go when its period ended", UInt64(device.engine.backlog))
        }
        books.judgeReadings()
    }

    /// More than an alarm without a value takes.
    private static let alarmSize: UInt64 = 350
}
