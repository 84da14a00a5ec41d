// SPDX-License-Identifier: Apache-2.0

internal import MartletAudit
internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages
internal import MartletState
internal import MartletTelemetry

/// What the link tells the engine.
extension Engine {
    func open(_ now: TimeSample) {
        connection += 1
        owner.changed(.connecting)
        let will = Presence(isOnline: false, run: run, connection: connection)
        link.open(
            ConnectionPlan(
                verificationTime: clock.verificationTime(now), acceptsNotYetValid: clock.state(now) != .trusted,
                willTopic: topics.topic(.presence), will: will.encoded(), now: now.boot))
        phase = .opening(deadline: now.boot &+ Self.connectDeadline)
    }

    /// CONNACK accepted us. `isProvisional`: the server's certificate is "not yet valid" for our clock.
    public func connected(isProvisional: Bool, _ now: TimeSample) {
        phase = .connected(since: now.boot)
        self.isProvisional = isProvisional
        isSubscribed = false
        needsBirth = true
        needsPresence = true
        checkpointLimit = Self.checkpointSize
        trustDue = nil
        holdUntil = 0
        holdSpan = 0
        telemetryDue = nil
        state.note(.connection, [.number(1), .number(connection)], auditTime(now))
        owner.changed(.connected)
        log(.info) {
            $0.text(isProvisional ? "connected; the server's certificate waits for trusted time" : "connected")
        }
        // In one packet: a broker may hold back the answer to a second one until the first is acknowledged by TCP.
        _ = link.subscribe([
            topics.topic(.signed(.resume)), topics.topic(.signed(.command)), topics.topic(.signed(.trust)),
        ])
    }

    /// SUBACK.
    public func subscribed(reasonCode: UInt8, _ now: TimeSample) {
        if reasonCode >= 0x80 {
            log(.error) {
                $0.text("the broker refuses the subscription to commands: code ")
                $0.number(UInt64(reasonCode))
            }
            link.abort()
            closed(LinkFailure("subscription refused"), now)
            return
        }
        isSubscribed = true
        send(now)
    }

    /// The connection or the attempt ended.
    public func closed(_ failure: LinkFailure, _ now: TimeSample) {
        if case .waiting = phase { return }
        if case .connected(let since) = phase {
            backoff.connectionHeld(for: now.boot &- since)
            state.note(.connection, [.number(0), .number(connection)], auditTime(now))
        }
        let delay = backoff.next(random: entropy.next() ?? 0) &+ failure.pause
        phase = .waiting(until: now.boot &+ delay)
        restoreInFlight()
        log(.warning) {
            $0.text("not connected: ")
            $0.untrusted(link.server)
            $0.text(": ")
            $0.untrusted(failure.text)
            $0.text("; next try in ")
            $0.number((delay + 999) / 1000)
            $0.text(" s")
        }
        owner.changed(.disconnected)
    }

    /// The link can be opened now, whatever the pause was to be.
    public func retry(_ now: TimeSample) {
        guard case .waiting(_?) = phase else { return }
        phase = .waiting(until: now.boot)
        isRetry = true
    }

    func restoreInFlight() {
        for sent in inFlight {
            switch sent.what {
            case .birth, .presence: break
            case .outbox(let id): outbox.mark(id, sent: false)
            case .telemetry(let lane, let sequence): lanes[Int(lane.rawValue)].spool.restore(sequence)
            }
        }
        inFlight.removeAll(keepingCapacity: true)
    }

    // MARK: Receiving

    /// A message arrived. Returns whether it may be acknowledged.
    public func received(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool, _ now: TimeSample) -> Bool {
        // In the farewell nothing is answered any more: the next run gets it.
        guard case .connected = phase else { return false }
        // Time may have passed unnoticed, in suspend.
        if challenge.advance(entropy, now: now.boot) { needsBirth = true }
        switch topics.leaf(of: topic) {
        case .signed(.command): return receivedCommand(payload, isRetained: isRetained, now)
        case .signed(.resume): receivedResume(payload, isRetained: isRetained, now)
        case .signed(.trust): return receivedTrust(payload, now)
        default: log(.debug) { $0.text("a message on a topic that was not asked for") }
        }
        return true
    }

