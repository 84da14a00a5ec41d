// SPDX-License-Identifier: Apache-2.0

internal import MartletAudit
internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages
internal import MartletState
internal import MartletTelemetry

/// What the engine writes down, and what it tells of that.
extension Engine {
    /// Writes down that this run begins, and what that means for the commands of the runs before.
    func begin(_ now: TimeSample) -> Bool {
        if state.damage > 0 {
            state.note(.damaged, [.number(UInt64(clamping: state.damage))], auditTime(now))
        }
        state.note(.started, [.number(run)], auditTime(now))
        settleTrust(now)
        for entry in state.ledger.entries where entry.stage == .open {
            guard let command = gate.unfinished(entry) else {
                if let entry = gate.finish(entry.key, .interrupted) { noteEnd(entry, now) }
                continue
            }
            if isOwn(command) {
                state.put(isSuspended: command.index == suspend)
                noteLifecycle(command, now)
                if let entry = gate.finish(entry.key, .done) { noteEnd(entry, now) }
            } else {
                unfinished.append(entry)
            }
        }
        guard reserve(Int(Lane.normal.rawValue)) else { return false }
        if state.damage > 0 {
            log(.error) { $0.text("the journal is damaged: going on with fresh numbers") }
            tell(Event(kind: .stateLost, values: [Event.Value(code: 0, number: run)]), now)
        }
        return true
    }

    /// Writes down what the configuration says of trust: a newer document, or another root.
    private func settleTrust(_ now: TimeSample) {
        let pinned = gate.root.digest
        let root = [UInt8](copying: pinned.bytes.span)
        let stored = state.trust
        if root != state.root, !state.root.isEmpty, !stored.isEmpty, gate.policy?.message != stored {
            log(.warning) { $0.text("another root is configured: the stored trust document was dropped") }
        }
        if let policy = gate.policy {
            if policy.message != stored { put(policy, now) }
        } else if !stored.isEmpty {
            state.put(trust: [])
            state.note(.trusted, [.number(0), .bytes([UInt8](repeating: 0, count: 32))], auditTime(now))
        }
        if root != state.root { state.put(root: root) }
    }

    /// The device was rolled back, to before what the back end has seen of a lane or of the audit log, or its journal is
    /// damaged. It goes on above that, and with a run above all that there can have been: each raise leaves 2^20 of them
    /// for every second. Nothing runs again: it may have been done since.
    ///
    /// The order is that of the records: if only the first ones become durable, the next start runs nothing again
    /// either, and what it does not find again has raised the run already.
    func goOnAbove(lanes seen: LaneHeads, audit journal: ChainHead?, _ now: TimeSample) {
        isDamaged = false
        for entry in unfinished {
            _ = gate.finish(entry.key, .interrupted)
            state.put(entry)
        }
        let seconds = UInt64(clamping: clock.lowerBound(now) / 1000)
        raisedRun = min(max(raisedRun &+ DeviceState.damageMargin, seconds << 20), RunState.limit - 1)
        for index in lanes.indices {
            guard let head = seen[lanes[index].lane] else { continue }
            lanes[index].skip(to: head)
            // First, or a power cut would leave a spool that goes on below.
            commit(index, now)
        }
        state.put(runState)
        if let journal {
            log(.error) { $0.text("this device was rolled back: the back end has seen more of its audit log") }
            let own = state.auditEnd?.sequence ?? 0
            state.skipAudit(to: journal)
            state.note(.rolledBack, [.number(0), .number(own)], auditTime(now))
        }
        for lane in Lane.allCases {
            guard let head = seen[lane] else { continue }
            let next = head.sequence &+ 1
            log(.error) { $0.text("this device was rolled back: going on above what the back end has seen") }
            let code = UInt64(lane.rawValue)
            state.note(.rolledBack, [.number(code &+ 1), .number(next)], auditTime(now))
            tell(Event(kind: .rolledBack, values: [Event.Value(code: code, number: next)]), now)
        }
        for entry in unfinished { if let receipt = entry.receipt { note(.ended, receipt, now) } }
        unfinished = []
    }

