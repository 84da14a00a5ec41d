// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCBOR

/// Reads one item with all its children through `next`, and the end.
func items(_ input: [UInt8]) throws(CBORError) -> [CBORItem] {
    var reader = CBORReader(input.span)
    var items: [CBORItem] = []
    var pending = 1
    while pending > 0 {
        let item = try reader.next()
        items.append(item)
        switch item {
        case .array(let count): pending += count - 1
        case .map(let count): pending += 2 * count - 1
        case .tag: break
        default: pending -= 1
        }
    }
    try reader.finish()
    return items
}

/// Why `next` or `finish` refuses the input; nil if they accept it.
func refusal(_ input: [UInt8]) -> CBORError? {
    do throws(CBORError) {
        _ = try items(input)
        return nil
    } catch {
        return error
    }
}

/// Why `skip` or `finish` refuses the input; nil if they accept it.
func refusalBySkip(_ input: [UInt8]) -> CBORError? {
    do throws(CBORError) {
        var reader = CBORReader(input.span)
        try reader.skip()
        try reader.finish()
        return nil
    } catch {
        return error
    }
}

/// What `body` writes into a buffer of `capacity` bytes.
func written(
    capacity: Int = 4096, _ body: (inout CBORWriter) -> Void
) throws(CBORError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0xee, count: capacity)
    var writer = CBORWriter(buffer.mutableSpan)
    body(&writer)
    let count = try writer.finish()
    return Array(buffer[..<count])
}

/// Writes items back. `source` is the input that their ranges refer to.
func write(_ items: [CBORItem], source: [UInt8], to writer: inout CBORWriter) {
    for item in items {
        switch item {
        case .unsigned(let value): writer.unsigned(value)
        case .negative(let value): writer.negative(value)
        case .bytes(let range): writer.bytes(source.span.extracting(range))
        case .text(let range): writer.text(source.span.extracting(range))
        case .array(let count): writer.array(count)
        case .map(let count): writer.map(count)
        case .tag(let number): writer.tag(number)
        case .bool(let value): writer.bool(value)
        case .null: writer.null()
        case .undefined: writer.raw([0xf7].span)
        case .simple(let value): writer.raw((value < 24 ? [0xe0 | value] : [0xf8, value]).span)
        case .float(let value): writer.double(value)
        }
    }
}

func encoded(_ items: [CBORItem], source: [UInt8]) throws(CBORError) -> [UInt8] {
    try written(capacity: source.count) { write(items, source: source, to: &$0) }
}

/// RFC 8949 section 8 diagnostic notation, as far as appendix A uses it.
struct Diagnostic {
    private var rest: ArraySlice<CBORItem>
    private let source: [UInt8]

    static func text(_ items: [CBORItem], source: [UInt8]) -> String {
        var diagnostic = Diagnostic(rest: items[...], source: source)
        return diagnostic.item()
    }

    private mutating func item() -> String {
        guard let first = rest.popFirst() else { return "?" }
        switch first {
        case .unsigned(let value): return "\(value)"
        case .negative(let value): return "\(-1 - Int128(value))"
        case .bytes(let range): return "h'\(hex(source[range]))'"
        case .text(let range): return "\"\(String(decoding: source[range], as: UTF8.self))\""
        case .array(let count):
            return "[" + (0..<count).map { _ in item() }.joined(separator: ", ") + "]"
        case .map(let count):
            return "{" + (0..<count).map { _ in item() + ": " + item() }.joined(separator: ", ") + "}"
        case .tag(let number): return "\(number)(\(item()))"
        case .bool(let value): return "\(value)"
        case .null: return "null"
        case .undefined: return "undefined"
        case .simple(let value): return "simple(\(value))"
        case .float(let value) where value.isNaN: return "NaN"
        case .float(let value) where value.isInfinite: return value < 0 ? "-Infinity" : "Infinity"
        case .float(let value): return "\(value)"
        }
    }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
}

/// Hex digits, with spaces between bytes where that reads better.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// SplitMix64: the same seed gives the same run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// A fresh seed, or that of the environment variable MARTLET_SEED; printed, so that a failure can be repeated.
    static func announced(_ test: String) -> SeededGenerator {
        let seed = ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap(UInt64.init) ?? .random(in: 0 ... .max)
        print("\(test): MARTLET_SEED=\(seed)")
        return SeededGenerator(seed: seed)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
