// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletEnvelope
import MartletJournal
import MartletTelemetry
import MartletTestKit
import TestSupport
import Testing

/// Keys of the example in the journal's FORMAT.md; each segment has a salt of its own.
private final class ExampleKeys: SegmentKeys {
    private let keys: OpenSSLSegmentKeys
    private var count: UInt8 = 0

    init() throws { keys = try OpenSSLSegmentKeys(master: [UInt8](0..<32).span) }

    func salt() -> InlineArray<32, UInt8>? {
        count += 1
        return InlineArray { UInt8(0x80 + $0) ^ count }
    }

    func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)? { keys.cipher(salt: salt, info: info) }
}

@Suite struct SpoolFormatTests {
    private func open(_ disk: SimulatedDisk, _ keys: ExampleKeys) throws -> Spool {
        try Spool(
            Journal(
                storage: disk, keys: keys, device: bytes("device-1"), stream: Spool.stream(.normal),
                segmentSize: 4096, historySize: nil))
    }

    /// Every kind of record: Tests/interop/spool.py says what it finds in them.
    private func write() throws -> SimulatedDisk.Image {
        let disk = SimulatedDisk(seed: 1)
        let keys = try ExampleKeys()
        var spool = try open(disk, keys)
        spool.begin(at: 1000, after: nil)
        spool.add(1000, bytes("envelope 1000"))
        spool.add(1001, bytes("envelope 1001"))
        try spool.commit(at: 1_750_000_000)
        #expect(spool.sendAll() == [1000, 1001])
        spool.release(1000)
        spool.add(1002, bytes("envelope 1002"))
        try spool.commit(at: 1_750_000_000)
        spool = try open(disk, keys)
        spool.add(1003, bytes("envelope 1003"))
        spool.begin(at: 2000, after: nil)
        spool.add(2000, bytes("envelope 2000"))
        try spool.commit(at: 1_750_000_000)
        return disk.image
    }

    @Test func `the spool writes what the vectors hold, and reads it`() throws {
        let names = try Vectors.files("spool")
        #expect(names == ["journal-3-0000000000000001.hex", "journal-3-0000000000000002.hex"])
        var image = try write()
        for (place, name) in names.enumerated() {
            let vector = try Vectors.hex("spool/\(name)")
            let written = image[place].bytes
            #expect(written.prefix(vector.count).elementsEqual(vector), "\(name): \(hex(written))")
            #expect(written.dropFirst(vector.count).allSatisfy { $0 == 0 })
            image[place].bytes = vector + [UInt8](repeating: 0, count: written.count - vector.count)
        }
        let disk = SimulatedDisk(seed: 1)
        disk.restore(image)
        let spool = try open(disk, ExampleKeys())
        #expect(spool.recovered?.next == 2001 && spool.damage == 0 && spool.count == 4)
        let sent = spool.deliver()
        #expect(sent.map(\.sequence) == [1001, 1002, 1003, 2000])
        #expect(sent.allSatisfy { $0.bytes == bytes("envelope \($0.sequence)") })
    }
}
