// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCBOR
import MartletSenML

/// A resolved record by its contents instead of ranges.
struct Reading: Equatable {
    enum Value: Equatable {
        case number(Double), string(String), boolean(Bool), data([UInt8])
    }

    var name: String
    var unit: String?
    var value: Value?
    var sum: Double?
    var time: SenMLTime = .relative(seconds: 0)
    var updateTime: Double?
}

/// Reads a whole pack.
func readings(_ input: [UInt8]) throws(SenMLError) -> [Reading] {
    func string(_ range: Range<Int>) -> String { String(decoding: input[range], as: UTF8.self) }
    var reader = SenMLReader(input.span)
    var readings: [Reading] = []
    while try reader.next() {
        let record = reader.record
        let value: Reading.Value? =
            switch record.value {
            case .number(let number): .number(number)
            case .string(let range): .string(string(range))
            case .boolean(let boolean): .boolean(boolean)
            case .data(let range): .data(Array(input[range]))
            case nil: nil
            }
        readings.append(
            Reading(
                name: String(decoding: reader.name(), as: UTF8.self), unit: record.unit.map(string),
                value: value, sum: record.sum, time: record.time, updateTime: record.updateTime))
    }
    return readings
}

/// Why the pack is refused; nil if it is read.
func refusal(_ input: [UInt8]) -> SenMLError? {
    do throws(SenMLError) {
        _ = try readings(input)
        return nil
    } catch {
        return error
    }
}

/// What `body` writes.
func written(_ body: (inout CBORWriter) -> Void) throws(CBORError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0xee, count: 4096)
    var writer = CBORWriter(buffer.mutableSpan)
    body(&writer)
    let count = try writer.finish()
    return Array(buffer[..<count])
}

/// A pack of one record, whose map is given by its pairs in any order: a label, then an encoded value.
/// Labels are integers or text as in RFC 8428 table 4, "bt" for -3.
func pack(_ records: [(label: String, value: [UInt8])]...) -> [UInt8] {
    [0x80 | UInt8(records.count)]
        + records.flatMap { record in
            let pairs = record.map { (labels[$0.label] ?? text($0.label)) + $0.value }
            return [0xa0 | UInt8(pairs.count)] + pairs.sorted { $0.lexicographicallyPrecedes($1) }.joined()
        }
}

let labels: [String: [UInt8]] = [
    "bver": [0x20], "bn": [0x21], "bt": [0x22], "bu": [0x23], "bv": [0x24], "bs": [0x25], "n": [0x00], "u": [0x01],
    "v": [0x02], "vs": [0x03], "vb": [0x04], "s": [0x05], "t": [0x06], "ut": [0x07], "vd": [0x08], "9": [0x09],
    "-7": [0x26],
]

func text(_ string: String) -> [UInt8] {
    try! written { $0.text(Array(string.utf8).span) }
}

/// A number as an integer where it is integral, else as a float.
func number(_ value: Double) -> [UInt8] {
    try! written { writer in
        if let integer = Int64(exactly: value) { writer.integer(integer) } else { writer.double(value) }
    }
}

func bytes(hex: String) -> [UInt8] {
    let digits = hex.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
}
