// SPDX-License-Identifier: Apache-2.0

import MartletTestKit
import Testing

@testable import MartletJournal

/// Whatever stands on the disk: no trap, bounded work, nothing that was not committed.
@Suite struct HostileTests {
    static let seed: UInt64 = 1742

    @Test func `any bytes are read without a trap, and nothing of them is delivered`() throws {
        print("# seed \(Self.seed)")
        let random = SeededEntropy(seed: Self.seed)
        let keys = try TestSegmentKeys(seed: 1)
        for _ in 0..<600 {
            let count = Int(random.below(3) == 0 ? random.below(200) : random.below(9000))
            var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() as UInt64) }
            if random.oneIn(2) {
                let salt = keys.salt() ?? InlineArray(repeating: 0)
                let header = SegmentHeader(SegmentName(stream: 1, number: 1), size: 4096, salt: salt.span).bytes
                bytes.replaceSubrange(0..<min(64, count), with: header.prefix(count))
                for _ in 0..<random.below(20) where count > 100 {
                    let lengths: [Int] = [0, 8, 24, 32, 4096, 0x7fff_fff8, 0xffff_fff8]
                    let header = FrameHeader(
                        index: random.oneIn(4) ? .max : UInt32(random.below(9)),
                        length: lengths[Int(random.below(UInt64(lengths.count)))])
                    let place = 64 + Int(random.below(UInt64(count - 64))) / 8 * 8
                    if place + FrameHeader.count <= count { header.write(to: &bytes, at: place) }
                }
            }
            let disk = SimulatedDisk(seed: 1)
            disk.restore([(name: SegmentName(stream: 1, number: 1), bytes: bytes)])
            let journal = Journal(disk, keys)
            let found = try Found(journal)
            #expect(found.records.isEmpty && found.isEmpty)
            #expect(try journal.historyTexts().isEmpty)
            try journal.commit([text("new")]) { [] }
            #expect(try Found(Journal(disk, keys)) == Found(records: ["new"]))
        }
    }

    @Test func `a file made of frames that do not open costs 64 decryptions, not thousands`() throws {
        var bytes = SegmentHeader(
            SegmentName(stream: 1, number: 1), size: 1 << 20, salt: [UInt8](repeating: 1, count: 32).span
        ).bytes
        while bytes.count < 1 << 20 {
            let place = bytes.count
            bytes += [UInt8](repeating: 0, count: FrameHeader.count)
            FrameHeader(index: 1, length: min(1 << 16, ((1 << 20) - bytes.count) / 8 * 8)).write(to: &bytes, at: place)
        }
        let disk = SimulatedDisk(seed: 1)
        disk.restore([(name: SegmentName(stream: 1, number: 1), bytes: bytes)])
        let keys = CountingKeys(try TestSegmentKeys(seed: 1))
        #expect(try Found(Journal(disk, keys)).damage == 1)
        #expect(keys.opened <= 128)
    }

    @Test(
        arguments: [
            ("no count", [1, 0, 0]), ("one record, no length", [1, 0, 0, 0]),
            ("a length cut off", [1, 0, 0, 0, 4, 0, 0]),
            ("a record cut off", [1, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3]),
            ("a length beyond 2^31", [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]),
            ("fewer records than counted", [2, 0, 0, 0, 0, 0, 0, 0]),
            ("more than counted", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("padding that is not zero", [0, 0, 0, 0, 0, 0, 0, 1]),
            ("a count beyond 2^31", [0xff, 0xff, 0xff, 0xff]),
        ] as [(String, [UInt8])])
    func `a plaintext that is no row of records is refused`(what: String, bytes: [UInt8]) {
        let isRow = FrameRecords.read(bytes.span) { _, _ in }
        #expect(!isRow, "\(what)")
    }

    @Test func `every prefix of a row of records is refused, and so is a byte behind it`() {
        var frame: [UInt8] = []
        FrameRecords.write([text("one"), [], text("three")], after: [], to: &frame)
        let plaintext = [UInt8](frame[FrameHeader.count..<frame.count - FrameHeader.tagCount])
        var records: [String] = []
        #expect(FrameRecords.read(plaintext.span) { bytes, _ in records.append(string(bytes)) })
        #expect(records == ["one", "", "three"])
        for count in 0..<24 {
            let prefix = [UInt8](plaintext[..<count])
            let isRow = FrameRecords.read(prefix.span) { _, _ in }
            #expect(!isRow, "\(count)")
        }
        let longer = plaintext + [0, 0, 0, 0, 0, 0, 0, 0]
        #expect(!FrameRecords.read(longer.span) { _, _ in })
    }

    @Test func `numbers at the end of their range do not stop the journal`() throws {
        let keys = try TestSegmentKeys(seed: 1)
        let disk = SimulatedDisk(seed: 1)
        disk.restore([
            (name: SegmentName(stream: 1, number: .max), bytes: [1]),
            (name: SegmentName(stream: 1, number: 1 << 63), bytes: [1]),
            (name: SegmentName(stream: 1, number: 0), bytes: [1]),
        ])
        var journal = Journal(disk, keys)
        #expect(try Found(journal) == Found(records: [], damage: 3))
        try journal.commit([text("new")]) { [] }
        #expect(try Found(Journal(disk, keys)).records == ["new"])
        disk.restore([(name: SegmentName(stream: 1, number: 1 << 63 - 1), bytes: [1])])
        journal = Journal(disk, keys)
        #expect(try Found(journal).damage == 1)
        #expect(throws: JournalError.storage(.full)) { try journal.commit([text("new")]) { [] } }
    }

    @Test func `streams of one directory do not see each other`() throws {
        let keys = try TestSegmentKeys(seed: 1)
        let disk = SimulatedDisk(seed: 1)
        for stream in [1, 2, 255] as [UInt8] {
            let journal = Journal(disk, keys, stream: stream)
            _ = try Found(journal)
            try journal.commit([text("of stream \(stream)")]) { [] }
        }
        for stream in [1, 2, 255] as [UInt8] {
            #expect(try Found(Journal(disk, keys, stream: stream)) == Found(records: ["of stream \(stream)"]))
        }
        #expect(try Found(Journal(disk, keys, stream: 3)) == Found(records: []))
    }
}

private final class CountingKeys: SegmentKeys {
    private final class Cipher: SegmentCipher {
        let cipher: any SegmentCipher
        unowned(unsafe) let keys: CountingKeys

        init(_ cipher: any SegmentCipher, _ keys: CountingKeys) {
            self.cipher = cipher
            self.keys = keys
        }

        func seal(_ bytes: inout [UInt8], from start: Int, index: UInt64, additional: Span<UInt8>) -> Bool {
            cipher.seal(&bytes, from: start, index: index, additional: additional)
        }

        func open(
            _ sealed: Span<UInt8>, index: UInt64, additional: Span<UInt8>, into plaintext: inout [UInt8]
        ) -> Bool {
            keys.opened += 1
            return cipher.open(sealed, index: index, additional: additional, into: &plaintext)
        }
    }

    private let keys: TestSegmentKeys
    var opened = 0

    init(_ keys: TestSegmentKeys) { self.keys = keys }

    func salt() -> InlineArray<32, UInt8>? { keys.salt() }

    func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)? {
        keys.cipher(salt: salt, info: info).map { Cipher($0, self) }
    }
}
