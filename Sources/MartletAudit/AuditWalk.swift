// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletEnvelope

/// The reading end of an audit log: judges its parts, each with a signed head, as they arrive.
///
/// It does not verify signatures. Bounded: it remembers the hashes of `maximumRecent` entries, some 10 KiB.
public struct AuditWalk: Sendable {
    public static let maximumRecent = 256

    /// The first entry that was taken: where the part of the log that is known begins.
    public private(set) var first: ChainHead?
    /// The last entry that was taken.
    public private(set) var head: ChainHead?
    /// The highest head that a device has signed; its entries may be still to come.
    public private(set) var seen: ChainHead?
    /// The last hole, until the device says that it gave these entries up.
    public private(set) var hole: ClosedRange<UInt64>?
    private var recent: [ChainHead] = []

    /// Goes on after what was taken and seen before.
    public init(
        after head: ChainHead? = nil, seen: ChainHead? = nil, from first: ChainHead? = nil,
        hole: ClosedRange<UInt64>? = nil
    ) {
        self.first = first
        self.head = head
        self.seen = seen ?? head
        self.hole = hole
    }

    /// Takes a head without its entries, as a birth has it.
    public mutating func announce(_ next: ChainHead) -> AuditVerdict {
        if let digest = digest(at: next.sequence) {
            if digest != next.digest { return .fork(index: next.sequence) }
            if let head, next.sequence <= head.sequence { return next == head ? .linked : .repeated }
            return .announced
        }
        if let seen, next.sequence < seen.sequence { return .rolledBack }
        seen = next
        return .announced
    }

    /// Takes encoded entries that lead to a head. Also gives those that were not known yet, in order, as far as they
    /// are entries at all.
    public mutating func take(
        _ entries: [[UInt8]], upTo next: ChainHead, hashing: any Hashing
    ) -> (verdict: AuditVerdict, new: [AuditEntry]) {
        if entries.isEmpty { return (announce(next), []) }
        let run = AuditRun(entries, hashing: hashing)
        var new: [AuditEntry] = []
        for item in run.items {
            if let entry = item.entry, takenDigest(at: entry.index) != item.digest { new.append(entry) }
        }
        let verdict = explained(judge(run, next), by: new)
        if case nil = head, let item = run.items.first, let entry = item.entry {
            first = ChainHead(sequence: entry.index, digest: item.digest)
        }
        if case .broken = verdict {
        } else {
            for item in run.items {
                if let entry = item.entry { remember(ChainHead(sequence: entry.index, digest: item.digest)) }
            }
        }
        if next.sequence >= head?.sequence ?? 0 { head = next }
        if next.sequence >= seen?.sequence ?? 0 { seen = next }
        return (verdict, new)
    }

    private func judge(_ run: AuditRun, _ next: ChainHead) -> AuditVerdict {
        if let flaw = run.flaw(before: next, isKnown: { digest(at: $0.sequence) == $0.digest }) {
            return .broken(index: flaw.index, flaw.flaw)
        }
        for item in run.items {
            if let entry = item.entry, let digest = digest(at: entry.index), digest != item.digest {
                return .fork(index: entry.index)
            }
        }
        guard let head else { return run.items.first?.entry?.index == 1 ? .linked : .beginning }
        if next.sequence <= head.sequence {
            return digest(at: next.sequence) == next.digest ? .repeated : .rolledBack
        }
        // What goes down to the last entry taken is linked to it: another one with its index would be a fork.
        let overlaps = run.items.contains { $0.entry?.index == head.sequence }
        guard let first = run.items.first(where: { $0.entry?.index ?? 0 > head.sequence })?.entry else {
            return .rolledBack
        }
        if !overlaps, let lowest = run.items.first?.entry?.index, lowest <= head.sequence { return .rolledBack }
        if first.index > head.sequence + 1 { return .hole(first: head.sequence + 1, last: first.index - 1) }
        return first.previous == head.digest ? .linked : .fork(index: head.sequence)
    }

    /// A hole that the device names is told as what it is.
    private mutating func explained(_ verdict: AuditVerdict, by new: [AuditEntry]) -> AuditVerdict {
        switch verdict {
        case .hole(let first, let last): hole = first...last
        case .linked: break
        default: return verdict
        }
        guard let hole else { return verdict }
        for entry in new where entry.kind == .givenUp {
            guard case .number(let first) = entry.values[0], case .number(let last) = entry.values[1],
                first <= hole.lowerBound, last >= hole.upperBound
            else { continue }
            self.hole = nil
            return .givenUp(first: hole.lowerBound, last: hole.upperBound)
        }
        return verdict
    }

    /// The hash of an entry that was taken or announced, if it is remembered.
    private func digest(at index: UInt64) -> Digest? {
        if let digest = takenDigest(at: index) { return digest }
        if let seen, seen.sequence == index { return seen.digest }
        return nil
    }

    private func takenDigest(at index: UInt64) -> Digest? {
        if let head, head.sequence == index { return head.digest }
        return recent.first { $0.sequence == index }?.digest
    }

    private mutating func remember(_ entry: ChainHead) {
        if recent.contains(where: { $0.sequence == entry.sequence }) { return }
        if recent.count == Self.maximumRecent { recent.removeFirst() }
        recent.append(entry)
    }
}
