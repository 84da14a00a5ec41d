// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletSenML

/// Why a reading was not taken.
public enum ReadingError: Error, Equatable, Sendable {
    /// A name is 1 to 64 bytes: letters, digits and `-:./_`, the first a letter or digit.
    case badName
    /// A unit is 1 to 16 visible ASCII characters, or nothing.
    case badUnit
    /// NaN and infinities are no measurements.
    case notFinite
    /// A text or data value has at most `ReadingBatch.maximumValueLength` bytes.
    case tooLong
    /// A text value is UTF-8: one that is not would make the whole pack unreadable.
    case notUTF8
    /// The batch is full, and the queue cannot take it: the reading is dropped and counted.
    case full
}

/// Readings that wait to be signed together, in memory that is allocated once, for the first of them.
public struct ReadingBatch {
    /// Bytes of a text or data value.
    public static let maximumValueLength = 1024

    /// Bytes of a name (`SenML.isName`), a unit (`SenML.isUnit`) and a value.
    private static let maximumReading = 64 + 16 + maximumValueLength

    /// When a batch is closed.
    public struct Limits: Sendable {
        /// Readings.
        public var count = 32
        /// Bytes of names, units and values, and 24 for each reading's fixed part.
        public var bytes = 4096
        /// Milliseconds since the first reading.
        public var age: UInt64 = 10_000

        public init() {}
    }

    private enum Kind { case number(Double), boolean(Bool), string, data }

    private struct Record {
        var name = 0..<0
        var unit = 0..<0
        var value = 0..<0
        var kind = Kind.string
        var time: UInt64 = 0
    }

    public let limits: Limits
    /// The first `count` of them are readings.
    private var records: [Record] = []
    public private(set) var count = 0
    /// The first `used` of them are names, units and values.
    private var bytes: [UInt8] = []
    private var used = 0

    public init(limits: Limits) {
        self.limits = limits
    }

    /// Adds a reading taken at `time`, boot time in milliseconds. An empty unit is none. On an error nothing was
    /// added.
    public mutating func append(
        name: Span<UInt8>, unit: Span<UInt8>, value: borrowing SenMLRecord.Value, time: UInt64
    ) throws(ReadingError) {
        if !SenML.isName(name) { throw .badName }
        if !unit.isEmpty && !SenML.isUnit(unit) { throw .badUnit }
        var length = 0
        switch copy value {
        case .number(let number): if !SenML.isNumber(number) { throw .notFinite }
        case .boolean: break
        case .string(let content):
            length = content.count
            if length <= Self.maximumValueLength, (try? UTF8Span(validating: content)) == nil { throw .notUTF8 }
        case .data(let content): length = content.count
        }
        if length > Self.maximumValueLength { throw .tooLong }
        let room = limits.bytes - used - 24 * (count + 1)
        if isFull || name.count + unit.count + length > room { throw .full }
        if records.isEmpty {
            records = [Record](repeating: Record(), count: limits.count)
            bytes = [UInt8](repeating: 0, count: min(limits.bytes, limits.count * Self.maximumReading))
        }
        let kind: Kind
        var content = 0..<0
        switch copy value {
        case .number(let number): kind = .number(number)
        case .boolean(let boolean): kind = .boolean(boolean)
        case .string(let text):
            kind = .string
            content = store(text)
        case .data(let data):
            kind = .data
            content = store(data)
        }
        records[count] = Record(name: store(name), unit: store(unit), value: content, kind: kind, time: time)
        count += 1
    }

    private mutating func store(_ content: Span<UInt8>) -> Range<Int> {
        let start = used
        for index in content.indices {
            bytes[used] = content[index]
            used += 1
        }
        return start..<used
    }

    /// Whether no reading has room, however short.
    var isFull: Bool { count >= limits.count }

    /// Boot time in milliseconds at which the batch must be closed; nil while it is empty.
    public var due: UInt64? { count > 0 ? records[0].time &+ limits.age : nil }

    /// Writes the readings as a SenML pack. Gives the number of bytes written; 0 if `payload` is too small, which
    /// `packSize(limits)` bytes are not.
    ///
    /// `wallClock`: what to add to boot time to get milliseconds since 1970; nil while the clock is untrusted:
    /// times are then relative to `now`, not positive.
    public func encode(into payload: inout [UInt8], now: UInt64, wallClock: Int64?) -> Int {
        var writer = CBORWriter(payload.mutableSpan)
        writer.array(count)
        let first = count > 0 ? records[0].time : 0
        for index in 0..<count {
            let record = records[index]
            let name = bytes.span.extracting(record.name)
            let unit = bytes.span.extracting(record.unit)
            let content = bytes.span.extracting(record.value)
            let value: SenMLRecord.Value
            switch record.kind {
            case .number(let number): value = .number(number)
            case .boolean(let boolean): value = .boolean(boolean)
            case .string: value = .string(content)
            case .data: value = .data(content)
            }
            if let wallClock {
                // The first reading's time is the base; the others tell how much later they are.
                let base = index == 0 ? Int64(clamping: first) &+ wallClock : nil
                let time = index == 0 ? nil : Int64(clamping: record.time) &- Int64(clamping: first)
                SenMLRecord(name: name, unit: unit, value: value, time: time)
                    .write(to: &writer, base: SenMLRecord.Base(time: base))
            } else {
                let time = Int64(clamping: record.time) &- Int64(clamping: now)
                SenMLRecord(name: name, unit: unit, value: value, time: min(0, time)).write(to: &writer)
            }
        }
        return (try? writer.finish()) ?? 0
    }

    /// Forgets the readings.
    public mutating func removeAll() {
        count = 0
        used = 0
    }

    /// Bytes that suffice for any batch within `limits`.
    public static func packSize(_ limits: Limits) -> Int { limits.bytes + 32 * limits.count + 32 }
}
