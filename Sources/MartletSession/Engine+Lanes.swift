// SPDX-License-Identifier: Apache-2.0

internal import MartletAudit
internal import MartletCommands
public import MartletEnvelope
internal import MartletJournal
internal import MartletMessages
internal import MartletState
public import MartletTelemetry

/// Telemetry from a closed batch until it is on the disk.
extension Engine {
    /// Milliseconds until the next try, after the spool could not be written.
    static let commitRetry: UInt64 = 1000
    /// Milliseconds between two looks for readings that are too old.
    static let ageInterval: UInt64 = 60_000

    /// Closes the batch into a signed envelope. False if that is not possible now: the batch is unchanged.
    ///
    /// It becomes durable within the batch's age, and at once if it is an alarm or `SpoolLimits.commitSize` bytes wait;
    /// not before that is it sent.
    public func close(_ batch: inout ReadingBatch, _ lane: Lane, _ now: TimeSample) -> Bool {
        let index = Int(lane.rawValue)
        if lanes[index].next >= lanes[index].reservedUntil, !reserve(index) { return false }
        var claims = stamp(.telemetry, now)
        do throws(EnvelopeError) {
            return try lanes[index].close(
                &batch, claims: &claims, now: now.boot, wallClock: clock.wallClock(now), sealer: sealer)
        } catch {
            log(.error) { $0.text("readings could not be signed") }
            return false
        }
    }

    /// Envelopes that the back end does not have yet, and other messages.
    public var backlog: Int {
        var count = outbox.entries.count + (state.ledger.hasRecorded ? 1 : 0)
        for index in 0..<lanes.count { count += lanes[index].spool.count + lanes[index].gaps.gaps.count }
        return count
    }

    /// Readings of a lane that were closed in this run.
    public func closedReadings(_ lane: Lane) -> UInt64 { lanes[Int(lane.rawValue)].closed }

    /// Those of them that survive a power cut.
    public func durableReadings(_ lane: Lane) -> UInt64 { lanes[Int(lane.rawValue)].durable }

    /// Makes durable what was closed, without waiting for more.
    public func commit(_ lane: Lane, _ now: TimeSample) {
        if lanes[Int(lane.rawValue)].commitDue != nil { commit(Int(lane.rawValue), now) }
    }

    func commitWhenDue(_ now: TimeSample) {
        if let due = ageDue, due <= now.boot {
            giveUpOld(now)
            ageDue = now.boot &+ Self.ageInterval
        }
        for index in 0..<lanes.count { if let due = lanes[index].commitDue, due <= now.boot { commit(index, now) } }
    }

    func commit(_ index: Int, _ now: TimeSample) {
        tellLosses(index, now)
        while true {
            // Less urgent readings give way to newer or more urgent ones, if there is no room.
            while isOverLimit(index), giveUpOldest(for: index, now) {}
            if !lacksSpace(index) {
                do throws(JournalError) {
                    try lanes[index].commit(at: clock.trustedSeconds(now) ?? 0)
                    commits &+= 1
                    isSpoolStuck = false
                    return
                } catch {
                    if error == .storage(.full), giveUpOldest(for: index, now) { continue }
                }
            }
            lanes[index].commitDue = now.boot &+ Self.commitRetry
            if !isSpoolStuck {
                log(.error) {
                    $0.text("telemetry cannot be written: is the disk full or read-only? It waits in memory")
                }
            }
            isSpoolStuck = true
            return
        }
    }

    /// Whether the next commit of the lane at `index` would take more than the spool may have.
    private func isOverLimit(_ index: Int) -> Bool {
        if lanes.reduce(0, { $0 + $1.spool.readings }) > spoolLimits.readings { return true }
        guard lanes[index].spool.needsSegment else { return false }
        let size = lanes.reduce(UInt64(clamping: lanes[index].spool.segmentSize)) { $0 + $1.spool.size }
        return size > UInt64(clamping: spoolLimits.bytes) || lacksSpace(index)
    }

    /// Whether the next commit of the lane at `index` would take of the disk what is kept for others: alarms, the journal
    /// and all other programs.
    private func lacksSpace(_ index: Int) -> Bool {
        // If the back end has everything, the file that is there goes for it.
        lanes[index].lane != .alarm && lanes[index].spool.needsSegment && lanes[index].spool.readings > 0
            && lanes[index].spool.isShortOfSpace
    }

