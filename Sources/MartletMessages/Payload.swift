// SPDX-License-Identifier: Apache-2.0

package import MartletCBOR
internal import MartletCOSE
public import MartletEnvelope

/// Walks a payload: a map with unsigned keys. `member` reads the value of one key and says whether it knows it.
func readMap(
    _ payload: Span<UInt8>,
    _ member: (UInt64, inout CBORReader) throws(CBORError) -> Bool
) throws(MessageError) {
    var unknown: UInt64?
    do throws(CBORError) {
        var reader = CBORReader(payload)
        for _ in 0..<(try reader.map()) {
            let key = try reader.unsigned()
            if try !member(key, &reader) {
                unknown = key
                try reader.skip()
            }
        }
        try reader.finish()
    } catch {
        throw .malformed(error)
    }
    if let unknown { throw .unknown(unknown) }
}

extension CBORReader {
    /// {lane: [sequence, hash]}
    mutating func laneHeads(_ payload: Span<UInt8>) throws(CBORError) -> LaneHeads {
        var heads = LaneHeads()
        for _ in 0..<(try map()) {
            let at = offset
            guard let lane = Lane(rawValue: UInt8(clamping: try unsigned())) else { throw .unexpected(at: at) }
            heads[lane] = try head(payload)
        }
        return heads
    }

    /// A text of at most `limit` bytes, copied.
    mutating func text(_ payload: Span<UInt8>, limit: Int) throws(CBORError) -> [UInt8] {
        let at = offset
        let range = try text()
        if range.count > limit { throw .unexpected(at: at) }
        return [UInt8](copying: payload.extracting(range))
    }
}

extension CBORWriter {
    mutating func laneHeads(_ heads: LaneHeads) {
        var count = 0
        for lane in Lane.allCases where heads[lane] != nil { count += 1 }
        map(count)
        for lane in Lane.allCases {
            if let head = heads[lane] {
                unsigned(UInt64(lane.rawValue))
                self.head(head)
            }
        }
    }
}

extension [UInt8] {
    /// Whether it is UTF-8 of at most `limit` bytes.
    @inline(never)
    package func isText(limit: Int) -> Bool { count <= limit && (try? UTF8Span(validating: span)) != nil }

    /// A copy of `bytes`.
    @inline(never)
    public init(copying bytes: Span<UInt8>) {
        // With nothing to hold it would write to the one storage that all empty arrays share.
        if bytes.isEmpty {
            self.init()
            return
        }
        self.init(capacity: bytes.count) { $0.fill(bytes) }
    }

    /// Appends `bytes` at once; `append(contentsOf:)` does it byte by byte in a program that is built for size.
    @inline(never)
    package mutating func append(copying bytes: Span<UInt8>) {
        if bytes.isEmpty { return }
        append(addingCapacity: bytes.count) { $0.fill(bytes) }
    }
}

extension OutputSpan<UInt8> {
    /// Writes to its begin, where as much is free.
    fileprivate mutating func fill(_ bytes: Span<UInt8>) {
        withUnsafeMutableBufferPointer { room, count in
            bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(room).copyMemory(from: $0) }
            count = bytes.count
        }
    }
}

/// The last envelope of each lane.
public struct LaneHeads: Equatable, Sendable {
    private var heads = InlineArray<3, ChainHead?>(repeating: nil)

    public init() {}

    public subscript(lane: Lane) -> ChainHead? {
        @inline(never)
        get { heads[Int(lane.rawValue)] }
        set { heads[Int(lane.rawValue)] = newValue }
    }

    public static func == (a: LaneHeads, b: LaneHeads) -> Bool {
        for lane in Lane.allCases where a[lane] != b[lane] { return false }
        return true
    }
}
