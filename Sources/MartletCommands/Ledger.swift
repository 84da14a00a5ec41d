// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletCOSE
public import MartletEnvelope
public import MartletMessages

/// A command's name among all commands of all controllers.
public struct CommandKey: Hashable, Sendable {
    public let controller: KeyID
    public let id: Bytes16

    public init(controller: KeyID, id: Bytes16) {
        self.controller = controller
        self.id = id
    }
}

/// Which commands were accepted, and how they ended: what keeps a command from taking effect twice, and its outcome
/// from being forgotten. Its entries survive the program; whoever owns it writes each change to the journal before
/// anything follows from it. Not safe for concurrent use.
public final class Ledger {
    /// The most ids that are kept. The oldest whose receipts were acknowledged go first; others never go.
    public static let capacity = 128
    /// The most bytes of results, and of commands that may have to be run again, that all entries have together.
    static let byteLimit = 16 * 1024
    /// Bytes of a command that always fits: one of the library itself must not wait for handlers to end.
    static let smallCommand = 32

    /// An accepted command.
    public final class Entry {
        public enum Stage: UInt8 {
            /// The handler has not ended.
            case open = 0
            /// Its outcome is known, but not durable yet.
            case ended = 1
            /// The receipt may be told.
            case recorded = 2
            /// The receipt is on its way.
            case told = 3
            /// The broker has the receipt.
            case acknowledged = 4
        }

        public let key: CommandKey
        /// Of the command's Sig_structure.
        public let digest: Digest
        public internal(set) var stage = Stage.open
        /// How the command ended.
        public internal(set) var receipt: Receipt?
        /// The payload of a command that may be run again after a restart; empty otherwise.
        var command: [UInt8]
        /// How often its handler was begun.
        var attempts: UInt64 = 1
        /// The next one in its list of the index.
        fileprivate var next: Entry?

        init(key: CommandKey, digest: Digest, command: [UInt8]) {
            self.key = key
            self.digest = digest
            self.command = command
        }

        /// Bytes beyond the least that an entry takes.
        fileprivate var surplus: Int {
            guard let receipt else { return Ledger.surplus(command) }
            return receipt.results.reduce(0) { $0 + $1.size }
        }
    }

    /// A ring once it has `capacity` entries; the oldest is at `start`, which is 0 before.
    private var slots: [Entry] = []
    private var start = 0
    /// The same entries in lists by the last bits of their ids, which their controllers chose at random.
    private var index = [Entry?](repeating: nil, count: 64)
    /// What made room for the newest entry, until that is durable.
    private var evicted: Entry?
    /// Whether an entry may be at the stage `ended`.
    private var hasEnded = false

    public init() {}

    /// Oldest first.
    public var entries: [Entry] { slots.indices.map { slots[slot($0)] } }

    func entry(_ key: CommandKey) -> Entry? {
        var entry = index[list(key)]
        while let other = entry, other.key != key { entry = other.next }
        return entry
    }

    // MARK: Order and index

    /// Where the entry is before which there are `count` older ones.
    private func slot(_ count: Int) -> Int { (start &+ count) % Self.capacity }

    private func list(_ key: CommandKey) -> Int { Int(key.id.bytes[15] & 63) }

    /// Where the oldest entry is of those at `stage`.
    private func oldest(_ stage: Entry.Stage) -> Int? {
        for count in slots.indices where slots[slot(count)].stage == stage { return slot(count) }
        return nil
    }

    /// Adds the newest entry, if need be in the place of the oldest one that was acknowledged, which `evicted` then is.
    /// False if there is none.
    private func add(_ entry: Entry) -> Bool {
        evicted = nil
        if slots.count < Self.capacity {
            slots.append(entry)
        } else {
            guard var place = oldest(.acknowledged) else { return false }
            evicted = slots[place]
            unlink(slots[place])
            while place != start {
                let older = (place &+ Self.capacity &- 1) % Self.capacity
                slots[place] = slots[older]
                place = older
            }
            slots[start] = entry
            start = slot(1)
        }
        link(entry)
        return true
    }

    private func link(_ entry: Entry) {
        let list = list(entry.key)
        entry.next = index[list]
        index[list] = entry
    }

    private func unlink(_ entry: Entry) {
        let list = list(entry.key)
        var before = index[list]
        if before === entry { index[list] = entry.next }
        while let other = before {
            if other.next === entry { other.next = entry.next }
            before = other.next
        }
        entry.next = nil
    }

    private static func surplus(_ command: [UInt8]) -> Int { command.count <= smallCommand ? 0 : command.count }

    // MARK: Changes

    /// Adds a command whose handler is to run; nil if there is no room for it.
    func accept(_ key: CommandKey, digest: Digest, command: [UInt8]) -> Entry? {
        let surplus = Self.surplus(command)
        guard surplus == 0 || makeRoom(for: surplus) else { return nil }
        let entry = Entry(key: key, digest: digest, command: command)
        return add(entry) ? entry : nil
    }

    /// Takes back an acceptance that could not be made durable.
    func withdraw(_ key: CommandKey) {
        guard !slots.isEmpty else { return }
        let last = slot(slots.count &- 1)
        let newest = slots[last]
        guard newest.key == key, newest.stage == .open else { return }
        unlink(newest)
        if let evicted {
            link(evicted)
            slots[last] = evicted
            start = last
        } else {
            // In a ring that began elsewhere, the newest is not at the end.
            slots = [Entry](entries.dropLast())
            start = 0
        }
        evicted = nil
    }

