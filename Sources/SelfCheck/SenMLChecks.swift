// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletSenML

/// RFC 8428.
enum SenMLChecks {
    static var all: [Check] {
        [
            Check("SenML: the pack of the vectors is written byte for byte", writing),
            Check("SenML: the pack of the vectors is read", reading),
            Check("SenML: every prefix of the pack is refused", prefixes),
            Check("SenML: times to the millisecond beyond 2^31 and 2^32 seconds", times),
        ]
    }

    static func vector() throws(Failure) -> [UInt8] { try ByteVector.named("senml-pack", in: ByteVector.files) }

    private static func writing() throws(Failure) {
        let base = bytes("urn:dev:mac:0024befffe804ff1:")
        let (celsius, volt, watt) = (bytes("Cel"), bytes("V"), bytes("W"))
        let (temperature, supply, cycles) = (bytes("temperature"), bytes("supply"), bytes("cycles"))
        let (door, state, energy, running) = (bytes("door"), bytes("state"), bytes("energy"), bytes("läuft"))
        let pack = try written { writer in
            writer.array(6)
            SenMLRecord(name: temperature.span, value: .number(51.2), time: 0)
                .write(to: &writer, base: .init(name: base.span, unit: celsius.span, time: 1_763_769_600_000))
            SenMLRecord(name: supply.span, unit: volt.span, value: .number(-0.5), time: -250).write(to: &writer)
            SenMLRecord(name: cycles.span, unit: volt.span, value: .number(70000), time: -61_000).write(to: &writer)
            SenMLRecord(name: door.span, value: .boolean(true), time: -1).write(to: &writer)
            SenMLRecord(name: state.span, value: .string(running.span)).write(to: &writer)
            SenMLRecord(name: energy.span, unit: watt.span, value: nil, sum: 1234.5, time: 1000).write(to: &writer)
        }
        try require(try pack == vector(), "other bytes")
    }

    private static func reading() throws(Failure) {
        let pack = try vector()
        let expected: [(name: StaticString, unit: StaticString, number: Double?, milliseconds: Int64)] = [
            ("temperature", "Cel", 51.2, 1_763_769_600_000), ("supply", "V", -0.5, 1_763_769_599_750),
            ("cycles", "V", 70000, 1_763_769_539_000), ("door", "Cel", nil, 1_763_769_599_999),
            ("state", "Cel", nil, 1_763_769_600_000), ("energy", "W", nil, 1_763_769_601_000),
        ]
        var reader = SenMLReader(pack.span)
        for row in expected {
            try require((try? reader.next()) == true, "no record", name: row.name)
            let record = reader.record
            try require(
                reader.name() == bytes("urn:dev:mac:0024befffe804ff1:") + bytes(row.name), "name", name: row.name)
            try require(record.unit.map { [UInt8](pack[$0]) } == bytes(row.unit), "unit", name: row.name)
            try require(record.time.milliseconds == row.milliseconds, "time", name: row.name)
            if let number = row.number { try require(record.value == .number(number), "value", name: row.name) }
        }
        try require(reader.record.sum == 1234.5 && reader.record.value == nil, "sum")
        try require((try? reader.next()) == false, "no end")
    }

    private static func prefixes() throws(Failure) {
        let pack = try vector()
        for length in pack.indices {
            try require(!isRead([UInt8](pack[..<length])), "was read up to", number: Int64(length))
        }
        try require(!isRead(pack + [0]), "a byte behind it was read")
        try require(isRead(pack), "the whole was not read")
    }

    /// Whether a pack is read to its end.
    static func isRead(_ pack: [UInt8]) -> Bool {
        var reader = SenMLReader(pack.span)
        do throws(SenMLError) {
            while try reader.next() {}
            return true
        } catch {
            return false
        }
    }

    private static func times() throws(Failure) {
        let name = bytes("t")
        for seconds in [1 << 31, 1 << 32, 1 << 40] as [Int64] {
            for milliseconds in [seconds * 1000 - 1, seconds * 1000, seconds * 1000 + 1] {
                let pack = try written { writer in
                    writer.array(1)
                    SenMLRecord(name: name.span, value: .number(Double(milliseconds)))
                        .write(to: &writer, base: .init(time: milliseconds))
                }
                var reader = SenMLReader(pack.span)
                try require((try? reader.next()) == true, "not read", number: milliseconds)
                try require(reader.record.time.milliseconds == milliseconds, "time", number: milliseconds)
                try require(reader.record.value == .number(Double(milliseconds)), "value", number: milliseconds)
            }
        }
    }
}
