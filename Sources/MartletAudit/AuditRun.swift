// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
internal import MartletEnvelope

/// Entries as they stand one after another.
struct AuditRun {
    struct Item {
        /// nil if the bytes are not one.
        let entry: AuditEntry?
        let error: AuditError?
        let digest: Digest
    }

    let items: [Item]

    init(_ entries: [[UInt8]], hashing: any Hashing) {
        items = entries.map { bytes in
            let digest = hashing.sha256(bytes.span)
            do throws(AuditError) {
                return Item(entry: try AuditEntry(decoding: bytes.span), error: nil, digest: digest)
            } catch {
                return Item(entry: nil, error: error, digest: digest)
            }
        }
    }

    /// The first index that is not as it must be for entries that end with `head`; nil if all are. `isKnown`: whether
    /// an entry was seen before this run.
    func flaw(before head: ChainHead, isKnown: (ChainHead) -> Bool) -> (index: UInt64, flaw: AuditFlaw)? {
        let proven = proven(by: head, isKnown: isKnown)
        return proven == 0 ? nil : flaw(before: head, proven)
    }

    /// Where the entries begin that `head` proves: each hash is named by the entry after it.
    private func proven(by head: ChainHead, isKnown: (ChainHead) -> Bool) -> Int {
        var place = items.count
        var named = head
        while place > 0, let entry = items[place - 1].entry {
            let own = ChainHead(sequence: entry.index, digest: items[place - 1].digest)
            if own != named {
                // A device that was rolled back goes on from what the back end knows, which is not its own last entry.
                let isRolledBack = place < items.count && entry.index < named.sequence
                guard isRolledBack, isKnown(named), !isKnown(own) else { break }
            }
            named = ChainHead(sequence: entry.index - 1, digest: entry.previous)
            place -= 1
        }
        return place
    }

    /// The first flaw among the entries before the place `proven`, which there is, or between them and the one there.
    private func flaw(before head: ChainHead, _ proven: Int) -> (index: UInt64, flaw: AuditFlaw) {
        var last: UInt64?
        for place in 0...min(proven, items.count - 1) {
            guard let entry = items[place].entry else {
                return (
                    last.map { $0 &+ 1 } ?? first(before: head, proven), .notAnEntry(items[place].error ?? .badIndex)
                )
            }
            if let last, entry.index <= last { return (place == proven ? entry.index : last &+ 1, .outOfPlace) }
            if let last, entry.index > last + 1 { return (last + 1, .missing) }
            if place > 0, entry.previous != items[place - 1].digest {
                // The hash that a proven entry names is right; that of another one may be what is wrong.
                return place == proven ? (entry.index - 1, .changed) : (entry.index, .unlinked)
            }
            last = entry.index
        }
        guard let last, last >= head.sequence else { return ((last ?? 0) + 1, .missing) }
        return last == head.sequence ? (last, .changed) : (head.sequence + 1, .beyondHead)
    }

    /// The index that the first entry must have, counted from behind.
    private func first(before head: ChainHead, _ proven: Int) -> UInt64 {
        let (index, distance) =
            proven < items.count ? (items[proven].entry?.index ?? 0, proven) : (head.sequence, items.count - 1)
        return index - min(index, UInt64(distance))
    }
}
