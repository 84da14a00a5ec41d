// SPDX-License-Identifier: Apache-2.0

import MartletTestKit
import Testing

@testable import MartletJournal

@Suite struct DamageTests {
    /// Two segments of 4 KiB. The second is full to its last byte; each of its records is a frame, but for the first
    /// two, which share one.
    let image: SimulatedDisk.Image
    let records: [String]
    /// What is there without the second.
    let older = ["first state", "first 1", "first 2"]
    let keys: TestSegmentKeys

    init() throws {
        let disk = SimulatedDisk(seed: 1)
        keys = try TestSegmentKeys(seed: 1)
        let first = Journal(disk, keys, history: 1 << 20)
        _ = try Found(first)
        try first.commit([text(older[1])]) { [text("first state")] }
        try first.commit([text(older[2])]) { [] }
        let second = Journal(disk, keys, history: 1 << 20)
        _ = try Found(second)
        var records = ["second state", "second 1"]
        try second.commit([text(records[1])]) { [text("second state")] }
        // 64 + (32 + 4 + (4 + 12) + (4 + 8)) = 128; then 15 frames of 256, and one of 128.
        for number in 2...17 {
            records.append("second \(number) ".padding(to: number < 17 ? 256 - 40 : 128 - 40))
            try second.commit([text(records[number])]) { [] }
        }
        self.records = records
        image = disk.image
        try #require(image.map { $0.bytes.count } == [176, 4096])
        try #require(image[1].bytes[4095] != 0 && image[1].bytes[4080..<4096].contains { $0 != 0 })
    }

    func found(_ bytes: [UInt8], keys other: (any SegmentKeys)? = nil) throws -> Found {
        let disk = SimulatedDisk(seed: 1)
        disk.restore([image[0], (name: image[1].name, bytes: bytes)])
        return try Found(Journal(disk, other ?? keys))
    }

    /// Whether `found` is what was committed, but for what one damaged place may take along.
    func isHonest(_ found: Found) -> Bool {
        if found.records.first == records[0] {
            let missing = records.filter { !found.records.contains($0) }
            return found.records == records.filter { !missing.contains($0) } && missing.count <= 1
        }
        // Without its first frame, the second segment adds to the first.
        return found.records == older || found.records == older + records[2...]
    }

    @Test("SPL-06 every bit flip of a segment is detected, and costs one frame", arguments: 0..<8)
    func flips(bit: Int) throws {
        #expect(try found(image[1].bytes) == Found(records: records))
        for place in 0..<4096 {
            var bytes = image[1].bytes
            bytes[place] ^= 1 << UInt8(bit)
            let found = try found(bytes)
            #expect(found.damage > 0, "byte \(place)")
            #expect(isHonest(found), "byte \(place): \(found.records)")
        }
    }

    @Test("SPL-06 every truncation of a segment is detected, and costs what was cut off")
    func truncations() throws {
        for count in 0..<4096 {
            let found = try found([UInt8](image[1].bytes[..<count]))
            #expect(found.damage > 0, "\(count) bytes")
            #expect(found.records == (count < 128 ? older : Array(records.prefix(2 + max(0, count - 128) / 256))))
        }
    }

    @Test func `bytes before or behind a segment's own make no difference to what they are`() throws {
        #expect(try found(image[1].bytes + [1]) == Found(records: records))
        #expect(try found([0] + image[1].bytes).damage > 0)
        #expect(try found([0] + image[1].bytes).records == older)
    }

    @Test func `a twin that only compares a checksum is found out`() throws {
        let disk = SimulatedDisk(seed: 1)
        let journal = Journal(disk, Unauthenticated())
        _ = try Found(journal)
        try journal.commit([text("set-interval 60")]) { [] }
        var bytes = disk.image[0].bytes
        bytes[64 + 16 + 8 + 14] ^= 8
        disk.restore([(name: disk.image[0].name, bytes: bytes)])
        let found = try Found(Journal(disk, Unauthenticated()))
        #expect(found.records != ["set-interval 60"] && found.damage == 0)
    }

