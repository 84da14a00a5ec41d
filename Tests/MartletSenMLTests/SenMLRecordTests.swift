// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCBOR
import MartletSenML
import Testing

@Suite struct SenMLRecordTests {
    static let baseTime: Int64 = 1_763_769_600_000

    /// One pack with every field that is written, as a device would report it. `senml-pack.hex` holds its bytes.
    static func pack(_ writer: inout CBORWriter) {
        let baseName = Array("urn:dev:mac:0024befffe804ff1:".utf8)
        let celsius = Array("Cel".utf8)
        let volt = Array("V".utf8)
        let temperature = Array("temperature".utf8)
        let supply = Array("supply".utf8)
        let cycles = Array("cycles".utf8)
        let door = Array("door".utf8)
        let state = Array("state".utf8)
        let energy = Array("energy".utf8)
        let watt = Array("W".utf8)
        let running = Array("läuft".utf8)

        writer.array(6)
        SenMLRecord(name: temperature.span, value: .number(51.2), time: 0)
            .write(to: &writer, base: .init(name: baseName.span, unit: celsius.span, time: baseTime))
        SenMLRecord(name: supply.span, unit: volt.span, value: .number(-0.5), time: -250).write(to: &writer)
        SenMLRecord(name: cycles.span, unit: volt.span, value: .number(70000), time: -61_000).write(to: &writer)
        SenMLRecord(name: door.span, value: .boolean(true), time: -1).write(to: &writer)
        SenMLRecord(name: state.span, value: .string(running.span)).write(to: &writer)
        SenMLRecord(name: energy.span, unit: watt.span, value: nil, sum: 1234.5, time: 1000).write(to: &writer)
    }

    static let vector: URL = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Vectors/senml-pack.hex")

    @Test func `the pack of the interoperability test is written byte for byte`() throws {
        let expected = bytes(hex: try String(contentsOf: Self.vector, encoding: .utf8))
        let pack = try written(Self.pack)
        #expect(hex(pack) == hex(expected))
    }

    @Test func `a written pack is read back`() throws {
        let name = "urn:dev:mac:0024befffe804ff1:"
        #expect(
            try readings(written(Self.pack)) == [
                Reading(
                    name: name + "temperature", unit: "Cel", value: .number(51.2),
                    time: .absolute(seconds: 1_763_769_600)),
                Reading(
                    name: name + "supply", unit: "V", value: .number(-0.5), time: .absolute(seconds: 1_763_769_599.75)),
                Reading(
                    name: name + "cycles", unit: "V", value: .number(70000), time: .absolute(seconds: 1_763_769_539)),
                Reading(
                    name: name + "door", unit: "Cel", value: .boolean(true), time: .absolute(seconds: 1_763_769_599.999)
                ),
                Reading(
                    name: name + "state", unit: "Cel", value: .string("läuft"), time: .absolute(seconds: 1_763_769_600)),
                Reading(
                    name: name + "energy", unit: "W", sum: 1234.5, time: .absolute(seconds: 1_763_769_601)),
            ])
    }

    static let numbers: [(value: Double, hex: String)] = [
        (0, "00"), (-0.0, "f98000"), (5, "05"), (-1, "20"), (5.5, "f94580"), (65504, "19ffe0"), (65536, "1a00010000"),
        (100_000, "1a000186a0"), (4_294_967_295, "1affffffff"), (4_294_967_296, "fa4f800000"),
        (4_294_967_297, "fb41f0000000100000"), (-4_294_967_296, "3affffffff"), (-4_294_967_297, "fbc1f0000000100000"),
        (-8_589_934_592, "fad0000000"), (1e300, "fb7e37e43c8800759c"), (0.1, "fb3fb999999999999a"),
    ]

    @Test func `numbers are integers where these are not longer`() throws {
        let name: [UInt8] = [0x78]
        for (value, hex) in Self.numbers {
            let record = try written { SenMLRecord(name: name.span, value: .number(value)).write(to: &$0) }
            #expect(record == bytes(hex: "a2 00 6178 02") + bytes(hex: hex), "\(value)")
        }
    }

    static let times: [(milliseconds: Int64, hex: String)] = [
        (0, "00"), (1000, "01"), (-1000, "20"), (500, "f93800"), (-1500, "f9be00"), (1, "fb3f50624dd2f1a9fc"),
        (1_763_769_600_000, "1a6920fd00"), (1_763_769_600_250, "fb41da483f40100000"),
        (4_294_967_296_000, "1b0000000100000000"),
    ]

    @Test func `whole seconds are integers and fractions floats`() throws {
        let name: [UInt8] = [0x78]
        for (milliseconds, hex) in Self.times {
            let record = try written {
                SenMLRecord(name: name.span, value: .boolean(true), time: milliseconds).write(to: &$0)
            }
            #expect(record == bytes(hex: "a3 00 6178 04 f5 06") + bytes(hex: hex), "\(milliseconds)")
        }
    }

    @Test func `data and a sum stand in the order of their labels`() throws {
        let name: [UInt8] = [0x78]
        let data: [UInt8] = [1, 2]
        let record = try written {
            SenMLRecord(name: name.span, value: .data(data.span), sum: 3, time: 4000).write(to: &$0)
        }
        #expect(record == bytes(hex: "a4 00 6178 05 03 06 04 08 420102"))
        #expect(
            try readings([0x81] + record) == [
                Reading(name: "x", value: .data([1, 2]), sum: 3, time: .relative(seconds: 4))
            ])
    }

    @Test func `an unnamed record needs a base name`() throws {
        let name = Array("tank".utf8)
        let input = try written {
            $0.array(1)
            SenMLRecord(name: Span(), value: .number(1)).write(to: &$0, base: .init(name: name.span))
        }
        #expect(try readings(input) == [Reading(name: "tank", value: .number(1))])
    }
}

@Suite struct SenMLRuleTests {
    @Test func `names follow RFC 8428 section 4.5.1 and have at most 64 bytes`() {
        for name in ["a", "Z9", "0", "a-b:c.d/e_f", "urn:dev:ow:10e2073a01080063", String(repeating: "x", count: 64)] {
            #expect(isName(name), "\(name)")
        }
        for name in [
            "", "-a", ":a", ".a", "/a", "_a", "a b", "a,b", "a;b", "a@b", "a[b", "a`b", "a{b", "ä", "a\0",
            "a\u{7f}", String(repeating: "x", count: 65),
        ] {
            #expect(!isName(name), "\(name)")
        }
    }

    @Test func `units are 1 to 16 visible characters`() {
        for unit in ["V", "%RH", "m/s2", "1/min", "1234567890123456", "~", "!"] {
            #expect(isUnit(unit), "\(unit)")
        }
        for unit in ["", " ", "a b", "12345678901234567", "°C", "\u{7f}", "\n"] {
            #expect(!isUnit(unit), "\(unit)")
        }
    }

    @Test func `numbers are finite`() {
        for number in [0, -0.0, 1e308, 1e-300] { #expect(SenML.isNumber(number)) }
        for number in [Double.nan, .infinity, -.infinity, .signalingNaN] { #expect(!SenML.isNumber(number)) }
    }

    @Test func `the Content-Format is that of SenML in CBOR`() {
        #expect(SenML.contentFormat == 112)
    }

    private func isName(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        return SenML.isName(bytes.span)
    }

    private func isUnit(_ unit: String) -> Bool {
        let bytes = Array(unit.utf8)
        return SenML.isUnit(bytes.span)
    }
}
