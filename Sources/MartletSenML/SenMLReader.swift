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
    private var recordsLeft = 0
    /// Whether no record was read yet, nor the header of the pack.
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
        if isFirst {
            recordsLeft = try read { (cbor) throws(CBORError) in try cbor.shortArray() }
            guard recordsLeft > 0 else { throw .emptyPack }
        }
        guard recordsLeft > 0 else {
            try read { (cbor) throws(CBORError) in try cbor.finish() }
            return false
        }
        recordsLeft &-= 1

        let start = reader.offset
        record.clear()
        let fields = try read { (cbor) throws(CBORError) in try cbor.shortMap() }
        for _ in 0..<fields {
            let at = reader.offset
            if let label = try read({ (cbor) throws(CBORError) in try cbor.shortInteger() }) {
                try field(label, at: at)
            } else {
                try otherField(at: at)
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

    private mutating func field(_ label: UInt8, at: Int) throws(SenMLError) {
        switch label {
        case Label.name, Label.baseName:
            let name = try name(at: at)
            if label == Label.name { record.name = name } else { record.baseName = name }
        case Label.unit, Label.baseUnit:
            let unit = try unit(at: at)
            if label == Label.unit { record.unit = unit } else { base.unit = unit }
        case Label.value, Label.sum, Label.time, Label.updateTime, Label.baseTime, Label.baseValue, Label.baseSum:
            let number = try number(at: at)
            switch label {
            case Label.value: try set(.number(number), at: at)
            case Label.time: record.time = .relative(seconds: number)
            case Label.sum: record.sum = number
            case Label.updateTime: record.updateTime = number
            case Label.baseTime: base.time = number
            case Label.baseValue: base.value = number
            default: base.sum = number
            }
        case Label.stringValue: try set(.string(text()), at: at)
        case Label.booleanValue: try set(.boolean(read { (cbor) throws(CBORError) in try cbor.bool() }), at: at)
        case Label.dataValue: try set(.data(read { (cbor) throws(CBORError) in try cbor.bytes() }), at: at)
        case Label.baseVersion:
            let value = try read { (cbor) throws(CBORError) in try cbor.unsigned() }
            guard isFirst ? (1...SenML.version).contains(value) : value == version else { throw .version(at: at) }
            version = value
        default: try skip()
        }
    }

    /// A field with a label beyond those that RFC 8428 gives a meaning.
    private mutating func otherField(at: Int) throws(SenMLError) {
        switch try read({ (cbor) throws(CBORError) in try cbor.next() }) {
        case .unsigned, .negative: try skip()
        case .text(let label) where label.isEmpty || input[label.upperBound - 1] != 0x5f: try skip()
        default: throw .label(at: at)
        }
    }

    /// Applies the base fields, and checks what only the whole record shows. The base value is added to a number;
    /// values of other types, and a record with a sum alone, do not have it.
    private mutating func resolve(at start: Int) throws(SenMLError) {
        let (baseName, name) = (record.baseName, record.name)
        let length = (baseName.upperBound &- baseName.lowerBound) &+ (name.upperBound &- name.lowerBound)
        guard (1...SenML.longestResolvedName).contains(length),
            SenML.isAlphanumeric(input[baseName.isEmpty ? name.lowerBound : baseName.lowerBound])
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

    @inline(__always)
    private mutating func number(at: Int) throws(SenMLError) -> Double {
        try Self.finite(read { (cbor) throws(CBORError) in try cbor.number() }, at: at)
    }

    private static func finite(_ number: Double, at: Int) throws(SenMLError) -> Double {
        guard SenML.isNumber(number) else { throw .notFinite(at: at) }
        return number
    }

    @inline(__always)
    private mutating func name(at: Int) throws(SenMLError) -> Range<Int> {
        let start = reader.offset
        let name = try ascii()
        guard SenML.hasNameCharactersOnly(input, in: name) else { throw refusal(of: name, from: start, .name(at: at)) }
        return name
    }

    @inline(__always)
    private mutating func unit(at: Int) throws(SenMLError) -> Range<Int> {
        let start = reader.offset
        let unit = try ascii()
        guard SenML.isUnit(input, in: unit) else { throw refusal(of: unit, from: start, .unit(at: at)) }
        return unit
    }

    @inline(__always)
    private mutating func ascii() throws(SenMLError) -> Range<Int> {
        try read { (cbor) throws(CBORError) in try cbor.unvalidatedText() }
    }

    /// A text that is not UTF-8 is refused for that.
    @inline(never)
    private func refusal(of text: Range<Int>, from start: Int, _ error: SenMLError) -> SenMLError {
        input.isUTF8(in: text) ? error : .cbor(.notUTF8(at: start))
    }

    private mutating func text() throws(SenMLError) -> Range<Int> {
        try read { (cbor) throws(CBORError) in try cbor.text() }
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
