// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletJournal
internal import MartletMessages
internal import MartletSenML
internal import MartletSession
internal import MartletState
internal import MartletTelemetry

/// Readings, and what must be true of them at any time.
extension SimulatedWorld {
    private static let spools = Spool.stream(.alarm)...Spool.stream(.bulk)

    /// A sensor reports, once or many times.
    func report() {
        let lane = Lane.allCases[below(Lane.allCases.count)]
        let count = weather.fillsSpool ? 1 + below(8) : 1
        isReporting = true
        defer { isReporting = false }
        for _ in 0..<count {
            let size = below(weather.fillsSpool ? ReadingBatch.maximumValueLength : 40)
            report(lane, [UInt8](repeating: UInt8(random.below(256)), count: size))
        }
        if random.oneIn(3) {
            say("readings are to be durable, lane", UInt64(lane.rawValue))
            device.engine.commit(lane, now)
        }
        device.engine.advance(now)
        observe()
    }

    /// One reading becomes one envelope, unless those before could not be closed.
    func report(_ lane: Lane, _ value: [UInt8]) {
        let name = text("sensor")
        try? device.batch.append(name: name.span, unit: Span(), value: .data(value.span), time: now.boot)
        let count = device.batch.count
        guard count > 0, device.engine.close(&device.batch, lane, now), let head = device.engine.head(lane) else {
            return
        }
        say("envelope:", UInt64(lane.rawValue), head.sequence)
        books.closed(lane, head, readings: count)
    }

    /// The spools have their bound. Besides, a lane may have two segments when more urgent ones fill the rest, and a
    /// power cut may undo that segments were trimmed.
    func judgeSpool() {
        // A segment that cannot be read, or removed, may be one too many.
        if books.losses > 0 || books.totals[.diskError] > 0 { return }
        let size = disk.size(Self.spools)
        let hadCuts = books.totals[.powerCut] + books.totals[.cutInRecovery] > 0
        if size > (hadCuts ? 2 : 1) * Self.spoolLimit + 4 * spoolSegment {
            books.fail("the spools are too large", UInt64(size))
        }
        // What is in one segment stays or goes together; the smallest envelopes have 128 bytes.
        let readings = device.run.spools.reduce(0) { $0 + $1.readings }
        if weather.limits, readings > Self.spoolReadings + 4 * UInt64(spoolSegment / 128) {
            books.fail("too many readings wait", readings)
        }
    }

    /// What is reported on a calm day arrives, above all that the back end has seen.
    func probeLanes() throws(TestKitError) {
        for lane in Lane.allCases {
            let before = backEnd.heads[lane]?.sequence ?? 0
            endPeriods()
            report(lane, [])
            device.engine.commit(lane, now)
            device.engine.advance(now)
            try settleOnce()
            // What waits for a rate goes a minute later.
            if weather.hasQuotas { try settleOnce() }
            guard let head = device.engine.head(lane), head.sequence > before, backEnd.heads[lane] == head else {
                return books.fail("a reading does not arrive on a calm day, lane", UInt64(lane.rawValue))
            }
        }
        books.judgeReadings()
    }

    // MARK: Twins

    /// Puts the twin's fault into a device that starts; the world outlives it, and its disk.
    func plant() {
        switch twin {
        case .earlyReadings: disk.delaysSync = { Self.spools.contains($0.stream) }
        case .lateGap:
            // The sync of what says it: readings come, and there is no room for another segment.
            disk.delaysSync = { [unowned(unsafe) self] in
                isReporting && $0.stream == DeviceState.stream
                    && disk.size(Self.spools) + spoolSegment > Self.spoolLimit
            }
        case .lateSignature: device.link.rewrites = { [unowned(unsafe) self] in signAgain($0) }
        default: break
        }
    }

    private func signAgain(_ message: [UInt8]) -> [UInt8] {
        guard let envelope = try? Envelope(decoding: message.span), envelope.claims.purpose == .telemetry,
            let lane = envelope.claims.lane
        else { return message }
        var claims = envelope.claims
        claims.sequence = (lastNumbers[Int(lane.rawValue)] ?? claims.sequence).map { $0 + 1 }
        lastNumbers[Int(lane.rawValue)] = claims.sequence
        var signed: [UInt8] = []
        let payload = message.span.extracting(envelope.payload)
        _ = try? device.key.sealer(device.name).seal(
            claims, contentType: ContentFormat.senML, payload: payload, into: &signed)
        return signed
    }
}
