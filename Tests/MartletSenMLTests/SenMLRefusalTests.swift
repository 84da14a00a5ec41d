// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletSenML
import Testing

@Suite struct SenMLRefusalTests {
    static let refusals: [(why: String, input: [UInt8], reason: SenMLError)] = [
        ("no pack", [], .cbor(.truncated(at: 0))),
        ("no array", [0xa0], .cbor(.unexpected(at: 0))),
        ("indefinite length", [0x9f, 0xff], .cbor(.indefiniteLength(at: 0))),
        ("more records than bytes", bytes(hex: "9b 8000000000000000 a0"), .cbor(.truncated(at: 0))),
        ("2^32 records", bytes(hex: "9b 0000000100000000 a0"), .cbor(.truncated(at: 0))),
        ("empty pack", [0x80], .emptyPack),
        ("record that is no map", [0x81, 0x80], .cbor(.unexpected(at: 1))),
        ("label twice", bytes(hex: "81 a3 00 6178 02 01 02 02"), .cbor(.duplicateKey(at: 7))),
        ("labels unordered", bytes(hex: "81 a2 02 01 00 6178"), .cbor(.keyOrder(at: 4))),
        ("empty record", [0x81, 0xa0], .name(at: 1)),
        ("no name", pack([("v", number(1))]), .name(at: 1)),
        ("no name in a later record", pack([("n", text("x")), ("v", number(1))], [("v", number(1))]), .name(at: 7)),
        ("empty name", pack([("n", text("")), ("v", number(1))]), .name(at: 1)),
        ("name begins with -", pack([("n", text("-x")), ("v", number(1))]), .name(at: 1)),
        ("base name begins with :", pack([("bn", text(":")), ("n", text("x")), ("v", number(1))]), .name(at: 1)),
        ("space in the name", pack([("n", text("a b")), ("v", number(1))]), .name(at: 2)),
        ("name not ASCII", pack([("n", text("ä")), ("v", number(1))]), .name(at: 2)),
        ("base name with #", pack([("bn", text("a#")), ("n", text("x")), ("v", number(1))]), .name(at: 7)),
        ("name is a number", pack([("n", number(1)), ("v", number(1))]), .cbor(.unexpected(at: 3))),
        ("no value", pack([("n", text("x"))]), .noValue(at: 1)),
        ("no value but a base value", pack([("n", text("x")), ("bv", number(1))]), .noValue(at: 1)),
        ("no sum but a base sum", pack([("n", text("x")), ("bs", number(1))]), .noValue(at: 1)),
        ("two values", pack([("n", text("x")), ("v", number(1)), ("vb", [0xf5])]), .secondValue(at: 7)),
        ("data beside text", pack([("n", text("x")), ("vs", text("y")), ("vd", [0x40])]), .secondValue(at: 8)),
        ("value is text", pack([("n", text("x")), ("v", text("1"))]), .cbor(.unexpected(at: 6))),
        (
            "value is a decimal fraction", pack([("n", text("x")), ("v", bytes(hex: "c4 82 20 01"))]),
            .cbor(.unexpected(at: 6))
        ),
        ("value is NaN", pack([("n", text("x")), ("v", number(.nan))]), .notFinite(at: 5)),
        ("value is infinite", pack([("n", text("x")), ("v", number(-.infinity))]), .notFinite(at: 5)),
        (
            "value becomes infinite", pack([("n", text("x")), ("v", number(1.7e308)), ("bv", number(1.7e308))]),
            .notFinite(at: 1)
        ),
        ("sum is NaN", pack([("n", text("x")), ("s", number(.nan))]), .notFinite(at: 5)),
        (
            "sum becomes infinite", pack([("n", text("x")), ("s", number(1.7e308)), ("bs", number(1.7e308))]),
            .notFinite(at: 1)
        ),
        ("time is infinite", pack([("n", text("x")), ("v", number(1)), ("t", number(.infinity))]), .notFinite(at: 7)),
        ("base time is NaN", pack([("n", text("x")), ("v", number(1)), ("bt", number(.nan))]), .notFinite(at: 7)),
        (
            "update time is text", pack([("n", text("x")), ("v", number(1)), ("ut", text("1"))]),
            .cbor(.unexpected(at: 8))
        ),
        ("string value is not UTF-8", pack([("n", text("x")), ("vs", [0x61, 0x80])]), .cbor(.notUTF8(at: 6))),
        ("boolean value is null", pack([("n", text("x")), ("vb", [0xf6])]), .cbor(.unexpected(at: 6))),
        ("data value is text", pack([("n", text("x")), ("vd", text("1"))]), .cbor(.unexpected(at: 6))),
        ("empty unit", pack([("n", text("x")), ("u", text("")), ("v", number(1))]), .unit(at: 5)),
        (
            "unit of 17 bytes", pack([("n", text("x")), ("u", text("12345678901234567")), ("v", number(1))]),
            .unit(at: 5)
        ),
        ("unit with a space", pack([("n", text("x")), ("v", number(1)), ("bu", text("a b"))]), .unit(at: 7)),
        ("version 11", pack([("n", text("x")), ("v", number(1)), ("bver", number(11))]), .version(at: 7)),
        ("version 0", pack([("n", text("x")), ("v", number(1)), ("bver", number(0))]), .version(at: 7)),
        (
            "version 2^64-1", pack([("n", text("x")), ("v", number(1)), ("bver", bytes(hex: "1bffffffffffffffff"))]),
            .version(at: 7)
        ),
        (
            "negative version", pack([("n", text("x")), ("v", number(1)), ("bver", number(-1))]),
            .cbor(.unexpected(at: 8))
        ),
        (
            "version changes",
            pack([("n", text("x")), ("v", number(1))], [("n", text("x")), ("v", number(1)), ("bver", number(9))]),
            .version(at: 13)
        ),
        (
            "label that must be understood", pack([("n", text("x")), ("v", number(1)), ("must_", number(1))]),
            .label(at: 7)
        ),
        ("the label _", pack([("n", text("x")), ("v", number(1)), ("_", number(1))]), .label(at: 7)),
        ("label that is a boolean", bytes(hex: "81 a3 00 6178 02 01 f4 00"), .label(at: 7)),
        ("label that is an array", bytes(hex: "81 a3 00 6178 02 01 8100 00"), .label(at: 7)),
        (
            "bad CBOR under an unknown label", pack([("n", text("x")), ("v", number(1)), ("9", [0x18, 0x01])]),
            .cbor(.notShortest(at: 8))
        ),
    ]