    @Test func `a lost sector costs the frames in it`() throws {
        for sector in 1..<8 {
            var bytes = image[1].bytes
            for place in sector * 512..<(sector + 1) * 512 { bytes[place] = 0 }
            let found = try found(bytes)
            let lost = Set(((sector * 512 - 128) / 256...(sector * 512 + 383) / 256).map { 2 + $0 })
            #expect(found.records == records.indices.filter { !lost.contains($0) }.map { records[$0] })
            // Nobody can tell a lost end from one that was never written.
            #expect(found.damage == (sector == 7 ? 0 : 1))
        }
    }

    @Test("SPL-07 what belongs elsewhere is not delivered")
    func elsewhere() throws {
        let bytes = image[1].bytes
        let moved: [(String, SegmentName, String, UInt8, any SegmentKeys)] = [
            ("another number", SegmentName(stream: 1, number: 3), "device-1", 1, keys),
            ("another stream", SegmentName(stream: 2, number: 2), "device-1", 2, keys),
            ("another device", SegmentName(stream: 1, number: 2), "device-2", 1, keys),
            ("another master key", SegmentName(stream: 1, number: 2), "device-1", 1, try TestSegmentKeys(seed: 2)),
        ]
        for (what, name, device, stream, keys) in moved {
            let disk = SimulatedDisk(seed: 1)
            disk.restore([(name: name, bytes: bytes)])
            let journal = Journal(disk, keys, device: device, stream: stream)
            #expect(try Found(journal) == Found(records: [], damage: 1), "\(what)")
            #expect(try journal.historyTexts() == [])
            // The device goes on, above all numbers.
            try journal.commit([text("new")]) { [] }
            #expect(disk.image.map { $0.name.number }.max() == name.number + 1)
            #expect(try Found(Journal(disk, keys, device: device, stream: stream)) == Found(records: ["new"]))
        }
        // The header of its new place does not make it right.
        for (offset, value) in [(10, 2), (16, 3)] as [(Int, UInt8)] {
            var bytes = bytes
            bytes[offset] = value
            let name = offset == 10 ? SegmentName(stream: 2, number: 2) : SegmentName(stream: 1, number: 3)
            let disk = SimulatedDisk(seed: 1)
            disk.restore([(name: name, bytes: bytes)])
            #expect(try Found(Journal(disk, keys, stream: name.stream)) == Found(records: [], damage: 1))
        }
    }

    @Test("SPL-07 a frame in another place is not delivered twice, nor out of order")
    func places() throws {
        let frames = (0..<15).map { 128 + 256 * $0..<384 + 256 * $0 }
        for from in frames {
            for to in frames where from != to {
                var bytes = image[1].bytes
                bytes.replaceSubrange(to, with: bytes[from])
                let found = try found(bytes)
                #expect(found.records == records.filter { found.records.contains($0) })
                #expect(Set(found.records).count == found.records.count)
                #expect(found.damage > 0)
            }
        }
        var bytes = image[1].bytes
        bytes.replaceSubrange(64..<176, with: image[0].bytes[64..<176])
        #expect(try found(bytes).records == older + records[3...])
    }

    @Test("SPL-07 no byte of a record stands on the disk")
    func canaries() throws {
        let disk = SimulatedDisk(seed: 1)
        let canary = "canary-4711"
        for _ in 0..<3 {
            let journal = Journal(disk, keys)
            _ = try Found(journal)
            for _ in 0..<30 {
                try journal.commit([text(canary), text("and \(canary)")]) { [text("a snapshot of \(canary)")] }
            }
        }
        for bytes in disk.written + disk.image.map({ $0.bytes }) { #expect(!bytes.holds(text(canary))) }
        #expect(text("a \(canary) here").holds(text(canary)))
    }
}

extension String {
    func padding(to count: Int) -> String { self + String(repeating: "p", count: max(0, count - utf8.count)) }
}

extension [UInt8] {
    func holds(_ part: [UInt8]) -> Bool {
        count >= part.count && (0...count - part.count).contains { self[$0..<$0 + part.count].elementsEqual(part) }
    }
}
