// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletEnvelope

/// The back end's answer to a birth. Its envelope's `eat_nonce` is the birth's challenge, so it is fresh.
public struct Resume: Equatable, Sendable {
    /// Unix seconds.
    public var time: UInt64
    /// The device's highest journal entry that the back end has seen.
    public var journal: ChainHead?
    /// A device with an older trust document was rolled back.
    public var leastTrustVersion: UInt64
    /// The last envelope of each lane that the back end has seen.
    public var heads: LaneHeads

    public init(
        time: UInt64, journal: ChainHead? = nil, leastTrustVersion: UInt64 = 0, heads: LaneHeads = LaneHeads()
    ) {
        self.time = time
        self.journal = journal
        self.leastTrustVersion = leastTrustVersion
        self.heads = heads
    }

    public func encoded() -> [UInt8] {
        CBORWriter.encode(limit: 256) { writer in
            writer.map(4)
            writer.unsigned(0, time)
            writer.unsigned(1)
            if let journal { writer.head(journal) } else { writer.null() }
            writer.unsigned(2, leastTrustVersion)
            writer.unsigned(3)
            writer.laneHeads(heads)
        } ?? []
    }

    public init(decoding payload: Span<UInt8>) throws(MessageError) {
        var time: UInt64?
        var journal: ChainHead?
        var leastTrustVersion: UInt64 = 0
        var heads = LaneHeads()
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: time = try reader.unsigned()
            case 1: journal = try reader.isNull() ? nil : try reader.head(payload)
            case 2: leastTrustVersion = try reader.unsigned()
            case 3: heads = try reader.laneHeads(payload)
            default: return false
            }
            return true
        }
        guard let time else { throw .missing(0) }
        if time > 1 << 40 { throw .badValue(0) }
        self.init(time: time, journal: journal, leastTrustVersion: leastTrustVersion, heads: heads)
    }
}
