// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletEnvelope

/// What a device says of itself when a connection begins, and when its challenge changes.
public struct Birth: Equatable, Sendable {
    /// Counts the starts of the device's program; never repeats.
    public var run: UInt64
    /// Counts the connections of this run.
    public var connection: UInt64
    /// What every command must echo.
    public var challenge: Bytes16
    public var heads: LaneHeads
    public var trustVersion: UInt64
    /// Name and version of the programs, e.g. the SDK and the agent; at most 4 pairs of at most 32 bytes each.
    public var software: [Software]
    /// The last entry of the audit log; nil if there is none.
    public var journal: ChainHead?

    public struct Software: Equatable, Sendable {
        static let maximumCount = 4
        static let maximumLength = 32

        public var name: [UInt8]
        public var version: [UInt8]

        public init(name: [UInt8], version: [UInt8]) {
            self.name = name
            self.version = version
        }

        /// Whether a birth can carry it.
        public var isSayable: Bool {
            name.isText(limit: Self.maximumLength) && version.isText(limit: Self.maximumLength)
        }
    }

    public init(
        run: UInt64, connection: UInt64, challenge: Bytes16, heads: LaneHeads = LaneHeads(), trustVersion: UInt64 = 0,
        software: [Software] = [], journal: ChainHead? = nil
    ) {
        self.run = run
        self.connection = connection
        self.challenge = challenge
        self.heads = heads
        self.trustVersion = trustVersion
        self.software = software
        self.journal = journal
    }

    /// nil if a reader would refuse `software`.
    public func encoded() -> [UInt8]? {
        guard software.count <= Software.maximumCount, software.allSatisfy({ $0.isSayable }) else { return nil }
        return CBORWriter.encode(limit: 1024) { writer in
            writer.map(journal == nil ? 6 : 7)
            writer.unsigned(0, run)
            writer.unsigned(1, connection)
            writer.unsigned(2)
            writer.bytes(challenge.bytes.span)
            writer.unsigned(3)
            writer.laneHeads(heads)
            writer.unsigned(4, trustVersion)
            writer.unsigned(5)
            writer.array(software.count)
            for item in software {
                writer.array(2)
                writer.text(item.name.span)
                writer.text(item.version.span)
            }
            if let journal {
                writer.unsigned(6)
                writer.head(journal)
            }
        }
    }

    public init(decoding payload: Span<UInt8>) throws(MessageError) {
        var run: UInt64?
        var connection: UInt64?
        var challenge: Bytes16?
        var heads = LaneHeads()
        var trustVersion: UInt64 = 0
        var software: [Software] = []
        var journal: ChainHead?
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: run = try reader.unsigned()
            case 1: connection = try reader.unsigned()
            case 2: challenge = try reader.bytes16(payload)
            case 3: heads = try reader.laneHeads(payload)
            case 4: trustVersion = try reader.unsigned()
            case 5:
                let at = reader.offset
                let count = try reader.array()
                if count > Software.maximumCount { throw .unexpected(at: at) }
                for _ in 0..<count {
                    try reader.array(exactly: 2)
                    let name = try reader.text(payload, limit: Software.maximumLength)
                    let version = try reader.text(payload, limit: Software.maximumLength)
                    software.append(Software(name: name, version: version))
                }
            case 6: journal = try reader.head(payload)
            default: return false
            }
            return true
        }
        guard let run else { throw .missing(0) }
        guard let connection else { throw .missing(1) }
        guard let challenge else { throw .missing(2) }
        self.init(
            run: run, connection: connection, challenge: challenge, heads: heads, trustVersion: trustVersion,
            software: software, journal: journal)
    }

    /// Whether this follows `other`: a later run, or a later connection or challenge of the same run.
    public func isNewer(than other: Birth) -> Bool {
        if run != other.run { return run > other.run }
        if connection != other.connection { return connection > other.connection }
        return challenge != other.challenge
    }
}