    private func moment(_ now: TimeSample) -> GateMoment {
        GateMoment(
            now: now.boot, trustedTime: clock.trustedSeconds(now), challenge: challenge.current,
            previousChallenge: challenge.previous, isResumed: isResumed && !isStopping,
            isSuspended: state.isSuspended, waiting: waiting)
    }

    private func receivedCommand(_ message: Span<UInt8>, isRetained: Bool, _ now: TimeSample) -> Bool {
        let verdict =
            isProvisional
            ? gate.drop(.provisionalLink) : gate.judge(message, isRetained: isRetained, moment(now))
        switch verdict {
        case .dropped(let refusal):
            if refusalLines.take(now: now.boot) {
                log(.warning) {
                    $0.text("command refused: ")
                    $0.text(refusal.text)
                }
            }
        case .refused(let receipt):
            log(.info) {
                $0.text("command refused: ")
                $0.text(receipt.outcome.text)
            }
            // Whoever recorded one can send it for ever.
            if receipt.outcome != .stale || now.boot >= nextStaleEntry {
                note(.refused, receipt, now)
                if receipt.outcome == .stale { nextStaleEntry = now.boot &+ Self.refusalInterval }
            }
            answer(receipt, now)
        case .repeated(let receipt):
            log(.info) { $0.text("a command came again: its receipt goes out again") }
            answer(receipt, now)
        case .running:
            log(.debug) { $0.text("a command came again while it runs") }
        case .accepted(let command, let entry): return accepted(command, entry, now)
        }
        return true
    }

    /// Nothing happens before the acceptance is durable. If that fails, the message is not acknowledged, so that the
    /// broker sends it again; if it fails then too, the command is refused. Returns whether it may be acknowledged.
    private func accepted(_ command: AcceptedCommand, _ entry: Ledger.Entry, _ now: TimeSample) -> Bool {
        let mark = state.mark
        let isOwn = isOwn(command)
        state.put(entry)
        if isOwn { state.put(isSuspended: command.index == suspend) }
        let isNoted = state.note(
            .accepted,
            [
                .number(command.key.controller.value), .bytes([UInt8](copying: command.key.id.bytes.span)),
                .bytes([UInt8](copying: entry.digest.bytes.span)), .text(gate.name(of: command.index)),
            ], auditTime(now))
        if !isNoted || !flush(now, group: mark) {
            state.rollBack(to: mark)
            let isSecond = unrecorded == command.key
            unrecorded = isSecond ? nil : command.key
            gate.withdraw(command.key, mayComeAgain: !isSecond)
            if isSecond {
                let receipt = Receipt(
                    command: command.key.id, controller: command.key.controller, outcome: .notRecorded,
                    digest: entry.digest)
                // With the next commit that succeeds, nothing is left of the acceptance on the disk.
                note(.refused, receipt, now)
                answer(receipt, now)
            }
            return isSecond
        }
        unrecorded = nil
        waiting += 1
        if isOwn {
            reconsider()
            noteLifecycle(command, now)
            finished(command.key, .done, results: [], now)
        } else {
            owner.execute(command)
        }
        return true
    }

