// SPDX-License-Identifier: Apache-2.0

internal import MartletEnvelope
internal import MartletJournal
public import MartletMessages

/// Readings that will never be sent, and why.
extension Spool {
    /// What would be given up with the oldest segment; nil if all is in one, or nothing is there.
    public func oldest(_ reason: GapReason) -> Gap? {
        if segments.count > 1, start(of: 1) != nil { removeReleased() }
        guard segments.count > 1, let end = start(of: 1), end.end.sequence > released.sequence else { return nil }
        let last = end.end.sequence - 1
        return Gap(
            first: released.sequence, last: last, readings: end.end.readings - min(released.readings, end.end.readings),
            reason: reason, digest: end.head.flatMap { $0.sequence == last ? $0.digest : nil })
    }

    /// Gives up the oldest segment, once what `oldest` said is durable. False if the file cannot be removed.
    public func dropOldest() -> Bool {
        guard segments.count > 1, let end = start(of: 1), journal.remove(segment: segments[0].number) else {
            return false
        }
        if reading?.segment == segments[0].number { reading = nil }
        segments.removeFirst()
        while !front.isEmpty, front[0].sequence < end.end.sequence {
            if front[0].state == .unsent { unsentCount -= 1 }
            if front[0].state == .done { doneCount -= 1 }
            front.removeFirst()
        }
        dropCopies(before: end.end.sequence)
        if loaded.sequence < end.end.sequence { loaded = end.end }
        if released.sequence < end.end.sequence { released = end.end }
        advance()
        return true
    }

    /// Takes `losses`: they were written down, and the spool may pass them.
    @discardableResult
    public func takeLosses() -> [Gap] {
        if losses.isEmpty { return [] }
        var taken: [Gap] = []
        swap(&taken, &losses)
        advance()
        return taken
    }
}
