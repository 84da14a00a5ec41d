// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletEnvelope

/// How far the device's audit log goes, with the entries that lead there.
public struct Checkpoint: Equatable, Sendable {
    /// The most entries of one message.
    public static let maximumEntries = 64
    /// The most bytes of the payload.
    public static let maximumSize = 15 * 1024
    /// Bytes of the payload that entries can have together. Each takes up to 3 more than its own.
    public static let room = maximumSize - 256

    public var run: UInt64
    /// Index and hash of the last entry of the log: the last of `entries`, if there are any.
    public var head: ChainHead
    public var heads: LaneHeads
    public var trustVersion: UInt64
    /// Encoded entries of the log, in order.
    public var entries: [[UInt8]]

    public init(
        run: UInt64, head: ChainHead, heads: LaneHeads = LaneHeads(), trustVersion: UInt64 = 0, entries: [[UInt8]] = []
    ) {
        self.run = run
        self.head = head
        self.heads = heads
        self.trustVersion = trustVersion
        self.entries = entries
    }

    /// nil if there are too many entries, or they are too large.
    public func encoded() -> [UInt8]? {
        if entries.count > Self.maximumEntries { return nil }
        return CBORWriter.encode(limit: Self.maximumSize) { writer in
            writer.map(5)
            writer.unsigned(0, run)
            writer.unsigned(1)
            writer.head(head)
            writer.unsigned(2)
            writer.laneHeads(heads)
            writer.unsigned(3, trustVersion)
            writer.unsigned(4)
            writer.array(entries.count)
            for entry in entries { writer.bytes(entry.span) }
        }
    }

    public init(decoding payload: Span<UInt8>) throws(MessageError) {
        var run: UInt64?
        var head: ChainHead?
        var heads = LaneHeads()
        var trustVersion: UInt64 = 0
        var entries: [[UInt8]] = []
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: run = try reader.unsigned()
            case 1: head = try reader.head(payload)
            case 2: heads = try reader.laneHeads(payload)
            case 3: trustVersion = try reader.unsigned()
            case 4:
                let at = reader.offset
                let count = try reader.array()
                if count > Self.maximumEntries { throw .unexpected(at: at) }
                for _ in 0..<count { entries.append([UInt8](copying: payload.extracting(try reader.bytes()))) }
            default: return false
            }
            return true
        }
        guard let run else { throw .missing(0) }
        guard let head else { throw .missing(1) }
        if payload.count > Self.maximumSize { throw .badValue(4) }
        self.init(run: run, head: head, heads: heads, trustVersion: trustVersion, entries: entries)
    }
}
