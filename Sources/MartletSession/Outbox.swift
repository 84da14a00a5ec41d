// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages

/// Signed messages that are not telemetry: receipts, events, gap records, checkpoints. Few, sent before telemetry, each
/// kept until the broker has it.
struct Outbox {
    static let capacity = 64

    /// What a message tells, as far as something is to be done once it was told.
    enum Content {
        /// Nobody waits for it: it may be dropped.
        case passing
        case gap(Gap, Lane)
        /// Of a command that was carried out.
        case receipt(CommandKey)
        /// So many entries of the audit log, up to this one.
        case checkpoint(UInt64, entries: Int)
    }

    final class Entry {
        let id: UInt64
        let leaf: Leaf
        let envelope: [UInt8]
        let content: Content
        var isSent = false

        init(id: UInt64, leaf: Leaf, envelope: [UInt8], content: Content) {
            self.id = id
            self.leaf = leaf
            self.envelope = envelope
            self.content = content
        }

        var isDroppable: Bool { if case .passing = content { !isSent } else { false } }
    }

    enum Appended { case asLast, insteadOfOldest, notAtAll }

    private(set) var entries: [Entry] = []
    private var nextID: UInt64 = 0

    mutating func append(_ leaf: Leaf, _ envelope: [UInt8], _ content: Content) -> Appended {
        var appended = Appended.asLast
        if entries.count >= Self.capacity {
            guard let oldest = entries.firstIndex(where: { $0.isDroppable }) else { return .notAtAll }
            entries.remove(at: oldest)
            appended = .insteadOfOldest
        }
        entries.append(Entry(id: nextID, leaf: leaf, envelope: envelope, content: content))
        nextID += 1
        return appended
    }

    /// Whether a message fits without another one being dropped.
    var hasRoom: Bool { entries.count < Self.capacity }

    var hasNext: Bool { entries.contains { !$0.isSent } }

    var next: Entry? { entries.first { !$0.isSent } }

    func mark(_ id: UInt64, sent: Bool) {
        if let entry = entries.first(where: { $0.id == id }) { entry.isSent = sent }
    }

    func entry(_ id: UInt64) -> Entry? { entries.first { $0.id == id } }

    mutating func remove(_ id: UInt64) -> Entry? {
        entries.firstIndex { $0.id == id }.map { entries.remove(at: $0) }
    }
}
