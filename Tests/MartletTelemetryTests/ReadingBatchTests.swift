// SPDX-License-Identifier: Apache-2.0

import MartletSenML
import MartletTelemetry
import Testing

@Suite struct ReadingBatchTests {
    private func limits(count: Int = 32, bytes: Int = 4096) -> ReadingBatch.Limits {
        var limits = ReadingBatch.Limits()
        limits.count = count
        limits.bytes = bytes
        return limits
    }

    @Test func `a batch takes no more readings than its limit`() throws {
        var batch = ReadingBatch(limits: limits(count: 3))
        for _ in 0..<3 { try batch.add() }
        #expect(throws: ReadingError.full) { try batch.add() }
        #expect(batch.count == 3)
    }

    @Test func `a batch takes no more bytes than its limit, to the byte`() throws {
        // One reading: 24 bytes, a name of one byte, a text.
        var batch = ReadingBatch(limits: limits(bytes: 24 + 1 + 100))
        #expect(throws: ReadingError.full) { try batch.add(text: [UInt8](repeating: 0x61, count: 101)) }
        #expect(batch.count == 0)
        try batch.add(text: [UInt8](repeating: 0x61, count: 100))
        #expect(throws: ReadingError.full) { try batch.add() }
    }

    @Test func `a batch is due its age after the first reading`() throws {
        var batch = ReadingBatch(limits: limits())
        #expect(batch.due == nil)
        try batch.add(time: 1000)
        try batch.add(time: 4000)
        #expect(batch.due == 11_000)
    }

    @Test(arguments: ["", "-a", ".a", " a", "a b", "a\u{e9}", "a\0", String(repeating: "a", count: 65)])
    func `a name that SenML does not allow is refused`(_ name: String) {
        var batch = ReadingBatch(limits: limits())
        #expect(throws: ReadingError.badName) { try batch.add(name) }
        #expect(batch.count == 0)
    }

    @Test(arguments: ["m s", "\u{b0}C", "a\n", String(repeating: "m", count: 17)])
    func `a unit that is not visible ASCII of 16 bytes is refused`(_ unit: String) {
        var batch = ReadingBatch(limits: limits())
        #expect(throws: ReadingError.badUnit) { try batch.add(unit: unit) }
        #expect(batch.count == 0)
    }

    @Test(arguments: [Double.nan, .signalingNaN, .infinity, -.infinity])
    func `what is no measurement is refused`(_ value: Double) {
        var batch = ReadingBatch(limits: limits())
        #expect(throws: ReadingError.notFinite) { try batch.add("t", value) }
        #expect(batch.count == 0)
    }

    @Test func `a text or data value has at most 1024 bytes`() throws {
        var batch = ReadingBatch(limits: limits())
        #expect(throws: ReadingError.tooLong) { try batch.add(text: [UInt8](repeating: 0x61, count: 1025)) }
        try batch.add(text: [UInt8](repeating: 0x61, count: 1024))
    }

    @Test(
        arguments: [[0xff], [0x61, 0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]] as [[UInt8]])
    func `a text that is not UTF-8 is refused, since it would spoil the whole pack`(_ text: [UInt8]) throws {
        var batch = ReadingBatch(limits: limits())
        #expect(throws: ReadingError.notUTF8) { try batch.add(text: text) }
        #expect(batch.count == 0)
        try batch.add(text: bytes("gr\u{fc}n"))
    }

    /// Name, time in milliseconds and whether it is absolute, of each record.
    private func read(_ pack: Span<UInt8>) throws -> [(name: String, time: Int64?, isAbsolute: Bool)] {
        var reader = SenMLReader(pack)
        var records: [(name: String, time: Int64?, isAbsolute: Bool)] = []
        while try reader.next() {
            var isAbsolute = false
            if case .absolute = reader.record.time { isAbsolute = true }
            let name = String(decoding: reader.name(), as: UTF8.self)
            records.append((name, reader.record.time.milliseconds, isAbsolute))
        }
        return records
    }

    @Test("CLK-04 with a known wall clock all times are absolute and exact")
    func absoluteTimes() throws {
        let limits = limits()
        var batch = ReadingBatch(limits: limits)
        try batch.add("a", time: 61_234)
        try batch.add("b", time: 61_234)
        try batch.add("c", time: 65_000)
        // A reading with an earlier stamp than the first one's.
        try batch.add("d", time: 60_001)
        var payload = [UInt8](repeating: 0, count: ReadingBatch.packSize(limits))
        let size = batch.encode(into: &payload, now: 66_000, wallClock: 1_800_000_000_000)
        let records = try read(payload.span.extracting(first: size))
        #expect(records.map(\.name) == ["a", "b", "c", "d"])
        #expect(records.map(\.time) == [61_234, 61_234, 65_000, 60_001].map { 1_800_000_000_000 + $0 })
        #expect(records.allSatisfy { $0.isAbsolute })
    }

    @Test("CLK-01 without a wall clock all times are relative to now and not positive")
    func relativeTimes() throws {
        let limits = limits()
        var batch = ReadingBatch(limits: limits)
        try batch.add("a", time: 61_234)
        try batch.add("b", time: 66_000)
        // Stamped after the moment of signing: no time lies in the future.
        try batch.add("c", time: 67_000)
        var payload = [UInt8](repeating: 0, count: ReadingBatch.packSize(limits))
        let size = batch.encode(into: &payload, now: 66_000, wallClock: nil)
        let records = try read(payload.span.extracting(first: size))
        #expect(records.map(\.time) == [-4766, 0, 0])
        #expect(records.allSatisfy { !$0.isAbsolute })
        // No base time: label -3.
        #expect(!payload[..<size].contains(0x22))
    }

    @Test func `encoding changes nothing, and forgetting makes room for a whole batch again`() throws {
        let limits = limits(count: 2)
        var batch = ReadingBatch(limits: limits)
        var payload = [UInt8](repeating: 0, count: ReadingBatch.packSize(limits))
        for round in 0..<3 as Range<UInt64> {
            try batch.add("a", Double(round), time: round)
            try batch.add("b", time: round)
            let size = batch.encode(into: &payload, now: 10, wallClock: nil)
            let first = payload[..<size]
            #expect(size > 0 && batch.count == 2)
            #expect(batch.encode(into: &payload, now: 10, wallClock: nil) == size && payload[..<size] == first)
            batch.removeAll()
            #expect(batch.count == 0 && batch.due == nil)
        }
    }

    @Test func `the pack of any batch within its limits fits the stated size`() throws {
        let limits = limits(count: 40, bytes: 24 * 40 + 40 * (64 + 16))
        var batch = ReadingBatch(limits: limits)
        for index in 0..<40 {
            // Nothing of it has a short form.
            let name = String(repeating: "n", count: 62) + String(index + 10)
            try batch.add(
                name, unit: String(repeating: "u", count: 16), 0.1 + Double(index), time: 3 + UInt64(index) * 7)
        }
        var payload = [UInt8](repeating: 0, count: ReadingBatch.packSize(limits))
        let size = batch.encode(into: &payload, now: 1, wallClock: 1_800_000_000_001)
        #expect(size > 0)
        #expect(try read(payload.span.extracting(first: size)).count == 40)
    }
}
