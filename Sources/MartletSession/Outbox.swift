// SPDX-License-Identifier: Apache-2.0

internal import MartletMessages

/// Signed messages that are not telemetry: receipts, events, gap records. Few, sent before telemetry, each kept
/// until the broker has it.
struct Outbox {
    static let capacity = 64

    final class Entry {
        let id: UInt64
        let leaf: Leaf
        let envelope: [UInt8]
        /// What a gap record tells. Such an entry is never dropped.
        let gap: Gap?
        var isSent = false

        init(id: UInt64, leaf: Leaf, envelope: [UInt8], gap: Gap?) {
            self.id = id
            self.leaf = leaf
            self.envelope = envelope
            self.gap = gap
        }

        var isDroppable: Bool { if case nil = gap { !isSent } else { false } }
    }

    enum Appended { case asLast, insteadOfOldest, notAtAll }

    private(set) var entries: [Entry] = []
    private var nextID: UInt64 = 0

    mutating func append(_ leaf: Leaf, _ envelope: [UInt8], gap: Gap? = nil) -> Appended {
        var appended = Appended.asLast
        if entries.count >= Self.capacity {
            guard let oldest = entries.firstIndex(where: { $0.isDroppable }) else { return .notAtAll }
            entries.remove(at: oldest)
            appended = .insteadOfOldest
        }
        entries.append(Entry(id: nextID, leaf: leaf, envelope: envelope, gap: gap))
        nextID += 1
        return appended
    }

    var hasNext: Bool { entries.contains { !$0.isSent } }

    var next: Entry? { entries.first { !$0.isSent } }

    func mark(_ id: UInt64, sent: Bool) {
        if let entry = entries.first(where: { $0.id == id }) { entry.isSent = sent }
    }

    mutating func remove(_ id: UInt64) {
        if let index = entries.firstIndex(where: { $0.id == id }) { entries.remove(at: index) }
    }
}
