// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
internal import MartletCOSE
public import MartletEnvelope
public import MartletMessages

/// What a back end keeps of a device when it is restarted, so that it still knows an older birth, and tells the
/// device in `resume` what it has seen. Not secret; whoever can change it can make the back end forget.
public struct DeviceMemory: Equatable, Sendable {
    public var issuer: [UInt8]
    public var run: UInt64
    public var connection: UInt64
    public var heads: LaneHeads
    /// The last entry of the audit log that arrived.
    public var journal: ChainHead?
    /// The highest head of the audit log that the device signed.
    public var journalSeen: ChainHead?

    public init(
        issuer: [UInt8], run: UInt64, connection: UInt64, heads: LaneHeads, journal: ChainHead? = nil,
        journalSeen: ChainHead? = nil
    ) {
        self.issuer = issuer
        self.run = run
        self.connection = connection
        self.heads = heads
        self.journal = journal
        self.journalSeen = journalSeen
    }

    /// The most bytes of the encoded form.
    public static let maximumSize = 512

    public func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.maximumSize)
        var writer = CBORWriter(bytes.mutableSpan)
        writer.array(6)
        writer.text(issuer.span)
        writer.unsigned(run)
        writer.unsigned(connection)
        writer.array(Lane.allCases.count)
        for lane in Lane.allCases {
            if let head = heads[lane] { writer.head(head) } else { writer.null() }
        }
        if let journal { writer.head(journal) } else { writer.null() }
        if let journalSeen { writer.head(journalSeen) } else { writer.null() }
        guard let count = try? writer.finish() else { return [] }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// nil if the bytes are no such memory.
    public init?(decoding bytes: Span<UInt8>) {
        guard let memory = try? Self.read(bytes), PartyName.isValid(memory.issuer.span) else { return nil }
        self = memory
    }

    private static func read(_ bytes: Span<UInt8>) throws(CBORError) -> DeviceMemory {
        var reader = CBORReader(bytes)
        try reader.array(exactly: 6)
        let issuer = [UInt8](copying: bytes.extracting(try reader.text()))
        let run = try reader.unsigned()
        let connection = try reader.unsigned()
        try reader.array(exactly: Lane.allCases.count)
        var heads = LaneHeads()
        for lane in Lane.allCases where try !reader.isNull() { heads[lane] = try reader.head(bytes) }
        let journal = try reader.isNull() ? nil : try reader.head(bytes)
        let journalSeen = try reader.isNull() ? nil : try reader.head(bytes)
        try reader.finish()
        return DeviceMemory(
            issuer: issuer, run: run, connection: connection, heads: heads, journal: journal, journalSeen: journalSeen)
    }
}
