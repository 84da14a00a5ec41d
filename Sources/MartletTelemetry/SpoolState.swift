// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
internal import MartletCOSE
internal import MartletEnvelope
internal import MartletMessages

/// A place in a lane, with what was before it since the lane began.
struct SpoolPosition: Equatable {
    /// No envelope before this place has this number or a higher one.
    var sequence: UInt64 = 0
    var envelopes: UInt64 = 0
    var readings: UInt64 = 0
}

/// What a lane has come to: record kind 1 of its stream (SPOOL.md).
struct SpoolState: Equatable {
    var end = SpoolPosition()
    /// The back end has everything before, or was told that it will never come.
    var released = SpoolPosition()
    /// The last envelope; nil if there is none that the next one can be linked to.
    var head: ChainHead?
    /// Bytes of all segments before the one that this record is the first of.
    var bytes: UInt64 = 0
    /// Trusted time at which this became durable, in seconds since 1970; 0 if that was not known.
    var time: UInt64 = 0

    static let kind: UInt8 = 1
    /// Bytes of the longest one.
    static let capacity = 128

    var record: [UInt8] {
        var record: [UInt8] = []
        write(to: &record)
        return record
    }

    /// Replaces what is in `record`, whose memory is used again.
    func write(to record: inout [UInt8]) {
        while record.count < Self.capacity { record.append(0) }
        var writer = CBORWriter(record.mutableSpan)
        // The kind, 1, is that of a record, and as CBOR the number that begins it.
        writer.unsigned(UInt64(Self.kind))
        writer.array(9)
        writer.position(end)
        writer.position(released)
        writer.unsigned(bytes)
        writer.unsigned(time)
        if let head { writer.head(head) } else { writer.null() }
        let count = (try? writer.finish()) ?? 0
        record.removeLast(record.count - count)
    }

    init() {}

    /// nil if `record` is of another kind, or damaged.
    init?(record: Span<UInt8>) {
        guard record.count > 0, record[0] == Self.kind else { return nil }
        do throws(CBORError) { try self.init(body: record.extracting(droppingFirst: 1)) } catch { return nil }
    }

    private init(body: Span<UInt8>) throws(CBORError) {
        var reader = CBORReader(body)
        try reader.array(exactly: 9)
        end = try reader.position()
        released = try reader.position()
        bytes = try reader.total()
        time = try reader.total()
        if try !reader.isNull() { head = try reader.head(body) }
        try reader.finish()
    }
}

extension CBORWriter {
    fileprivate mutating func position(_ position: SpoolPosition) {
        unsigned(position.sequence)
        unsigned(position.envelopes)
        unsigned(position.readings)
    }
}

extension CBORReader {
    fileprivate mutating func position() throws(CBORError) -> SpoolPosition {
        SpoolPosition(sequence: try total(), envelopes: try total(), readings: try total())
    }

    /// A number that counts up, and is far from overflow for the lifetime of any device.
    fileprivate mutating func total() throws(CBORError) -> UInt64 {
        let total = try unsigned()
        if total >= 1 << 62 { throw .unexpected(at: offset) }
        return total
    }
}

/// An envelope as a record, kind 2: kind, sequence (8 bytes) and number of readings (2 bytes), both big-endian, then its
/// bytes as they are sent.
enum SpooledEnvelope {
    static let kind: UInt8 = 2
    static let headCount = 11

    /// Replaces what is in `record` by what comes before the envelope.
    static func begin(_ record: inout [UInt8], sequence: UInt64, readings: Int) {
        record.removeAll(keepingCapacity: true)
        var head = InlineArray<11, UInt8>(repeating: kind)
        var span = head.mutableSpan
        var bytes = span.mutableBytes
        bytes.storeBytes(of: sequence.bigEndian, toByteOffset: 1, as: UInt64.self)
        bytes.storeBytes(of: UInt16(truncatingIfNeeded: readings).bigEndian, toByteOffset: 9, as: UInt16.self)
        record.append(copying: head.span)
    }

    /// nil if the record is too short.
    static func read(_ record: Span<UInt8>) -> (sequence: UInt64, readings: Int)? {
        guard record.count >= headCount else { return nil }
        var sequence: UInt64 = 0
        for place in 1..<9 { sequence = sequence << 8 | UInt64(record[place]) }
        return (sequence, Int(record[9]) << 8 | Int(record[10]))
    }
}
