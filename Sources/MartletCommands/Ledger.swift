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

    public private(set) var entries: [Entry] = []
    /// What made room for the newest entry, until that is durable.
    private var evicted: Entry?
    /// Whether an entry may be at the stage `ended`.
    private var hasEnded = false

    public init() {}

    func entry(_ key: CommandKey) -> Entry? { entries.first { $0.key == key } }

    private static func surplus(_ command: [UInt8]) -> Int { command.count <= smallCommand ? 0 : command.count }

    // MARK: Changes

    /// Adds a command whose handler is to run; nil if there is no room for it.
    func accept(_ key: CommandKey, digest: Digest, command: [UInt8]) -> Entry? {
        let surplus = Self.surplus(command)
        guard surplus == 0 || makeRoom(for: surplus) else { return nil }
        evicted = nil
        if entries.count >= Self.capacity {
            guard let oldest = entries.firstIndex(where: { $0.stage == .acknowledged }) else { return nil }
            evicted = entries.remove(at: oldest)
        }
        let entry = Entry(key: key, digest: digest, command: command)
        entries.append(entry)
        return entry
    }

    /// Takes back an acceptance that could not be made durable.
    func withdraw(_ key: CommandKey) {
        if let newest = entries.last, newest.key == key, newest.stage == .open { entries.removeLast() }
        if let evicted { entries.insert(evicted, at: 0) }
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
        for entry in entries where entry.stage == .ended { entry.stage = .recorded }
        hasEnded = false
    }

    /// Takes the next entry whose receipt is to be told.
    public func takeRecorded() -> Entry? {
        guard let entry = entries.first(where: { $0.stage == .recorded }) else { return nil }
        entry.stage = .told
        return entry
    }

    /// Whether there is one.
    public var hasRecorded: Bool { entries.contains { $0.stage == .recorded } }

    /// The receipt could not be queued.
    public func untell(_ key: CommandKey) {
        if let entry = entry(key), entry.stage == .told { entry.stage = .recorded }
    }

    /// The broker has the receipt. The entry that changed, if one did.
    public func acknowledge(_ key: CommandKey) -> Entry? {
        guard let entry = entry(key), entry.stage == .told else { return nil }
        entry.stage = .acknowledged
        return entry
    }

    /// Forgets results of acknowledged commands, never the commands, until `size` bytes fit; false if they do not.
    private func makeRoom(for size: Int) -> Bool {
        while entries.reduce(size, { $0 + $1.surplus }) > Self.byteLimit {
            guard let oldest = entries.first(where: { $0.stage == .acknowledged && $0.surplus > 0 }) else {
                return false
            }
            oldest.receipt?.results = []
        }
        return true
    }

    /// All entries have come from the disk: the bound of bytes holds for them too.
    public func endRecovery() { _ = makeRoom(for: 0) }

    // MARK: On disk

    /// `[kid, id, hash, acknowledged, attempts, receipt, command]`; the last two are payloads, empty if there is none.
    public func encode(_ entry: Entry) -> [UInt8] {
        let receipt = entry.receipt?.encoded() ?? []
        let (key, digest, command) = (entry.key, entry.digest, entry.command)
        var bytes = [UInt8](repeating: 0, count: 128 + receipt.count + command.count)
        var writer = CBORWriter(bytes.mutableSpan)
        writer.array(7)
        writer.unsigned(key.controller.value)
        writer.bytes(key.id.bytes.span)
        writer.bytes(digest.bytes.span)
        writer.bool(entry.stage == .acknowledged)
        writer.unsigned(entry.attempts)
        writer.bytes(receipt.span)
        writer.bytes(command.span)
        let count = (try? writer.finish()) ?? 0
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Takes an encoded entry in the place of the one with the same key. False if it is none.
    public func recover(_ bytes: Span<UInt8>) -> Bool {
        guard let entry = try? Self.read(bytes) else { return false }
        if let index = entries.firstIndex(where: { $0.key == entry.key }) {
            entries[index] = entry
        } else if entries.count < Self.capacity {
            entries.append(entry)
        } else {
            guard let oldest = entries.firstIndex(where: { $0.stage == .acknowledged }) else { return false }
            entries.remove(at: oldest)
            entries.append(entry)
        }
        return true
    }

    /// Forgets everything: what follows in the journal replaces it.
    public func removeAll() { entries.removeAll() }

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