    /// Nothing waits for the disk: what had to wait for that may happen. What earlier runs left open is run again, if it
    /// may be, or told as interrupted, once the back end resumed this run.
    func goOn(_ now: TimeSample) {
        if run != raisedRun {
            run = raisedRun
            state.note(.started, [.number(run)], auditTime(now))
            needsBirth = true
            needsPresence = true
        }
        while isResumed, !isStopping, let entry = unfinished.first {
            if let command = gate.runAgain(entry, isSuspended: state.isSuspended) {
                state.put(entry)
                // A try that the disk does not take counts too.
                guard flush(now) else { return }
                waiting += 1
                owner.execute(command)
            } else if let entry = gate.finish(entry.key, .interrupted) {
                noteEnd(entry, now)
            }
            unfinished.remove(at: 0)
        }
        flush(now)
    }

    /// What was accepted under another document, or in another state of the device, may begin only if it still may.
    func reconsider() {
        owner.reconsider { gate.allows($0, isSuspended: state.isSuspended) }
    }

    /// Makes everything durable that waits, and what was put since `mark` all or not at all. False, and it is tried
    /// again, if that is not possible.
    @discardableResult
    func flush(_ now: TimeSample, group mark: DeviceState.Mark? = nil) -> Bool {
        let isDurable = state.flush(group: mark)
        if !isDurable, flushDue == nil {
            log(.error) { $0.text("the journal cannot be written: is the disk full or read-only?") }
        }
        flushDue = isDurable ? nil : now.boot &+ Self.flushRetry
        return isDurable
    }

    func flushWhenDue(_ now: TimeSample) {
        guard state.hasPending else {
            flushDue = nil
            return
        }
        if let flushDue {
            if now.boot >= flushDue { flush(now) }
        } else if state.mustFlush {
            flush(now)
        } else {
            flushDue = now.boot &+ Self.flushInterval
        }
    }

    func auditTime(_ now: TimeSample) -> AuditTime {
        AuditTime(
            run: run, boot: now.boot,
            seconds: clock.wallClock(now).map { UInt64(clamping: (Int64(clamping: now.boot) &+ $0) / 1000) },
            clock: clock.state(now))
    }

    func put(_ policy: TrustPolicy, _ now: TimeSample) {
        state.put(trust: policy.message)
        let digest = policy.digest
        state.note(.trusted, [.number(policy.version), .bytes([UInt8](copying: digest.bytes.span))], auditTime(now))
    }

    /// Whether the engine itself carries it out.
    func isOwn(_ command: AcceptedCommand) -> Bool { command.index == suspend || command.index == activate }

    // MARK: The audit log

    func noteLifecycle(_ command: AcceptedCommand, _ now: TimeSample) {
        state.note(.lifecycle, [.number(command.index == suspend ? 0 : 1)], auditTime(now))
    }

    func noteEnd(_ entry: Ledger.Entry, _ now: TimeSample) {
        guard let receipt = entry.receipt else { return }
        state.put(entry)
        note(.ended, receipt, now)
    }

    /// How a verified command was decided.
    func note(_ kind: AuditKind, _ receipt: Receipt, _ now: TimeSample) {
        state.note(
            kind,
            [
                .number(receipt.controller.value), .bytes([UInt8](copying: receipt.command.bytes.span)),
                .bytes([UInt8](copying: receipt.digest.bytes.span)),
                .number(UInt64(receipt.outcome.rawValue)),
            ], auditTime(now))
    }

    func reportRefusals(_ now: TimeSample) {
        var values: [Event.Value] = []
        for refusal in Refusal.allCases {
            let count = gate.refusals[refusal] &- reportedRefusals[refusal]
            if count > 0 { values.append(Event.Value(code: UInt64(refusal.rawValue), number: count)) }
        }
        reportedRefusals = gate.refusals
        nextRefusalReport = now.boot &+ Self.refusalInterval
        noteRefusals(values, now)
        tell(Event(kind: .refusals, values: values), now)
    }

    /// Codes and counts; the audit log takes the first ones, and the sum of the others.
    func noteRefusals(_ counts: [Event.Value], _ now: TimeSample) {
        var values: [AuditValue] = []
        var others: UInt64 = 0
        for (index, value) in counts.enumerated() {
            if index < 4 {
                values += [.number(value.code), .number(value.number)]
            } else {
                others &+= value.number
            }
        }
        if others > 0 { values.append(.number(others)) }
        state.note(.refusals, values, auditTime(now))
    }

