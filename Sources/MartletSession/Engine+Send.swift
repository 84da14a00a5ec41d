// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages
internal import MartletState
internal import MartletTelemetry

/// What the engine sends, and what becomes of it.
extension Engine {
    var hasSomethingToSend: Bool {
        needsBirth || needsPresence || outbox.hasNext || state.ledger.hasRecorded
            || (0..<lanes.count).contains { lanes[$0].spool.hasUnsent || !lanes[$0].gaps.isEmpty }
    }

    /// Hands the link as much as it takes: birth and presence, receipts and events, gap records, telemetry,
    /// alarms first.
    func send(_ now: TimeSample) {
        guard case .connected = phase, isSubscribed, now.boot >= holdUntil else { return }
        holdUntil = 0
        telemetryDue = nil
        if needsBirth {
            guard sendBirth(now) else { return }
            needsBirth = false
        }
        if needsPresence {
            let presence = Presence(isOnline: true, run: run, connection: connection)
            guard publish(.presence, presence.encoded().span, .presence, now) else { return }
            needsPresence = false
        }
        repeat {
            tellOutcomes(now)
            while sendFromOutbox(now) {}
            for index in 0..<lanes.count where !outbox.hasNext {
                if !lanes[index].gaps.isEmpty { sendGaps(index, now) }
                if lanes[index].spool.hasUnsent, !outbox.hasNext { sendTelemetry(index, now) }
            }
        } while refuseUnsendable(now)
    }

    private func sendGaps(_ index: Int, _ now: TimeSample) {
        while !outbox.hasNext, let gap = lanes[index].gaps.gaps.first {
            let lane = lanes[index].lane
            var claims = stamp(.gap, now)
            claims.lane = lane
            guard post(.gap, gap.encoded(), claims: claims, .gap(gap, lane)) else { break }
            _ = lanes[index].gaps.take()
            _ = sendFromOutbox(now)
        }
    }

    /// How many messages may be on their way before telemetry waits: birth, receipts, events and alarms find a place at
    /// once, however slowly the broker acknowledges readings. A broker that allows no more than these gets one at a time.
    private func sendTelemetry(_ index: Int, _ now: TimeSample) {
        let lane = lanes[index].lane
        let reserved = Self.reservedPlaces + (lane == .alarm ? 0 : Self.alarmPlaces)
        let window = max(1, link.window - reserved)
        while inFlight.count < window,
            lanes[index].spool.sendNext({ sequence, readings, envelope in
                guard self.mayTelemeter(lane, bytes: envelope.count, now),
                    self.publish(self.telemetryTopic, envelope, .telemetry(lane, sequence), now)
                else { return false }
                self.quota?.send(readings: readings)
                return true
            })
        {}
        if !lanes[index].spool.isReadable { telemetryDue = min(telemetryDue ?? .max, now.boot &+ Self.readRetry) }
        tellLosses(index, now)
    }

    /// Deals with what the link can never send. False if there was nothing, or that has to wait.
    private func refuseUnsendable(_ now: TimeSample) -> Bool {
        if unsendable.isEmpty { return false }
        for what in unsendable { refused(what, now) }
        unsendable.removeAll(keepingCapacity: true)
        return holdUntil == 0
    }

    /// False if there is nothing to send or the link takes nothing now.
    private func sendFromOutbox(_ now: TimeSample) -> Bool {
        guard let entry = outbox.next else { return false }
        let envelope = entry.envelope
        guard publish(entry.leaf, envelope.span, .outbox(entry.id), now) else { return false }
        entry.isSent = true
        return true
    }

    private func sendBirth(_ now: TimeSample) -> Bool {
        let birth = Birth(
            run: run, connection: connection, challenge: challenge.current, heads: heads,
            trustVersion: gate.trustVersion, software: software, journal: state.auditHead)
        var claims = stamp(.birth, now)
        claims.uptime = now.boot / 1000
        var envelope: [UInt8] = []
        do throws(EnvelopeError) {
            guard let payload = birth.encoded() else { return false }
            _ = try sealer.seal(
                claims, contentType: ContentFormat.cbor, payload: payload.span, x5chain: identity.chain,
                into: &envelope)
        } catch {
            log(.error) { $0.text("the birth could not be signed") }
            return false
        }
        return publish(.signed(.birth), envelope.span, .birth, now)
    }

