// SPDX-License-Identifier: Apache-2.0

import MartletCBOR

/// Reads a SenML pack in deterministic CBOR, record by record, and resolves base fields.
///
///     var reader = SenMLReader(input)
///     while try reader.next() { use(reader.record) }
///
/// Total on any input; never allocates but in `name()`. After an error the reader is of no further use.
public struct SenMLReader: ~Copyable, ~Escapable {
    /// Base fields stay in force until the same field comes again. The base name is kept in `record`.
    private struct Base {
        var unit: Range<Int>?
        var time = 0.0
        var value = 0.0
        var sum: Double?
    }

    private let input: Span<UInt8>
    private var reader: CBORReader
    private var base = Base()
    private var version = SenML.version
    /// Nil before the header of the pack is read.
    private var recordsLeft: Int?
    private var isFirst = true

    /// The record that `next` has read last.
    public private(set) var record = SenMLResolvedRecord()

    @_lifetime(copy input)
    public init(_ input: Span<UInt8>) {
        self.input = input
        self.reader = CBORReader(input)
    }

    /// Reads a record into `record`; false once the pack has ended and nothing follows it.
    public mutating func next() throws(SenMLError) -> Bool {
        let left: Int
        if let recordsLeft {
            left = recordsLeft
        } else {
            left = try read { (cbor) throws(CBORError) in try cbor.array() }
            guard left > 0 else { throw .emptyPack }
        }
        guard left > 0 else {
            try read { (cbor) throws(CBORError) in try cbor.finish() }
            return false
        }
        recordsLeft = left - 1

        let start = reader.offset
        record.clear()
        let fields = try read { (cbor) throws(CBORError) in try cbor.map() }
        for _ in 0..<fields {
            let at = reader.offset
            switch try read({ (cbor) throws(CBORError) in try cbor.next() }) {
            case .unsigned(let label): try field(label, at: at)
            case .negative(let label): try baseField(label, at: at)
            case .text(let label) where label.isEmpty || input[label.upperBound - 1] != 0x5f: try skip()
            default: throw .label(at: at)
            }
        }
        try resolve(at: start)
        isFirst = false
        return true
    }

    /// The name of `record` as one array, for callers that keep it.
    public func name() -> [UInt8] {
        [UInt8](capacity: record.baseName.count + record.name.count) { (name) in
            for index in record.baseName { name.append(input[index]) }
            for index in record.name { name.append(input[index]) }
        }
    }

    private mutating func field(_ label: UInt64, at: Int) throws(SenMLError) {
        switch label {
        case Label.name: record.name = try nameText(at: at)
        case Label.unit: record.unit = try unitText(at: at)
        case Label.value: try set(.number(number(at: at)), at: at)
        case Label.stringValue: try set(.string(text()), at: at)
        case Label.booleanValue: try set(.boolean(read { (cbor) throws(CBORError) in try cbor.bool() }), at: at)
        case Label.sum: record.sum = try number(at: at)
        case Label.time: record.time = .relative(seconds: try number(at: at))
        case Label.updateTime: record.updateTime = try number(at: at)
        case Label.dataValue: try set(.data(read { (cbor) throws(CBORError) in try cbor.bytes() }), at: at)
        default: try skip()
        }
    }

    private mutating func baseField(_ label: UInt64, at: Int) throws(SenMLError) {
        switch label {
        case Label.baseVersion:
            let value = try read { (cbor) throws(CBORError) in try cbor.unsigned() }
            guard isFirst ? (1...SenML.version).contains(value) : value == version else { throw .version(at: at) }
            version = value
        case Label.baseName: record.baseName = try nameText(at: at)
        case Label.baseTime: base.time = try number(at: at)
        case Label.baseUnit: base.unit = try unitText(at: at)
        case Label.baseValue: base.value = try number(at: at)
        case Label.baseSum: base.sum = try number(at: at)
        default: try skip()
        }
    }

    /// Applies the base fields, and checks what only the whole record shows. The base value is added to a number;
    /// values of other types, and a record with a sum alone, do not have it.
    private mutating func resolve(at start: Int) throws(SenMLError) {
        let length = record.baseName.count + record.name.count
        guard (1...SenML.longestResolvedName).contains(length),
            SenML.isAlphanumeric(input[record.baseName.isEmpty ? record.name.lowerBound : record.baseName.lowerBound])
        else { throw .name(at: start) }

        guard record.value != nil || record.sum != nil else { throw .noValue(at: start) }
        if case .number(let value) = record.value {
            record.value = .number(try Self.finite(value + base.value, at: start))
        }
        if let baseSum = base.sum {
            record.sum = try Self.finite((record.sum ?? 0) + baseSum, at: start)
        }
        record.time = SenMLTime(resolved: try Self.finite(record.time.seconds + base.time, at: start))
        if record.unit == nil { record.unit = base.unit }
    }

    private mutating func set(_ value: SenMLResolvedRecord.Value, at: Int) throws(SenMLError) {
        guard record.value == nil else { throw .secondValue(at: at) }
        record.value = value
    }

    private mutating func number(at: Int) throws(SenMLError) -> Double {
        try Self.finite(read { (cbor) throws(CBORError) in try cbor.number() }, at: at)
    }

    private static func finite(_ number: Double, at: Int) throws(SenMLError) -> Double {
        guard SenML.isNumber(number) else { throw .notFinite(at: at) }
        return number
    }

    private mutating func text() throws(SenMLError) -> Range<Int> {
        try read { (cbor) throws(CBORError) in try cbor.text() }
    }

    private mutating func nameText(at: Int) throws(SenMLError) -> Range<Int> {
        let name = try text()
        guard SenML.hasNameCharactersOnly(input.extracting(name)) else { throw .name(at: at) }
        return name
    }

    private mutating func unitText(at: Int) throws(SenMLError) -> Range<Int> {
        let unit = try text()
        guard SenML.isUnit(input.extracting(unit)) else { throw .unit(at: at) }
        return unit
    }

    private mutating func skip() throws(SenMLError) {
        try read { (cbor) throws(CBORError) in try cbor.skip() }
    }

    private mutating func read<R>(_ body: (inout CBORReader) throws(CBORError) -> R) throws(SenMLError) -> R {
        do throws(CBORError) {
            return try body(&reader)
        } catch {
            throw .cbor(error)
        }
    }
}
