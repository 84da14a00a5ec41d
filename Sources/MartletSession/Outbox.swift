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
        var isSent = false
    }

    private(set) var entries: [Entry] = []
    private var nextID: UInt64 = 0

    /// False if an older unsent message had to go, or if this one found no place.
    mutating func append(_ leaf: Leaf, _ envelope: [UInt8]) -> Bool {
        var isWhole = true
        if entries.count >= Self.capacity {
            isWhole = false
            guard let oldest = entries.firstIndex(where: { !$0.isSent }) else { return false }
            entries.remove(at: oldest)
        }
        entries.append(Entry(id: nextID, leaf: leaf, envelope: envelope))
        nextID += 1
        return isWhole
    }

    var next: Entry? { entries.first { !$0.isSent } }

    mutating func mark(_ id: UInt64, sent: Bool) {
        if let index = entries.firstIndex(where: { $0.id == id }) { entries[index].isSent = sent }
    }

    mutating func remove(_ id: UInt64) {
        entries.removeAll { $0.id == id }
    }
}
