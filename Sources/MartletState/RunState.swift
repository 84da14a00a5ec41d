// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
internal import MartletCOSE
public import MartletEnvelope
public import MartletMessages
internal import MartletTelemetry

/// What one run must know of those before: the run counter and the sequence numbers that were given out.
public struct RunState: Equatable, Sendable {
    /// Sequence numbers that are reserved at once. A power cut costs at most so many numbers, not readings.
    public static let reservation: UInt64 = 4096
    /// All numbers stay below: far from overflow for the lifetime of any device.
    public static let limit: UInt64 = 1 << 62

    public var run: UInt64
    /// No envelope has this sequence number or a higher one.
    public var next: UInt64
    /// The last envelope; nil unless the run before ended in order.
    public var head: ChainHead?
    /// What was given up and not told yet.
    public var gaps: [Gap]

    public func encoded() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 2048)
        var writer = CBORWriter(bytes.mutableSpan)
        writer.array(4)
        writer.unsigned(run)
        writer.unsigned(next)
        if let head { writer.head(head) } else { writer.null() }
        writer.array(gaps.count)
        for gap in gaps { writer.bytes(gap.encoded().span) }
        guard let count = try? writer.finish() else { return nil }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// nil if the bytes are not a saved state.
    public init?(decoding bytes: [UInt8]) {
        do throws(CBORError) {
            var reader = CBORReader(bytes.span)
            try reader.array(exactly: 4)
            run = try reader.unsigned()
            next = try reader.unsigned()
            head = nil
            if try !reader.isNull() { head = try reader.head(bytes.span) }
            gaps = []
            for _ in 0..<(try reader.array()) {
                let range = try reader.bytes()
                guard let gap = try? Gap(decoding: bytes.span.extracting(range)) else { return nil }
                gaps.append(gap)
            }
            try reader.finish()
        } catch {
            return nil
        }
        guard run < Self.limit, next < Self.limit, head.map({ $0.sequence < next }) ?? true,
            gaps.count <= GapList.capacity, gaps.allSatisfy({ $0.last < next })
        else { return nil }
    }

    public init(run: UInt64, next: UInt64, head: ChainHead? = nil, gaps: [Gap] = []) {
        self.run = run
        self.next = next
        self.head = head
        self.gaps = gaps
    }
}
