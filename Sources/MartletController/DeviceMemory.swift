// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
internal import MartletCOSE
public import MartletEnvelope
public import MartletMessages

/// Why bytes are no kept memory of a device.
public enum DeviceMemoryError: Error {
    case damaged
    /// Of a back end of another version.
    case otherVersion
}

/// What a back end keeps of a device when it is restarted, so that it still knows an older birth, and tells the
/// device in `resume` what it has seen. Not secret; whoever can change it can make the back end forget.
public struct DeviceMemory: Equatable, Sendable {
    /// A certificate that an accepted birth brought.
    public struct Key: Equatable, Sendable {
        /// DER; the device's own first.
        public var chain: [[UInt8]]
        /// When that birth arrived, in seconds since 1970: the time at which the certificate is judged.
        public var received: Int64

        public init(chain: [[UInt8]], received: Int64) {
            self.chain = chain
            self.received = received
        }
    }

    /// The most keys of one device; of more, the oldest are forgotten.
    public static let maximumKeys = 8

    public var issuer: [UInt8]
    /// The one that a birth brought last is the last.
    public var keys: [Key]
    /// The key that the newest one announced: SHA-256 of its SubjectPublicKeyInfo.
    public var announced: Digest?
    public var run: UInt64
    public var connection: UInt64
    public var heads: LaneHeads
    /// The first entry of the audit log that arrived: what is stored of the log begins with it.
    public var journalFirst: ChainHead?
    /// The last entry of the audit log that arrived.
    public var journal: ChainHead?
    /// The highest head of the audit log that the device signed.
    public var journalSeen: ChainHead?
    /// Entries of the audit log that are missing, and that the device may still say it gave up.
    public var journalHole: ClosedRange<UInt64>?

    public init(
        issuer: [UInt8], keys: [Key] = [], announced: Digest? = nil, run: UInt64, connection: UInt64, heads: LaneHeads,
        journalFirst: ChainHead? = nil, journal: ChainHead? = nil, journalSeen: ChainHead? = nil,
        journalHole: ClosedRange<UInt64>? = nil
    ) {
        self.issuer = issuer
        self.keys = keys
        self.announced = announced
        self.run = run
        self.connection = connection
        self.heads = heads
        self.journalFirst = journalFirst
        self.journal = journal
        self.journalSeen = journalSeen
        self.journalHole = journalHole
    }

    /// Of the encoded form: its first member. Another one has another number.
    private static let version: UInt64 = 2
    private static let members = 11

    /// The most bytes of the encoded form.
    public static let maximumSize = 1024 + maximumKeys * Envelope.maximumSize

    public func encoded() -> [UInt8] {
        let bytes = CBORWriter.encode(limit: Self.maximumSize) { writer in
            writer.array(Self.members)
            writer.unsigned(Self.version)
            writer.text(issuer.span)
            writer.array(keys.count)
            for key in keys {
                writer.array(2)
                writer.integer(key.received)
                writer.array(key.chain.count)
                for certificate in key.chain { writer.bytes(certificate.span) }
            }
            if let announced { writer.bytes(announced.bytes.span) } else { writer.null() }
            writer.unsigned(run)
            writer.unsigned(connection)
            writer.array(Lane.allCases.count)
            for lane in Lane.allCases {
                if let head = heads[lane] { writer.head(head) } else { writer.null() }
            }
            for head in [journalFirst, journal, journalSeen] {
                if let head { writer.head(head) } else { writer.null() }
            }
            if let journalHole {
                writer.array(2)
                writer.unsigned(journalHole.lowerBound)
                writer.unsigned(journalHole.upperBound)
            } else {
                writer.null()
            }
        }
        return bytes ?? []
    }

    public init(decoding bytes: Span<UInt8>) throws(DeviceMemoryError) {
        var reader = CBORReader(bytes)
        guard let count = try? reader.array() else { throw .damaged }
        if count != Self.members { throw .otherVersion }
        guard let version = try? reader.unsigned() else { throw .damaged }
        if version != Self.version { throw .otherVersion }
        guard let memory = try? Self.read(&reader, bytes), PartyName.isValid(memory.issuer.span) else {
            throw .damaged
        }
        self = memory
    }

    /// What follows after the version.
    private static func read(_ reader: inout CBORReader, _ bytes: Span<UInt8>) throws(CBORError) -> DeviceMemory {
        let issuer = [UInt8](copying: bytes.extracting(try reader.text()))
        let keys = try keys(&reader, bytes)
        let announced = try reader.isNull() ? nil : try digest(&reader, bytes)
        let run = try reader.unsigned()
        let connection = try reader.unsigned()
        try reader.array(exactly: Lane.allCases.count)
        var heads = LaneHeads()
        for lane in Lane.allCases where try !reader.isNull() { heads[lane] = try reader.head(bytes) }
        let journalFirst = try reader.isNull() ? nil : try reader.head(bytes)
        let journal = try reader.isNull() ? nil : try reader.head(bytes)
        let journalSeen = try reader.isNull() ? nil : try reader.head(bytes)
        let journalHole = try reader.isNull() ? nil : try range(&reader)
        try reader.finish()
        return DeviceMemory(
            issuer: issuer, keys: keys, announced: announced, run: run, connection: connection, heads: heads,
            journalFirst: journalFirst, journal: journal, journalSeen: journalSeen,
            journalHole: journalHole)
    }

    private static func digest(_ reader: inout CBORReader, _ bytes: Span<UInt8>) throws(CBORError) -> Digest {
        let at = reader.offset
        guard let digest = Digest(copying: bytes.extracting(try reader.bytes())) else { throw .unexpected(at: at) }
        return digest
    }

    private static func range(_ reader: inout CBORReader) throws(CBORError) -> ClosedRange<UInt64> {
        let at = reader.offset
        try reader.array(exactly: 2)
        let (first, last) = (try reader.unsigned(), try reader.unsigned())
        if first > last { throw .unexpected(at: at) }
        return first...last
    }

    private static func keys(_ reader: inout CBORReader, _ bytes: Span<UInt8>) throws(CBORError) -> [Key] {
        let at = reader.offset
        let count = try reader.array()
        if count > maximumKeys { throw .unexpected(at: at) }
        var keys: [Key] = []
        for _ in 0..<count {
            try reader.array(exactly: 2)
            var key = Key(chain: [], received: try reader.integer())
            for _ in 0..<(try reader.array()) {
                key.chain.append([UInt8](copying: bytes.extracting(try reader.bytes())))
            }
            keys.append(key)
        }
        return keys
    }
}
