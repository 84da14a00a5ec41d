// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCBOR
import Testing

/// RFC 8949 appendix A: what is deterministic there is read and written back, all else is refused.
@Suite struct AppendixATests {
    struct Vector: Decodable {
        let hex: String
        let roundtrip: Bool
        let decoded: Value?
        let diagnostic: String?

        var input: [UInt8] { bytes(hex: hex) }
    }

    /// A JSON value. An absent and a null "decoded" are the same here; null alone has no diagnostic notation either.
    indirect enum Value: Decodable {
        case null
        case bool(Bool)
        /// As the nearest Double, and as a Decimal where that can hold it: integers here exceed a Double's precision.
        case number(Double, Decimal?)
        case string(String)
        case array([Value])
        case map([String: Value])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let value = try? container.decode(Bool.self) {
                self = .bool(value)
            } else if let value = try? container.decode(Double.self) {
                self = .number(value, try? container.decode(Decimal.self))
            } else if let value = try? container.decode(String.self) {
                self = .string(value)
            } else if let value = try? container.decode([Value].self) {
                self = .array(value)
            } else {
                self = .map(try container.decode([String: Value].self))
            }
        }
    }

    static let vectors: [Vector] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Vectors/cbor-appendix-a.json")
        do {
            return try JSONDecoder().decode([Vector].self, from: Data(contentsOf: file))
        } catch {
            fatalError("\(file.path): \(error)")
        }
    }()

    /// f818 was allowed by RFC 7049, whose appendix the file still follows; RFC 8949 section 3.3 is not.
    static let refusals: [String: CBORError] = [
        "f818": .reserved(at: 0),
        "fa7f800000": .notShortest(at: 0),
        "fa7fc00000": .notShortest(at: 0),
        "faff800000": .notShortest(at: 0),
        "fb7ff0000000000000": .notShortest(at: 0),
        "fb7ff8000000000000": .notShortest(at: 0),
        "fbfff0000000000000": .notShortest(at: 0),
        "5f42010243030405ff": .indefiniteLength(at: 0),
        "7f657374726561646d696e67ff": .indefiniteLength(at: 0),
        "9fff": .indefiniteLength(at: 0),
        "9f018202039f0405ffff": .indefiniteLength(at: 0),
        "9f01820203820405ff": .indefiniteLength(at: 0),
        "83018202039f0405ff": .indefiniteLength(at: 5),
        "83019f0203ff820405": .indefiniteLength(at: 2),
        "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff": .indefiniteLength(at: 0),
        "bf61610161629f0203ffff": .indefiniteLength(at: 0),
        "826161bf61626163ff": .indefiniteLength(at: 3),
        "bf6346756ef563416d7421ff": .indefiniteLength(at: 0),
    ]

    static var accepted: [Vector] { vectors.filter { refusals[$0.hex] == nil } }

    @Test func `all 82 vectors are there and each is accepted or has its reason`() {
        #expect(Self.vectors.count == 82)
        #expect(Self.accepted.count == 82 - Self.refusals.count)
        #expect(!Self.accepted.contains { !$0.roundtrip })
    }

    @Test func `deterministic vectors survive reading and writing`() throws {
        for vector in Self.accepted {
            #expect(try encoded(items(vector.input), source: vector.input) == vector.input, "\(vector.hex)")
            #expect(refusalBySkip(vector.input) == nil, "\(vector.hex)")
        }
    }

    @Test func `vectors have the values that the appendix states`() throws {
        for vector in Self.accepted {
            let items = try items(vector.input)
            if let diagnostic = vector.diagnostic {
                #expect(Diagnostic.text(items, source: vector.input) == diagnostic)
            } else {
                var rest = items[...]
                #expect(take(&rest, vector.input, matches: vector.decoded ?? .null), "\(vector.hex)")
                #expect(rest.isEmpty, "\(vector.hex)")
            }
        }
    }

    @Test func `vectors that are not deterministic are refused for their reason`() {
        for (hex, reason) in Self.refusals {
            #expect(refusal(bytes(hex: hex)) == reason, "\(hex)")
            #expect(refusalBySkip(bytes(hex: hex)) == reason, "\(hex)")
        }
    }

    @Test func `every prefix of every vector is refused`() throws {
        for vector in Self.vectors {
            for length in 0..<vector.input.count {
                let reason = try #require(refusal(Array(vector.input[..<length])), "\(vector.hex) cut at \(length)")
                guard Self.refusals[vector.hex] == nil, case .truncated = reason else {
                    #expect(Self.refusals[vector.hex] != nil, "\(vector.hex) cut at \(length): \(reason)")
                    continue
                }
            }
        }
    }

    @Test func `a byte after a whole vector is refused`() throws {
        for vector in Self.accepted {
            let input = vector.input + [0x00]
            #expect(refusal(input) == .trailingBytes(at: vector.input.count), "\(vector.hex)")
        }
    }

    @Test func `what is accepted after a bit flip is deterministic too`() throws {
        for vector in Self.vectors {
            for bit in 0..<vector.input.count * 8 {
                var input = vector.input
                input[bit / 8] ^= 1 << (bit % 8)
                #expect(refusal(input) == refusalBySkip(input), "\(vector.hex), bit \(bit)")
                guard refusal(input) == nil else { continue }
                #expect(try encoded(items(input), source: input) == input, "\(vector.hex), bit \(bit)")
            }
        }
    }

    /// Takes one item and its children; whether they have the expected value. Bignums are integers.
    private func take(_ rest: inout ArraySlice<CBORItem>, _ source: [UInt8], matches expected: Value) -> Bool {
        switch (rest.popFirst(), expected) {
        case (.unsigned(let value), .number(_, let decimal)):
            return Decimal(string: "\(value)") == decimal
        case (.negative(let value), .number(_, let decimal)):
            return Decimal(string: "\(-1 - Int128(value))") == decimal
        case (.tag(let sign), .number(_, let decimal)):
            guard sign == 2 || sign == 3, case .bytes(let range) = rest.popFirst() else { return false }
            let magnitude = source[range].reduce(Decimal(0)) { $0 * 256 + Decimal($1) }
            return (sign == 2 ? magnitude : -1 - magnitude) == decimal
        case (.float(let value), .number(let double, _)):
            return value.bitPattern == double.bitPattern
        case (.text(let range), .string(let string)):
            return source[range].elementsEqual(string.utf8)
        case (.array(let count), .array(let elements)):
            return count == elements.count && elements.allSatisfy { take(&rest, source, matches: $0) }
        case (.map(let count), .map(let pairs)):
            for _ in 0..<count {
                guard case .text(let range) = rest.popFirst(),
                    let value = pairs[String(decoding: source[range], as: UTF8.self)],
                    take(&rest, source, matches: value)
                else { return false }
            }
            return count == pairs.count
        case (.bool(let value), .bool(let expected)):
            return value == expected
        case (.null, .null):
            return true
        default:
            return false
        }
    }
}
