// SPDX-License-Identifier: Apache-2.0

internal import MartletMessages

/// Signed messages that are not telemetry: receipts, events, gap records. Few, sent before telemetry, each kept
/// until the broker has it.
struct Outbox {
    static let capacity = 64

    struct Entry {
        let id: UInt64
        let leaf: Leaf
        let envelope: [UInt8]
        /// What a gap record tells. Such an entry is never dropped.
        let gap: Gap?
        var isSent = false
    }

    enum Appended { case asLast, insteadOfOldest, notAtAll }

    private(set) var entries: [Entry] = []
    private var nextID: UInt64 = 0

    mutating func append(_ leaf: Leaf, _ envelope: [UInt8], gap: Gap? = nil) -> Appended {
        var appended = Appended.asLast
        if entries.count >= Self.capacity {
            guard let oldest = entries.firstIndex(where: { !$0.isSent && $0.gap == nil }) else { return .notAtAll }
            entries.remove(at: oldest)
            appended = .insteadOfOldest
        }
        entries.append(Entry(id: nextID, leaf: leaf, envelope: envelope, gap: gap))
        nextID += 1
        return appended
    }

    var next: Entry? { entries.first { !$0.isSent } }

    mutating func mark(_ id: UInt64, sent: Bool) {
        if let index = entries.firstIndex(where: { $0.id == id }) { entries[index].isSent = sent }
    }

    mutating func remove(_ id: UInt64) {
        if let index = entries.firstIndex(where: { $0.id == id }) { entries.remove(at: index) }
    }
}