    private func receivedResume(_ message: Span<UInt8>, isRetained: Bool, _ now: TimeSample) {
        guard let resume = gate.judgeResume(message, isRetained: isRetained, moment(now)) else {
            if refusalLines.take(now: now.boot) { log(.warning) { $0.text("a resume was refused") } }
            return
        }
        leastTrustVersion = max(leastTrustVersion, resume.leastTrustVersion)
        let isCurrent = leastTrustVersion <= gate.trustVersion
        if !isCurrent {
            log(.error) { $0.text("the back end knows a newer trust document: no commands until it is here") }
        } else if !isResumed {
            log(.info) { $0.text("the back end resumed this run") }
        }
        isResumed = isCurrent
        let isPossible = isPossible(resume.time, now)
        let isNews = isPossible && clock.authenticate(resume.time, now)
        var seen = LaneHeads()
        for lane in lanes { seen[lane.lane] = ahead(resume.heads[lane.lane], of: lane.next) }
        let journal = ahead(resume.journal, of: (state.auditEnd?.sequence ?? 0) &+ 1)
        if seen != LaneHeads() || journal != nil || isDamaged { goOnAbove(lanes: seen, audit: journal, now) }
        // Of a head that it saw in a birth, the back end need not have the entries.
        if case nil = journal, !isCheckpointing, let journal = resume.journal {
            state.put(told: min(journal.sequence, state.told))
        }
        if !isPossible {
            log(.error) { $0.text("the back end's time is ignored: the server's certificate is not valid then") }
        } else if isNews {
            log(.info) { $0.text("time is trusted") }
            state.note(.clock, [.number(resume.time)], auditTime(now))
            tell(Event(kind: .clockTrusted), now)
            if isProvisional { judgeServerAgain(now) }
        }
        if flush(now) { goOn(now) }
    }

    /// What the back end has seen, if that is not before the device's `next` number: then the device was rolled back.
    /// Numbers that no device reaches are no reason to go on above them.
    private func ahead(_ seen: ChainHead?, of next: UInt64) -> ChainHead? {
        guard let seen, seen.sequence >= next, seen.sequence < RunState.limit / 2 else { return nil }
        return seen
    }

    /// Any document that was dropped for want of budget, and of which nobody knows whether it was a good one, is to
    /// come again: one that the broker keeps by another subscription, others by the back end's answer to the birth.
    func askForTrust() {
        trustDue = nil
        needsBirth = true
        _ = link.subscribe([topics.topic(.signed(.trust))])
    }

    /// A trust document comes into force when it is durable; the birth then says so.
    private func receivedTrust(_ message: Span<UInt8>, _ now: TimeSample) -> Bool {
        switch gate.judgeTrust(message, moment(now)) {
        case .dropped(let refusal):
            if refusal == .overBudget { trustDue = trustDue ?? now.boot &+ Self.trustPause }
            if refusalLines.take(now: now.boot) {
                log(.warning) {
                    $0.text("trust document refused: ")
                    $0.text(refusal.text)
                }
            }
        case .known: break
        case .successor(let policy, let floor):
            let (mark, before) = (state.mark, clock)
            put(policy, now)
            if let floor {
                clock.lower(to: floor, now)
                state.put(floor: clock.lowerBound(now))
            }
            if !flush(now, group: mark) {
                state.rollBack(to: mark)
                clock = before
                // The second time it is left, so that the connection is not lost again and again.
                let isSecond = unrecordedTrust == policy.digest
                unrecordedTrust = isSecond ? nil : policy.digest
                return isSecond
            }
            gate.adopt(policy)
            reconsider()
            // Whoever resumed this run may be no gateway any longer.
            isResumed = false
            needsBirth = true
            log(.info) {
                $0.text("trust document in force: version ")
                $0.number(policy.version)
            }
        }
        return true
    }

    /// Time is believed for good. So what is far ahead must be a time at which the server's certificate, which was just
    /// verified, is still valid; `judgeServerAgain` looks at that while the link is provisional. And no device is off
    /// for decades.
    private func isPossible(_ seconds: UInt64, _ now: TimeSample) -> Bool {
        let stated = Int64(clamping: seconds)
        let ahead = stated &- clock.lowerBound(now) / 1000
        if ahead > Self.maximumAbsence { return false }
        return isProvisional || ahead <= 86_400 || link.isServerValid(at: stated)
    }

    /// Time is trusted now: the server's certificate, which was accepted as "not yet valid", must be valid.
    private func judgeServerAgain(_ now: TimeSample) {
        if link.isServerValid(at: clock.verificationTime(now)) {
            isProvisional = false
            return
        }
        link.abort()
        closed(LinkFailure("the server's certificate is not valid at the trusted time"), now)
    }
}
