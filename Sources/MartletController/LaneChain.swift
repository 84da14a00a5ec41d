// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
internal import MartletEnvelope
internal import MartletMessages

/// What is remembered of one lane of one device, and what follows from it for the next envelope.
///
/// Bounded: the newest `maximumEntries` envelopes and `maximumGaps` gap records, some 40 KiB when full.
struct LaneChain {
    static let maximumEntries = 256
    static let maximumWaiting = 64
    static let maximumGaps = 64
    /// Milliseconds that a predecessor may be late.
    static let patience: UInt64 = 60_000

    private struct Entry {
        let head: ChainHead
        let previous: ChainHead?
        /// `waiting` and `hole` can still become better.
        var verdict: LaneVerdict
        let arrival: UInt64

        var isOpen: Bool { verdict == .waiting || verdict == .hole }
    }

    private let lane: Lane
    /// By sequence number, lowest first.
    private var entries: [Entry] = []
    private var gaps: [Gap] = []
    /// The highest sequence number that was forgotten.
    private var forgotten: UInt64?

    init(lane: Lane) { self.lane = lane }

    /// The lane as it was left: the envelope with the highest sequence number.
    init(lane: Lane, resuming head: ChainHead) {
        self.lane = lane
        entries = [Entry(head: head, previous: nil, verdict: .linked, arrival: 0)]
        forgotten = head.sequence
    }

    /// The envelope with the highest sequence number; of a fork, the one that came last.
    var head: ChainHead? { entries.last?.head }

    /// Takes an envelope that arrived at `now` (milliseconds) and gives its verdict; `changes` gets those of others.
    /// `previous` must have a lower sequence number than `head`.
    mutating func take(
        _ head: ChainHead, previous: ChainHead?, now: UInt64, changes: inout [LaneChange]
    ) -> LaneVerdict {
        if entries.contains(where: { $0.head == head }) { return .duplicate }
        if let forgotten, head.sequence <= forgotten { return .tooOld }
        let verdict = judge(head, previous)
        let place = entries.firstIndex { $0.head.sequence > head.sequence } ?? entries.count
        entries.insert(Entry(head: head, previous: previous, verdict: verdict, arrival: now), at: place)
        for index in entries.indices where entries[index].previous == head {
            settle(index, .linked, &changes)
        }
        bound(&changes)
        return verdict
    }

    /// Takes a verified gap record: what waited for one of its envelopes is explained.
    mutating func take(_ gap: Gap, changes: inout [LaneChange]) {
        if gaps.contains(gap) { return }
        gaps.append(gap)
        if gaps.count > Self.maximumGaps { gaps.removeFirst() }
        for index in entries.indices where entries[index].isOpen {
            guard let previous = entries[index].previous else { continue }
            if let verdict = explanation(of: previous, below: entries[index].head.sequence) {
                settle(index, verdict, &changes)
            }
        }
    }

    /// Declares holes for what has waited too long at `now` (milliseconds).
    mutating func advance(now: UInt64, changes: inout [LaneChange]) {
        for index in entries.indices where entries[index].verdict == .waiting {
            if now >= entries[index].arrival &+ Self.patience { settle(index, .hole, &changes) }
        }
    }

    private func judge(_ head: ChainHead, _ previous: ChainHead?) -> LaneVerdict {
        if let rival = rival(of: head, previous) { return .fork(rival: rival) }
        guard let previous else { return .first }
        if entries.contains(where: { $0.head == previous }) { return .linked }
        if let verdict = explanation(of: previous, below: head.sequence) { return verdict }
        // Messages that were on the way together may come in another order also when the back end begins.
        guard let first = entries.first else { return .beginning }
        return head.sequence < first.head.sequence ? .beginning : .waiting
    }

    /// Who else claims this sequence number, or this predecessor.
    private func rival(of head: ChainHead, _ previous: ChainHead?) -> UInt64? {
        for entry in entries {
            if entry.head.sequence == head.sequence { return entry.head.sequence }
            if let previous, entry.previous == previous { return entry.head.sequence }
        }
        for gap in gaps {
            if let digest = gap.digest, gap.last == head.sequence, digest != head.digest { return gap.last }
            if let digest = gap.digest, let previous, gap.last == previous.sequence, digest != previous.digest {
                return gap.last
            }
        }
        return nil
    }

    /// Whether a gap record tells of `previous`. Its hash is named by the record if it is the last one of it; the
    /// others are covered by number.
    private func explanation(of previous: ChainHead, below sequence: UInt64) -> LaneVerdict? {
        for gap in gaps where gap.first <= previous.sequence && previous.sequence <= gap.last {
            if gap.last == previous.sequence, let digest = gap.digest, digest != previous.digest { continue }
            return .explained(uncovered: uncovered(below: sequence))
        }
        return nil
    }

    /// Numbers between `sequence` and the next lower one that is here, without those in gap records.
    private func uncovered(below sequence: UInt64) -> UInt64 {
        guard let lower = entries.last(where: { $0.head.sequence < sequence })?.head.sequence else { return 0 }
        var count: UInt64 = 0
        // The first number that is not accounted for yet. Sequences are above 0 here, since one is lower.
        var next = lower &+ 1
        while next < sequence {
            if let gap = gaps.first(where: { $0.first <= next && next <= $0.last }) {
                if gap.last >= sequence { break }
                next = gap.last &+ 1
            } else {
                var end = sequence
                for gap in gaps where gap.first > next { end = min(end, gap.first) }
                count += end - next
                next = end
            }
        }
        return count
    }

    private mutating func settle(_ index: Int, _ verdict: LaneVerdict, _ changes: inout [LaneChange]) {
        guard entries[index].isOpen || (entries[index].verdict == .beginning && verdict == .linked) else { return }
        if entries[index].verdict == verdict { return }
        entries[index].verdict = verdict
        changes.append(LaneChange(lane: lane, sequence: entries[index].head.sequence, verdict: verdict))
    }

    /// Keeps the bounds: too many that wait are holes, the oldest first; the lowest numbers are forgotten.
    private mutating func bound(_ changes: inout [LaneChange]) {
        var waiting = 0
        for index in entries.indices.reversed() where entries[index].verdict == .waiting {
            waiting += 1
            if waiting > Self.maximumWaiting { settle(index, .hole, &changes) }
        }
        while entries.count > Self.maximumEntries {
            if entries[0].verdict == .waiting { settle(0, .hole, &changes) }
            forgotten = max(forgotten ?? 0, entries[0].head.sequence)
            entries.removeFirst()
        }
    }
}
