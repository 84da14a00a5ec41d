// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletTelemetry
import MartletTestKit
import Testing

@Suite struct SpoolDamageTests {
    /// Three nearly full segments of 4 KiB, one of each run, as they were before they were cut off.
    let image: SimulatedDisk.Image
    /// The same at the end.
    let last: SimulatedDisk.Image
    let keys: TestSegmentKeys
    /// All envelopes, and the numbers of those in each segment.
    let envelopes: [SentEnvelope]
    let places: [ClosedRange<UInt64>]

    init() throws {
        let disk = SimulatedDisk(seed: 1)
        keys = try TestSegmentKeys(seed: 1)
        var envelopes: [SentEnvelope] = []
        var places: [ClosedRange<UInt64>] = []
        var whole: SimulatedDisk.Image = []
        for commits in [2, 4, 2] {
            let spool = try makeSpool(disk, keys: keys)
            let first = UInt64(envelopes.count)
            for _ in 0..<commits {
                for _ in 0..<2 {
                    let number = UInt64(envelopes.count)
                    let size = commits == 4 ? 380 : 880
                    let content = bytes("canary-4711 \(number) ") + [UInt8](repeating: UInt8(number), count: size)
                    try #require(spool.add(number, content))
                    envelopes.append(SentEnvelope(sequence: number, bytes: content))
                }
                try spool.commit(at: 0)
            }
            places.append(first...UInt64(envelopes.count) - 1)
            whole.append(disk.image[disk.image.count - 1])
        }
        self.envelopes = envelopes
        self.places = places
        image = whole
        last = disk.image
        try #require(image.map(\.bytes.count) == [4096, 4096, 4096])
        try #require(image.allSatisfy { $0.bytes[3600..<3700].contains { $0 != 0 } })
    }

    /// Opens and drains what `segment` became, and says what is wrong with it.
    private func fault(_ segment: Int, _ bytes: [UInt8]) throws -> String? {
        let disk = SimulatedDisk(seed: 1)
        var image = last
        image[segment].bytes = bytes
        disk.restore(image)
        let spool = try makeSpool(disk, keys: keys)
        let sent = spool.deliver()
        let losses = spool.takeLosses()
        var place = 0
        var missing: [UInt64] = []
        for envelope in sent {
            while place < envelopes.count, envelopes[place].sequence < envelope.sequence {
                missing.append(envelopes[place].sequence)
                place += 1
            }
            guard place < envelopes.count, envelopes[place] == envelope else {
                return "\(envelope.sequence) is wrong or out of order"
            }
            place += 1
        }
        missing += envelopes[place...].map(\.sequence)
        if let other = missing.first(where: { !places[segment].contains($0) }) { return "\(other) is missing" }
        let untold = missing.filter { number in !losses.contains { ($0.first...$0.last).contains(number) } }
        if !untold.isEmpty && (segment < 2 || spool.damage == 0) { return "\(untold) are missing without a word" }
        for loss in losses where !(loss.first...loss.last).allSatisfy(missing.contains) { return "\(loss) is not so" }
        for envelope in sent { spool.release(envelope.sequence) }
        if spool.hasUnsent || spool.count != 0 { return "\(spool.count) wait for nothing" }
        return nil
    }

    @Test("SPL-06 a bit flip costs one frame, which is told; all other segments arrive", arguments: 0..<3)
    func flips(segment: Int) throws {
        #expect(try fault(segment, image[segment].bytes) == nil)
        // Every bit of the middle one, one of each eighth byte of the others.
        for place in stride(from: 0, to: 4096, by: segment == 1 ? 1 : 8) {
            for bit in segment == 1 ? 0...7 : 4...4 {
                var bytes = image[segment].bytes
                bytes[place] ^= 1 << UInt8(bit)
                if let fault = try fault(segment, bytes) {
                    Issue.record("bit \(bit) of byte \(place): \(fault)")
                    return
                }
            }
        }
    }

    @Test("SPL-06 a segment that is cut off or overwritten costs what was in it, which is told", arguments: 0..<3)
    func truncations(segment: Int) throws {
        let bytes = image[segment].bytes
        for count in Array(stride(from: 0, to: 4096, by: 64)) + [1, 63, 65, 4095] {
            #expect(try fault(segment, [UInt8](bytes[..<count])) == nil, "\(count) bytes")
            if segment < 2 {
                let zeros = [UInt8](repeating: 0, count: 4096 - count)
                #expect(try fault(segment, bytes[..<count] + zeros) == nil, "\(count) bytes, then zeros")
            }
        }
        #expect(try fault(segment, [UInt8](repeating: 0xff, count: 4096)) == nil)
    }

    @Test("SPL-06 if nothing is left of the newest segment, what it held is told")
    func lane() throws {
        for kept in [0, 2] {
            let disk = SimulatedDisk(seed: 1)
            disk.restore(image.prefix(kept) + [(name: image[2].name, bytes: [UInt8](repeating: 7, count: 4096))])
            let spool = try makeSpool(disk, keys: keys)
            let lane = TelemetryLane(
                lane: .normal, spool: spool, least: 0, reserved: 1000, gaps: GapList(), limits: ReadingBatch.Limits())
            let first = kept == 0 ? 0 : places[2].lowerBound
            #expect(lane.gaps.gaps == [Gap(first: first, last: 999, readings: 0, reason: .corrupt, digest: nil)])
            #expect(lane.next == 1000 && lane.head == nil)
            // It is told once.
            spool.add(1000)
            try spool.commit(at: 0)
            let next = try makeSpool(disk, keys: keys)
            #expect(next.damage == 0 && next.recovered?.next == 1001)
            #expect(next.sendAll() == envelopes.prefix(Int(first)).map(\.sequence) + [1000])
            #expect(next.takeLosses().isEmpty)
        }
    }

    @Test("SPL-07 segments of another device, lane, number or key are refused")
    func swaps() throws {
        let moved: [(String, SegmentName, String, Lane, TestSegmentKeys)] = [
            ("another number", SegmentName(stream: 3, number: 9), "device-1", .normal, keys),
            ("another stream", SegmentName(stream: 2, number: 3), "device-1", .alarm, keys),
            ("another device", SegmentName(stream: 3, number: 3), "device-2", .normal, keys),
            ("another key", SegmentName(stream: 3, number: 3), "device-1", .normal, try TestSegmentKeys(seed: 2)),
        ]
        for (what, name, device, lane, keys) in moved {
            let disk = SimulatedDisk(seed: 1)
            disk.restore([(name: name, bytes: image[2].bytes)])
            let spool = try makeSpool(disk, keys: keys, device: device, lane: lane)
            #expect(spool.recovered == nil && spool.damage > 0 && spool.sendAll().isEmpty, "\(what)")
        }
        // Two that changed places.
        let disk = SimulatedDisk(seed: 1)
        disk.restore([
            (name: image[0].name, bytes: image[1].bytes), (name: image[1].name, bytes: image[0].bytes), image[2],
        ])
        let spool = try makeSpool(disk, keys: keys)
        #expect(spool.sendAll() == [UInt64](places[2]))
        let losses = spool.takeLosses()
        #expect(losses.map(\.first) == [0] && losses.map(\.last) == [places[1].upperBound])
    }

    @Test("SPL-07 no byte of an envelope stands on the disk")
    func canaries() throws {
        let canary = bytes("canary-4711")
        #expect(envelopes[0].bytes.starts(with: canary))
        for segment in image { #expect(!segment.bytes.contains(canary)) }
    }
}