    private func publish(_ leaf: Leaf, _ payload: Span<UInt8>, _ what: Sent, _ now: TimeSample) -> Bool {
        publish(topics.topic(leaf), payload, what, now)
    }

    /// Whether the link took it. What the broker can never take is dealt with as if it had said so.
    private func publish(_ topic: [UInt8], _ payload: Span<UInt8>, _ what: Sent, _ now: TimeSample) -> Bool {
        let retained: Bool
        switch what {
        case .birth, .presence: retained = true
        case .outbox, .telemetry: retained = false
        }
        switch link.publish(topic, payload, retained: retained) {
        case .taken(let id):
            inFlight.append((id, what, now.boot))
            count(bytes: payload.count, now)
            return true
        case .windowFull:
            return false
        case .tooLarge:
            unsendable.append(what)
            return true
        }
    }

    /// PUBACK.
    public func acknowledged(id: Int32, reasonCode: UInt8, _ now: TimeSample) {
        guard let index = inFlight.firstIndex(where: { $0.id == id }) else { return }
        let what = inFlight.remove(at: index).what
        switch reasonCode {
        case 0x00:
            holdSpan = 0
            switch what {
            case .birth, .presence: break
            case .outbox(let id): if let entry = outbox.remove(id) { settle(entry.content) }
            case .telemetry(let lane, let sequence): lanes[Int(lane.rawValue)].spool.release(sequence)
            }
        case 0x95, 0x99:
            // Packet too large, payload format invalid: it will never be taken.
            refused(what, now)
        case 0x10 where isCheckpoint(what):
            // A back end that does not keep audit logs is no reason to hold back everything else.
            if case .outbox(let id) = what { _ = outbox.remove(id) }
            isCheckpointing = false
            checkpointPausedUntil = now.boot &+ Self.checkpointPause
            checkpointDue = checkpointPausedUntil
        case 0x10 where isRetained(what):
            // Nobody listens, but the broker keeps it for those who will.
            break
        default:
            restore(what)
            hold(reasonCode, now)
        }
        send(now)
    }

    private func isCheckpoint(_ what: Sent) -> Bool {
        guard case .outbox(let id) = what, let entry = outbox.entry(id), case .checkpoint = entry.content else {
            return false
        }
        return true
    }

    private func isRetained(_ what: Sent) -> Bool {
        switch what {
        case .birth, .presence: true
        case .outbox, .telemetry: false
        }
    }

    private func restore(_ what: Sent) {
        switch what {
        case .birth: needsBirth = true
        case .presence: needsPresence = true
        case .outbox(let id): outbox.mark(id, sent: false)
        case .telemetry(let lane, let sequence): lanes[Int(lane.rawValue)].spool.restore(sequence)
        }
    }

    func refused(_ what: Sent, _ now: TimeSample) {
        log(.error) { $0.text("the broker will never take a message of this size or format") }
        switch what {
        case .birth, .presence: break
        case .outbox(let id): if let entry = outbox.remove(id) { settleRefused(entry.content, now) }
        case .telemetry(let lane, let sequence): refuse(sequence, lane, now)
        }
    }

    /// The broker threw the message away or refused it for now: everything is kept, and tried again later.
    private func hold(_ reasonCode: UInt8, _ now: TimeSample) {
        if now.boot < holdUntil { return }
        holdSpan = min(max(1000, holdSpan * 2), 60_000)
        holdUntil = now.boot &+ holdSpan
        log(.warning) {
            switch reasonCode {
            case 0x10: $0.text("the broker has nobody to give messages to")
            case 0x87: $0.text("the broker does not authorise this device to publish")
            case 0x97: $0.text("the broker's quota is exceeded")
            default:
                $0.text("the broker refuses messages, code ")
                $0.number(UInt64(reasonCode))
            }
            $0.text(": they are kept; next try in ")
            $0.number(holdSpan / 1000)
            $0.text(" s")
        }
    }
}