    /// Tells the back end of the audit entries that it does not have, and at least daily where the log ends.
    func sendCheckpoint(_ now: TimeSample) {
        guard mayCheckpoint else { return }
        if now.boot >= checkpointPausedUntil {
            if state.untoldCount >= Self.checkpointSize {
                checkpointDue = now.boot
            } else if state.untoldCount > 0 {
                checkpointDue = min(checkpointDue, now.boot &+ Self.checkpointDelay)
            }
        }
        // What is told must not be forgotten by a power cut, or its numbers would be used twice.
        guard now.boot >= checkpointDue else { return }
        guard flush(now), let head = state.auditHead,
            let entries = state.untold(count: checkpointLimit, size: Checkpoint.room)
        else {
            checkpointDue = now.boot &+ Self.flushRetry
            return
        }
        if let (first, last) = state.givenUp(before: entries) {
            log(.error) { $0.text("the history of the audit log is full: entries were given up before they were told") }
            giveUpEntries(first, last, now)
        }
        let end = entries.last.flatMap { state.head(of: $0) } ?? head
        let checkpoint = Checkpoint(
            run: run, head: end, heads: heads, trustVersion: gate.trustVersion, entries: entries)
        guard let payload = checkpoint.encoded(),
            post(
                .checkpoint, payload, claims: stamp(.checkpoint, now), .checkpoint(end.sequence, entries: entries.count)
            )
        else {
            checkpointDue = now.boot &+ Self.flushRetry
            return
        }
        isCheckpointing = true
        // What this one had no room for is told next.
        checkpointDue = end.sequence < head.sequence ? now.boot : now.boot &+ Self.checkpointInterval
    }

    /// Names entries that the back end will never have, with those just before that were given up, too: for it they are one
    /// hole. If that cannot be noted now, nothing is given up.
    private func giveUpEntries(_ first: UInt64, _ last: UInt64, _ now: TimeSample) {
        let first = givenUpFrom ?? first
        guard state.note(.givenUp, [.number(first), .number(last)], auditTime(now)) else { return }
        givenUpFrom = first
        state.put(told: last)
    }

    /// Whether a checkpoint may be made, now or later, without anything else happening before.
    var mayCheckpoint: Bool {
        guard case .connected = phase else { return false }
        return isResumed && !isCheckpointing && outbox.hasRoom
    }

    /// Queues the receipts of commands whose outcome is durable.
    func tellOutcomes(_ now: TimeSample) {
        while outbox.hasRoom, let entry = state.ledger.takeRecorded() {
            guard let payload = entry.receipt?.encoded(),
                post(.receipt, payload, claims: stamp(.receipt, now), .receipt(entry.key))
            else {
                state.ledger.untell(entry.key)
                return
            }
        }
    }

    /// A message from the outbox was told.
    func settle(_ content: Outbox.Content) {
        switch content {
        case .passing, .gap: break
        case .receipt(let key): if let entry = state.ledger.acknowledge(key) { state.put(entry) }
        case .checkpoint(let index, _):
            state.put(told: index)
            isCheckpointing = false
            givenUpFrom = nil
        }
    }

    /// A message from the outbox can never be told as it is: what it says is told by smaller ones, as far as they go.
    func settleRefused(_ content: Outbox.Content, _ now: TimeSample) {
        switch content {
        case .passing, .gap: break
        case .receipt(let key): if !state.ledger.dropResults(key) { settle(content) }
        case .checkpoint(_, let entries) where entries > 1:
            checkpointLimit = entries / 2
            isCheckpointing = false
            checkpointDue = now.boot
        case .checkpoint(let index, let entries):
            if entries > 0 {
                log(.error) { $0.text("an entry of the audit log is given up") }
                giveUpEntries(index, index, now)
            }
            isCheckpointing = false
            // The entry that names it may be refused, too.
            checkpointPausedUntil = now.boot &+ Self.checkpointPause
            checkpointDue = checkpointPausedUntil
        }
    }
}