    @Test(arguments: refusals.indices) func `a bad pack is refused for its reason`(_ index: Int) {
        let (why, input, reason) = Self.refusals[index]
        #expect(refusal(input) == reason, "\(why): \(hex(input))")
    }

    static let sample = pack(
        [
            ("bn", text("urn:dev:x:")), ("bt", number(1_700_000_000)), ("bu", text("Cel")), ("bver", number(10)),
            ("n", text("a")), ("v", number(23.1)),
        ],
        [("n", text("b")), ("vs", text("text")), ("t", number(0.5))],
        [("n", text("c")), ("vd", [0x42, 1, 2]), ("s", number(-3)), ("other", [0x81, 0xf6])])

    @Test func `every prefix of a pack is refused`() {
        for length in 0..<Self.sample.count {
            #expect(refusal(Array(Self.sample[..<length])) != nil, "cut at \(length)")
        }
        #expect(refusal(Self.sample) == nil)
    }

    @Test func `a byte after the pack is refused`() {
        #expect(refusal(Self.sample + [0x00]) == .cbor(.trailingBytes(at: Self.sample.count)))
    }

    @Test func `what is read after a bit flip keeps the rules`() {
        for bit in 0..<Self.sample.count * 8 {
            var input = Self.sample
            input[bit / 8] ^= 1 << (bit % 8)
            guard let readings = try? readings(input) else { continue }
            for reading in readings {
                #expect((1...128).contains(reading.name.utf8.count), "bit \(bit)")
                #expect(reading.value != nil || reading.sum != nil, "bit \(bit)")
                if case .number(let value) = reading.value { #expect(value.isFinite, "bit \(bit)") }
            }
        }
    }

    @Test func `fifty thousand nested records are refused`() {
        #expect(refusal([UInt8](repeating: 0x81, count: 50_000)) == .cbor(.unexpected(at: 1)))
        let nested = bytes(hex: "81 a1 09") + [UInt8](repeating: 0x81, count: 50_000)
        #expect(refusal(nested) == .cbor(.tooDeep(at: 17)))
    }
}