    /// Gives up the oldest segment of the least urgent lane that is not more urgent than the one at `index`. False if
    /// there is none, or what is given up cannot be written down.
    private func giveUpOldest(for index: Int, _ now: TimeSample) -> Bool {
        for place in lanes.indices.reversed() where place >= index {
            let reason = quota?.isHeld(lanes[place].lane) == true ? GapReason.quota : .retention
            guard let gap = lanes[place].spool.oldest(reason) else { continue }
            log(.warning) {
                $0.text("the spool is full: ")
                $0.number(gap.readings)
                $0.text(" of the oldest readings are given up")
            }
            return giveUp(gap, at: place)
        }
        return false
    }

    /// Gives up what is older than readings may become. Only time that is trusted, then and now, makes them old.
    private func giveUpOld(_ now: TimeSample) {
        guard let time = clock.trustedSeconds(now) else { return }
        for place in lanes.indices {
            while let then = lanes[place].spool.oldestTime, time > then, time - then > spoolLimits.age,
                let gap = lanes[place].spool.oldest(.age)
            {
                log(.warning) {
                    $0.number(gap.readings)
                    $0.text(" readings became too old, and are given up")
                }
                if !giveUp(gap, at: place) { break }
            }
        }
    }

    /// Writes down what is given up, and then removes the oldest segment of the lane at `place`. False if either cannot be
    /// done now.
    private func giveUp(_ gap: Gap, at place: Int) -> Bool {
        let before = lanes[place].gaps
        lanes[place].gaps.add(gap)
        guard putRunState() else {
            lanes[place].gaps = before
            return false
        }
        return lanes[place].spool.dropOldest()
    }

    /// What the disk lost becomes a gap. Until that is written down the spool does not pass it.
    func tellLosses(_ index: Int, _ now: TimeSample) {
        let losses = lanes[index].spool.losses
        if losses.isEmpty { return }
        let before = lanes[index].gaps
        for loss in losses { lanes[index].gaps.add(loss) }
        guard putRunState() else {
            lanes[index].gaps = before
            lanes[index].commitDue = now.boot &+ Self.commitRetry
            return
        }
        lanes[index].spool.takeLosses()
        log(.error) { $0.text("a part of the spool cannot be read any more: its readings are lost") }
        state.note(.damaged, [.number(UInt64(losses.count))], auditTime(now))
    }

    /// The back end will never take it. The gap is written down before the spool passes the envelope.
    func refuse(_ sequence: UInt64, _ lane: Lane, _ now: TimeSample) {
        let index = Int(lane.rawValue)
        guard let gap = lanes[index].spool.gap(of: sequence, .refused) else { return }
        let before = lanes[index].gaps
        lanes[index].gaps.add(gap)
        guard putRunState() else {
            lanes[index].gaps = before
            lanes[index].spool.restore(sequence)
            holdUntil = now.boot &+ Self.flushRetry
            return
        }
        lanes[index].spool.release(sequence)
    }

    /// Makes more sequence numbers durable before they are used.
    func reserve(_ index: Int) -> Bool {
        let before = lanes[index].reservedUntil
        lanes[index].reservedUntil = lanes[index].next + RunState.reservation
        if putRunState() { return true }
        lanes[index].reservedUntil = before
        log(.error) { $0.text("the journal cannot be written: telemetry waits") }
        return false
    }

    /// Writes down which numbers are used, and what was given up. False, and nothing is, if that is not possible now.
    private func putRunState() -> Bool {
        let mark = state.mark
        state.put(runState)
        if state.flush() { return true }
        state.rollBack(to: mark)
        return false
    }

    var runState: RunState {
        RunState(
            run: raisedRun,
            lanes: lanes.map { RunState.Lane(least: $0.durableNext, next: $0.reservedUntil, gaps: untoldGaps($0)) })
    }

    /// What was given up and is not known to have been told.
    private func untoldGaps(_ lane: TelemetryLane) -> [Gap] {
        var list = GapList()
        for entry in outbox.entries { if case .gap(let gap, lane.lane) = entry.content { list.add(gap) } }
        for gap in lane.gaps.gaps { list.add(gap) }
        return list.gaps
    }

    /// The last envelope of a lane that was signed. It may not be durable yet.
    public func head(_ lane: Lane) -> ChainHead? { lanes[Int(lane.rawValue)].head }

    /// What the back end is told of the lanes: nothing that a power cut can take back, or it would look as if the
    /// device was rolled back.
    var heads: LaneHeads {
        var heads = LaneHeads()
        for lane in lanes { heads[lane.lane] = lane.durableHead }
        return heads
    }
}