    /// The handler ended. nil if that was said before. Results that a receipt cannot carry, or that there is no room
    /// for, are left out, since the outcome must be told in any case.
    func finish(_ key: CommandKey, _ outcome: Outcome, results: [CommandValue]) -> Entry? {
        guard let entry = entry(key), entry.stage == .open else { return nil }
        entry.command = []
        let size = results.reduce(0) { $0 + $1.size }
        let isCarried = Receipt.canCarry(results) && makeRoom(for: size)
        entry.receipt = Receipt(
            command: key.id, controller: key.controller, outcome: outcome, digest: entry.digest,
            results: isCarried ? results : [])
        entry.stage = .ended
        hasEnded = true
        return entry
    }

    /// All outcomes so far are durable: their receipts may be told.
    public func endedAreDurable() {
        if !hasEnded { return }
        for entry in slots where entry.stage == .ended { entry.stage = .recorded }
        hasEnded = false
    }

    /// Takes the next entry whose receipt is to be told.
    public func takeRecorded() -> Entry? {
        guard let place = oldest(.recorded) else { return nil }
        let entry = slots[place]
        entry.stage = .told
        return entry
    }

    /// Whether there is one.
    public var hasRecorded: Bool { oldest(.recorded) != nil }

    /// The receipt could not be queued.
    public func untell(_ key: CommandKey) {
        if let entry = entry(key), entry.stage == .told { entry.stage = .recorded }
    }

    /// The broker will never take the receipt as it is: it is to be told without its results. False if it has none.
    public func dropResults(_ key: CommandKey) -> Bool {
        guard let entry = entry(key), entry.stage == .told, entry.receipt?.results.isEmpty == false else {
            return false
        }
        entry.receipt?.results = []
        entry.stage = .recorded
        return true
    }

    /// The broker has the receipt. The entry that changed, if one did.
    public func acknowledge(_ key: CommandKey) -> Entry? {
        guard let entry = entry(key), entry.stage == .told else { return nil }
        entry.stage = .acknowledged
        return entry
    }

    /// Forgets results of acknowledged commands, never the commands, until `size` bytes fit; false if they do not.
    private func makeRoom(for size: Int) -> Bool {
        var total = slots.reduce(size) { $0 + $1.surplus }
        for count in slots.indices where total > Self.byteLimit {
            let entry = slots[slot(count)]
            if entry.stage != .acknowledged { continue }
            total -= entry.surplus
            entry.receipt?.results = []
        }
        return total <= Self.byteLimit
    }

    /// All entries have come from the disk: the bound of bytes holds for them too.
    public func endRecovery() { _ = makeRoom(for: 0) }

    // MARK: On disk

    /// `[kid, id, hash, acknowledged, attempts, receipt, command]`, after `first` if there is one; the last two are
    /// payloads, empty if there is none.
    public func encode(_ entry: Entry, after first: UInt8? = nil) -> [UInt8] {
        let receipt = entry.receipt?.encoded() ?? []
        let (key, digest, command) = (entry.key, entry.digest, entry.command)
        let bytes = CBORWriter.encode(limit: 128 + receipt.count + command.count, after: first) { writer in
            writer.array(7)
            writer.unsigned(key.controller.value)
            writer.bytes(key.id.bytes.span)
            writer.bytes(digest.bytes.span)
            writer.bool(entry.stage == .acknowledged)
            writer.unsigned(entry.attempts)
            writer.bytes(receipt.span)
            writer.bytes(command.span)
        }
        return bytes ?? []
    }

    /// Takes an encoded entry in the place of the one with the same key. False if it is none.
    public func recover(_ bytes: Span<UInt8>) -> Bool {
        guard let entry = try? Self.read(bytes) else { return false }
        guard let known = self.entry(entry.key), let place = slots.firstIndex(where: { $0 === known }) else {
            return add(entry)
        }
        unlink(known)
        link(entry)
        slots[place] = entry
        return true
    }

    /// Forgets everything: what follows in the journal replaces it.
    public func removeAll() {
        slots = []
        start = 0
        for list in index.indices { index[list] = nil }
    }

    private static func read(_ bytes: Span<UInt8>) throws(CBORError) -> Entry {
        var reader = CBORReader(bytes)
        try reader.array(exactly: 7)
        let controller = KeyID(try reader.unsigned())
        let id = try reader.bytes16(bytes)
        let digest = try reader.digest(bytes)
        let isAcknowledged = try reader.bool()
        let attempts = try reader.unsigned()
        let at = reader.offset
        let receipt = try reader.bytes()
        let command = try reader.bytes()
        try reader.finish()
        let entry = Entry(
            key: CommandKey(controller: controller, id: id), digest: digest,
            command: [UInt8](copying: bytes.extracting(command)))
        entry.attempts = attempts
        if !receipt.isEmpty {
            guard let receipt = try? Receipt(decoding: bytes.extracting(receipt)) else { throw .unexpected(at: at) }
            entry.receipt = receipt
            entry.stage = isAcknowledged ? .acknowledged : .recorded
        }
        return entry
    }
}

extension CommandValue {
    /// Bytes that it takes beyond the least.
    fileprivate var size: Int {
        switch self {
        case .integer, .number, .boolean: 9
        case .text(let bytes), .data(let bytes): bytes.count + 3
        }
    }
}
