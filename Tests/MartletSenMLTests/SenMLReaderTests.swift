// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletSenML
import Testing

@Suite struct SenMLReaderTests {
    static let dev = "urn:dev:ow:10e2073a01080063"

    @Test func `a single point resolves to itself`() throws {
        let input = pack([("n", text(Self.dev)), ("u", text("Cel")), ("v", number(23.1))])
        #expect(try readings(input) == [Reading(name: Self.dev, unit: "Cel", value: .number(23.1))])
    }

    @Test func `base name, time and unit hold for all records`() throws {
        // RFC 8428 section 5.1.2, second example.
        let input = pack(
            [
                ("bn", text(Self.dev + ":")), ("bt", number(1.276020076001e9)), ("bu", text("A")), ("bver", number(5)),
                ("n", text("voltage")), ("u", text("V")), ("v", number(120.1)),
            ],
            [("n", text("current")), ("t", number(-5)), ("v", number(1.2))],
            [("n", text("current")), ("t", number(-4)), ("v", number(1.3))])
        let base = 1.276020076001e9
        #expect(
            try readings(input) == [
                Reading(
                    name: Self.dev + ":voltage", unit: "V", value: .number(120.1), time: .absolute(seconds: base)),
                Reading(
                    name: Self.dev + ":current", unit: "A", value: .number(1.2), time: .absolute(seconds: base - 5)),
                Reading(
                    name: Self.dev + ":current", unit: "A", value: .number(1.3), time: .absolute(seconds: base - 4)),
            ])
    }

    @Test func `all types of values are read`() throws {
        // RFC 8428 section 5.1.4, "Multiple Data Types", and the table of labels.
        let input = pack(
            [("bn", text(Self.dev + ":")), ("n", text("temp")), ("u", text("Cel")), ("v", number(23.1))],
            [("n", text("label")), ("vs", text("Machine Room"))],
            [("n", text("open")), ("vb", [0xf4])],
            [("n", text("nfv-reader")), ("vd", [0x43, 1, 2, 3]), ("ut", number(60))])
        #expect(
            try readings(input) == [
                Reading(name: Self.dev + ":temp", unit: "Cel", value: .number(23.1)),
                Reading(name: Self.dev + ":label", value: .string("Machine Room")),
                Reading(name: Self.dev + ":open", value: .boolean(false)),
                Reading(name: Self.dev + ":nfv-reader", value: .data([1, 2, 3]), updateTime: 60),
            ])
    }

    @Test func `a record without a name bears the base name`() throws {
        let input = pack([("bn", text("tank")), ("v", number(1))], [("v", number(2)), ("t", number(10))])
        #expect(
            try readings(input) == [
                Reading(name: "tank", value: .number(1)),
                Reading(name: "tank", value: .number(2), time: .relative(seconds: 10)),
            ])
    }

    @Test func `a base field holds until it comes again`() throws {
        let input = pack(
            [("bn", text("a/")), ("bt", number(-60)), ("bu", text("W")), ("n", text("x")), ("v", number(1))],
            [("bn", text("b/")), ("bu", text("V")), ("n", text("y")), ("v", number(2))],
            [("bt", number(-30)), ("n", text("z")), ("u", text("A")), ("v", number(3))])
        #expect(
            try readings(input) == [
                Reading(name: "a/x", unit: "W", value: .number(1), time: .relative(seconds: -60)),
                Reading(name: "b/y", unit: "V", value: .number(2), time: .relative(seconds: -60)),
                Reading(name: "b/z", unit: "A", value: .number(3), time: .relative(seconds: -30)),
            ])
    }

    @Test func `base value and base sum are added`() throws {
        let input = pack(
            [("bn", text("m/")), ("bv", number(20)), ("bs", number(1000)), ("n", text("a")), ("v", number(0.5))],
            [("n", text("b")), ("s", number(5))],
            [("n", text("c")), ("v", number(-1)), ("s", number(7))],
            [("n", text("d")), ("vb", [0xf5])])
        #expect(
            try readings(input) == [
                Reading(name: "m/a", value: .number(20.5), sum: 1000),
                Reading(name: "m/b", sum: 1005),
                Reading(name: "m/c", value: .number(19), sum: 1007),
                Reading(name: "m/d", value: .boolean(true), sum: 1000),
            ])
    }

    @Test(
        arguments: [
            (268_435_456, 0, .absolute(seconds: 0x1p28)), (268_435_455, 0, .relative(seconds: 0x1p28 - 1)),
            (268_435_455, 0.5, .relative(seconds: 0x1p28 - 0.5)), (268_435_455, 1, .absolute(seconds: 0x1p28)),
            (268_435_456, -0.5, .relative(seconds: 0x1p28 - 0.5)), (0, 0, .relative(seconds: 0)),
            (0, -3.25, .relative(seconds: -3.25)), (10, 5, .relative(seconds: 15)),
            (4_294_967_296, 0.001, .absolute(seconds: 4_294_967_296.001)),
            (1.8e19, 0, .absolute(seconds: 1.8e19)),
        ] as [(Double, Double, SenMLTime)])
    func `a resolved time from 2^28 on is absolute`(_ base: Double, _ time: Double, _ expected: SenMLTime) throws {
        let input = pack([("bt", number(base)), ("n", text("x")), ("t", number(time)), ("v", number(1))])
        #expect(try readings(input).first?.time == expected)
    }

    @Test func `unknown labels are ignored`() throws {
        let input = pack([
            ("n", text("x")), ("v", number(1)), ("9", [0x82, 0x01, 0xa1, 0x00, 0xf6]), ("-7", [0xf6]),
            ("other", [0x80]), ("", [0x00]),
        ])
        #expect(try readings(input) == [Reading(name: "x", value: .number(1))])
    }

    @Test func `times give back their milliseconds`() {
        let times: [Int64] = [
            0, 1, -1, 999, 1000, 1_700_000_000_123, -86_400_001, 1 << 51 - 1, -(1 << 51) + 1, 4_294_967_296_001,
        ]
        for time in times {
            #expect(SenMLTime.absolute(seconds: SenML.seconds(milliseconds: time)).milliseconds == time)
        }
        #expect(SenMLTime.relative(seconds: -0x1p63 / 1000).milliseconds == .min)
        #expect(SenMLTime.relative(seconds: 0x1p63 / 1000).milliseconds == nil)
        #expect(SenMLTime.absolute(seconds: 1e300).milliseconds == nil)
        #expect(SenMLTime.relative(seconds: -1e17).milliseconds == nil)
    }

    @Test func `a name of 128 bytes is read, a longer one is refused`() throws {
        let base = String(repeating: "b", count: 100)
        let longest = pack([("bn", text(base)), ("n", text(String(repeating: "n", count: 28))), ("v", number(1))])
        #expect(try readings(longest).first?.name.count == 128)
        let longer = pack([("bn", text(base)), ("n", text(String(repeating: "n", count: 29))), ("v", number(1))])
        #expect(refusal(longer) == .name(at: 1))
    }
}
