// SPDX-License-Identifier: Apache-2.0

import MartletCBOR

/// Reads a SenML pack in deterministic CBOR, record by record, and resolves base fields.
///
/// Total on any input; never allocates but in `name(of:)`. After an error the reader is of no further use.
public struct SenMLReader: ~Copyable, ~Escapable {
    /// Base fields stay in force until the same field comes again.
    private struct Base {
        var name = 0..<0
        var unit: Range<Int>?
        var time = 0.0
        var value = 0.0
        var sum: Double?
    }

    private let input: Span<UInt8>
    private var reader: CBORReader
    private var base = Base()
    private var version = SenML.version
    private var isFirst = true

    /// The number of records that are still to be read.
    public private(set) var remaining: Int

    /// Reads the header of the pack.
    @_lifetime(copy input)
    public init(_ input: Span<UInt8>) throws(SenMLError) {
        var reader = CBORReader(input)
        let count: Int
        do throws(CBORError) {
            count = try reader.array()
        } catch {
            throw .cbor(error)
        }
        guard count > 0 else { throw .emptyPack }
        self.input = input
        self.reader = reader
        self.remaining = count
    }

    /// The next record; nil once the pack has ended and nothing follows it.
    public mutating func next() throws(SenMLError) -> SenMLResolvedRecord? {
        guard remaining > 0 else {
            try read { (cbor) throws(CBORError) in try cbor.finish() }
            return nil
        }
        let start = reader.offset
        var record = SenMLResolvedRecord()
        let fields = try read { (cbor) throws(CBORError) in try cbor.map() }
        for _ in 0..<fields {
            let at = reader.offset
            switch try read({ (cbor) throws(CBORError) in try cbor.next() }) {
            case .unsigned(let label): try field(label, of: &record, at: at)
            case .negative(let label): try baseField(label, at: at)
            case .text(let label) where label.isEmpty || input[label.upperBound - 1] != 0x5f: try skip()
            default: throw .label(at: at)
            }
        }
        try resolve(&record, at: start)
        remaining -= 1
        isFirst = false
        return record
    }

    /// The name as one array, for callers that keep it. `record` must come from this reader.
    public func name(of record: SenMLResolvedRecord) -> [UInt8] {
        [UInt8](capacity: record.baseName.count + record.name.count) { (name) in
            for index in record.baseName { name.append(input[index]) }
            for index in record.name { name.append(input[index]) }
        }
    }

    private mutating func field(
        _ label: UInt64, of record: inout SenMLResolvedRecord, at: Int
    ) throws(SenMLError) {
        switch label {
        case Label.name: record.name = try nameText(at: at)
        case Label.unit: record.unit = try unitText(at: at)
        case Label.value: try set(.number(number(at: at)), of: &record, at: at)
        case Label.stringValue: try set(.string(text()), of: &record, at: at)
        case Label.booleanValue:
            try set(.boolean(read { (cbor) throws(CBORError) in try cbor.bool() }), of: &record, at: at)
        case Label.sum: record.sum = try number(at: at)
        case Label.time: record.time = .relative(seconds: try number(at: at))
        case Label.updateTime: record.updateTime = try number(at: at)
        case Label.dataValue:
            try set(.data(read { (cbor) throws(CBORError) in try cbor.bytes() }), of: &record, at: at)
        default: try skip()
        }
    }

    private mutating func baseField(_ label: UInt64, at: Int) throws(SenMLError) {
        switch label {
        case Label.baseVersion:
            let value = try read { (cbor) throws(CBORError) in try cbor.unsigned() }
            guard isFirst ? (1...SenML.version).contains(value) : value == version else { throw .version(at: at) }
            version = value
        case Label.baseName: base.name = try nameText(at: at)
        case Label.baseTime: base.time = try number(at: at)
        case Label.baseUnit: base.unit = try unitText(at: at)
        case Label.baseValue: base.value = try number(at: at)
        case Label.baseSum: base.sum = try number(at: at)
        default: try skip()
        }
    }

    /// Applies the base fields, and checks what only the whole record shows. The base value is added to a number;
    /// values of other types, and a record with a sum alone, do not have it.
    private func resolve(_ record: inout SenMLResolvedRecord, at start: Int) throws(SenMLError) {
        record.baseName = base.name
        let length = record.baseName.count + record.name.count
        guard (1...SenML.longestResolvedName).contains(length),
            SenML.isAlphanumeric(input[record.baseName.isEmpty ? record.name.lowerBound : record.baseName.lowerBound])
        else { throw .name(at: start) }

        guard record.value != nil || record.sum != nil else { throw .noValue(at: start) }
        if case .number(let value) = record.value {
            record.value = .number(try finite(value + base.value, at: start))
        }
        if let baseSum = base.sum {
            record.sum = try finite((record.sum ?? 0) + baseSum, at: start)
        }
        record.time = SenMLTime(resolved: try finite(record.time.seconds + base.time, at: start))
        record.unit = record.unit ?? base.unit
    }

    private func set(
        _ value: SenMLResolvedRecord.Value, of record: inout SenMLResolvedRecord, at: Int
    ) throws(SenMLError) {
        guard record.value == nil else { throw .secondValue(at: at) }
        record.value = value
    }

    private mutating func number(at: Int) throws(SenMLError) -> Double {
        try finite(read { (cbor) throws(CBORError) in try cbor.number() }, at: at)
    }

    private func finite(_ number: Double, at: Int) throws(SenMLError) -> Double {
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
