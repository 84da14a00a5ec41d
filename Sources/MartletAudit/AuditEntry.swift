// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletCOSE
public import MartletEnvelope
internal import MartletMessages

/// When something happened, as far as the device knows.
public struct AuditTime: Equatable, Sendable {
    public var run: UInt64
    /// CLOCK_BOOTTIME in milliseconds.
    public var boot: UInt64
    /// Unix seconds, at most 2^40; nil while the clock is untrusted.
    public var seconds: UInt64?
    public var clock: ClockState

    public init(run: UInt64, boot: UInt64, seconds: UInt64?, clock: ClockState) {
        self.run = run
        self.boot = boot
        self.seconds = seconds
        self.clock = clock
    }
}

/// One entry of the audit log: deterministic CBOR
/// `[index, previous, kind, [run, boot ms, seconds or null, clock state], [value, …]]`.
/// Its hash, SHA-256 of these bytes, is what the next one names as `previous`.
public struct AuditEntry: Equatable, Sendable {
    public static let maximumValues = 9
    /// The most bytes of an encoded entry.
    public static let maximumSize = 448

    /// Counts from 1, and skips only where the device was rolled back or its state damaged.
    public var index: UInt64
    /// Hash of the entry before; 32 zero bytes in the entry with index 1, and only there.
    public var previous: Digest
    /// The code of its kind, which a later version of the protocol may have given to a kind of its own.
    public var code: UInt64
    public var time: AuditTime
    public var values: [AuditValue]

    public init(index: UInt64, previous: Digest, kind: AuditKind, time: AuditTime, values: [AuditValue]) {
        self.index = index
        self.previous = previous
        code = UInt64(kind.rawValue)
        self.time = time
        self.values = values
    }

    /// nil if this version does not know it.
    public var kind: AuditKind? { AuditKind(rawValue: UInt8(clamping: code)) }

    /// nil if a reader would refuse it: values that a known kind does not have, a time that contradicts itself, index 0,
    /// a predecessor of the first or none of another. `first`: a byte before it.
    public func encoded(after first: UInt8? = nil) -> [UInt8]? {
        if flaw != nil { return nil }
        // 96: more than all takes that is not a value. Entries are kept, so they get no more room than they need.
        let size = values.reduce(96) { $0 + $1.size }
        return CBORWriter.encode(limit: min(size, Self.maximumSize), after: first) { writer in
            writer.array(5)
            writer.unsigned(index)
            writer.bytes(previous.bytes.span)
            writer.unsigned(code)
            writer.array(4)
            writer.unsigned(time.run)
            writer.unsigned(time.boot)
            writer.optional(time.seconds)
            writer.unsigned(UInt64(time.clock.rawValue))
            writer.array(values.count)
            for value in values {
                switch value {
                case .number(let number): writer.unsigned(number)
                case .bytes(let bytes): writer.bytes(bytes.span)
                case .text(let text): writer.text(text.span)
                }
            }
        }
    }

    public init(decoding entry: Span<UInt8>) throws(AuditError) {
        if entry.count > Self.maximumSize { throw .tooLarge }
        let clock: UInt64
        do throws(CBORError) {
            var reader = CBORReader(entry)
            try reader.array(exactly: 5)
            index = try reader.unsigned()
            previous = try reader.digest(entry)
            code = try reader.unsigned()
            try reader.array(exactly: 4)
            time = AuditTime(run: try reader.unsigned(), boot: try reader.unsigned(), seconds: nil, clock: .untrusted)
            if try !reader.isNull() { time.seconds = try reader.unsigned() }
            clock = try reader.unsigned()
            values = try Self.values(&reader, entry)
            try reader.finish()
        } catch {
            throw .malformed(error)
        }
        guard let clock = ClockState(rawValue: UInt8(clamping: clock)) else { throw .badTime }
        time.clock = clock
        if let flaw { throw flaw }
    }

    private static func values(
        _ reader: inout CBORReader, _ entry: Span<UInt8>
    ) throws(CBORError) -> [AuditValue] {
        let at = reader.offset
        let count = try reader.array()
        if count > maximumValues { throw .unexpected(at: at) }
        var values: [AuditValue] = []
        for _ in 0..<count {
            let at = reader.offset
            switch try reader.next() {
            case .unsigned(let number): values.append(.number(number))
            case .bytes(let range): values.append(.bytes([UInt8](copying: entry.extracting(range))))
            case .text(let range): values.append(.text([UInt8](copying: entry.extracting(range))))
            default: throw .unexpected(at: at)
            }
        }
        return values
    }

    /// What keeps it from being an entry.
    private var flaw: AuditError? {
        if index == 0 { return .badIndex }
        if (index == 1) != (previous == .zero) { return .badPrevious }
        if let seconds = time.seconds, time.clock == .untrusted || seconds > 1 << 40 { return .badTime }
        guard let kind else { return nil }
        return kind.allows(values) ? nil : .badValues
    }
}

extension Digest {
    /// What the first entry has in the place of its predecessor's hash.
    static var zero: Digest { Digest(InlineArray(repeating: 0)) }
}
