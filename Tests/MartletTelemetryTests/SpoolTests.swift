// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletTelemetry
import MartletTestKit
import Testing

/// A spool that lives through restarts of its device.
final class SpoolBench {
    let disk = SimulatedDisk(seed: 1)
    let keys: TestSegmentKeys
    let segment: Int
    private(set) var spool: Spool

    init(segment: Int = 4096) throws {
        keys = try TestSegmentKeys(seed: 2)
        self.segment = segment
        spool = try makeSpool(disk, keys: keys, segment: segment)
        spool.begin(at: 1, after: nil)
    }

    func restart(_ cut: SimulatedDisk.Cut = .losesAll) throws {
        disk.restart(cut)
        spool = try makeSpool(disk, keys: keys, segment: segment)
    }

    /// Makes durable, in groups.
    func commit(_ sequences: ClosedRange<UInt64>, size: Int = 100, group: Int = 1) throws {
        var waiting = 0
        for sequence in sequences {
            try #require(spool.add(sequence, size: size))
            waiting += 1
            if waiting == group || sequence == sequences.upperBound {
                try spool.commit(at: 0)
                waiting = 0
            }
        }
    }
}

private func numbers(_ range: ClosedRange<UInt64>) -> [UInt64] { [UInt64](range) }

@Suite struct SpoolTests {
    @Test("SPL-01 envelopes are sent in order, each once, with the bytes that were appended")
    func order() throws {
        let bench = try SpoolBench()
        try bench.commit(1...20, group: 3)
        let sent = bench.spool.deliver()
        #expect(sent.map(\.sequence) == numbers(1...20))
        #expect(sent.allSatisfy { $0.bytes == [UInt8](repeating: UInt8($0.sequence), count: 100) })
        #expect(!bench.spool.hasUnsent && bench.spool.count == 20)
    }

    @Test("SPL-01 what has lost its copy in memory while its frame was being sent is read, and not lost")
    func copiesGoOn() throws {
        let bench = try SpoolBench(segment: 131_072)
        // 32 KiB have a copy, which begins in the middle of the first frame.
        try bench.commit(1...40, size: 1000, group: 20)
        for sequence: UInt64 in 1...4 { #expect(bench.spool.sendOne() == sequence) }
        try bench.commit(41...80, size: 1000, group: 20)
        #expect(bench.spool.sendAll() == numbers(5...80))
        #expect(bench.spool.losses.isEmpty)
    }

    @Test func `what was made durable together is sent from memory, however much it is`() throws {
        let bench = try SpoolBench(segment: 131_072)
        try bench.commit(1...60, size: 1000, group: 60)
        let operations = bench.disk.operations
        #expect(bench.spool.sendAll() == numbers(1...60))
        #expect(bench.disk.operations == operations)
    }

    @Test("SPL-01 no link sees an envelope before it is durable")
    func commitFirst() throws {
        let bench = try SpoolBench()
        bench.spool.add(1)
        #expect(bench.spool.sendOne() == nil && !bench.spool.hasUnsent && bench.spool.count == 1)
        try bench.restart()
        #expect(bench.spool.recovered == nil && bench.spool.count == 0)
        try bench.commit(1...1)
        #expect(bench.spool.sendOne() == 1)
    }

    @Test func `a commit without anything new writes nothing`() throws {
        let bench = try SpoolBench()
        try bench.commit(1...3)
        let operations = bench.disk.operations
        try bench.spool.commit(at: 0)
        #expect(bench.disk.operations == operations)
    }

    @Test func `half a segment waits for a commit, and no more`() throws {
        let bench = try SpoolBench()
        var next: UInt64 = 1
        while bench.spool.add(next, size: 1000) { next += 1 }
        #expect(next == 4 && bench.spool.uncommittedSize == 3 * 1011)
        try bench.spool.commit(at: 0)
        #expect(bench.spool.uncommittedSize == 0 && bench.spool.sendAll() == [1, 2, 3])
        #expect(bench.spool.add(4))
    }

    @Test func `what a link does not take stays the next`() throws {
        let bench = try SpoolBench()
        try bench.commit(1...2)
        #expect(!bench.spool.sendNext { (_, _, _) in false })
        #expect(bench.spool.sendAll() == [1, 2])
    }

    @Test func `the back end may acknowledge in any order`() throws {
        let bench = try SpoolBench()
        try bench.commit(1...6)
        _ = bench.spool.sendAll()
        for sequence in [3, 1, 3, 99, 6] as [UInt64] { bench.spool.release(sequence) }
        #expect(bench.spool.count == 3)
        // What is before 2 is done for good; what is behind comes again.
        try bench.commit(7...7)
        try bench.restart()
        #expect(bench.spool.sendAll() == numbers(2...7) && bench.spool.count == 6)
    }

    @Test func `what a link gives back is sent again, before all that is newer`() throws {
        let bench = try SpoolBench()
        try bench.commit(1...6)
        let first = try (1...4).map { _ in try #require(bench.spool.sendOne()) }
        bench.spool.release(2)
        for sequence in first { bench.spool.restore(sequence) }
        #expect(bench.spool.sendAll() == [1, 3, 4, 5, 6])
    }

    @Test func `what is given up is told with its hash, and does not come again`() throws {
        let bench = try SpoolBench()
        try bench.commit(1...3)
        _ = bench.spool.sendAll()
        #expect(bench.spool.giveUp(2) == Gap(first: 2, last: 2, readings: 2, reason: .refused, digest: digest(2)))
        #expect(bench.spool.giveUp(2) == nil && bench.spool.giveUp(9) == nil)
        bench.spool.restore(2)
        #expect(!bench.spool.hasUnsent && bench.spool.count == 2)
        bench.spool.release(1)
        try bench.commit(4...4)
        try bench.restart()
        #expect(bench.spool.sendAll() == [3, 4])
        // What was read from the disk has no hash at hand.
        #expect(bench.spool.giveUp(3) == Gap(first: 3, last: 3, readings: 3, reason: .refused, digest: nil))
    }

    @Test("SPL-01 what the back end has is written with the next commit, and never goes back over it")
    func lazyCursor() throws {
        let bench = try SpoolBench()
        try bench.commit(1...4)
        let sent = bench.spool.deliver()
        let operations = bench.disk.operations
        for sequence in numbers(1...3) { bench.spool.release(sequence) }
        #expect(bench.disk.operations == operations)
        try bench.restart()
        #expect(bench.spool.deliver() == sent)
        for sequence in numbers(1...3) { bench.spool.release(sequence) }
        try bench.commit(5...5)
        for cut in SimulatedDisk.Cut.allCases {
            try bench.restart(cut)
            #expect(bench.spool.sendAll() == [4, 5])
        }
    }

    @Test("SPL-01 what has no copy in memory is read from the disk", arguments: [4096, 8192, 65_536])
    func readBack(segment: Int) throws {
        let bench = try SpoolBench(segment: segment)
        try bench.commit(1...120, size: 895)
        #expect(bench.disk.image.count > 120 * 900 / segment)
        #expect(bench.spool.sendAll() == numbers(1...120))
        try bench.restart()
        #expect(bench.spool.count == 120 && bench.spool.sendAll() == numbers(1...120))
        #expect(bench.spool.takeLosses().isEmpty)
    }

    @Test("SPL-01 what is committed while a segment is being read comes, too")
    func slowLink() throws {
        let bench = try SpoolBench(segment: 65_536)
        try bench.commit(1...45, size: 895)
        #expect(bench.spool.sendOne() == 1)
        // Into the same segment, and then so much into the next one that no copy of it is left.
        try bench.commit(46...62, size: 895)
        #expect(bench.disk.image.count == 1)
        try bench.commit(63...110, size: 895)
        #expect(bench.disk.image.count == 2)
        #expect(bench.spool.sendAll() == numbers(2...110))
        #expect(bench.spool.takeLosses().isEmpty)
    }

    @Test("SPL-01 a link that is slower than the readings loses none of them")
    func slowerLink() throws {
        for segment in [4096, 16_384, 65_536] {
            let bench = try SpoolBench(segment: segment)
            var sent: [UInt64] = []
            for sequence in numbers(1...300) {
                try bench.commit(sequence...sequence, size: 700)
                if sequence % 2 == 0, let one = bench.spool.sendOne() { sent.append(one) }
            }
            sent += bench.spool.sendAll()
            #expect(sent == numbers(1...300))
            #expect(bench.spool.takeLosses().isEmpty)
        }
    }

    @Test func `segments go when the back end has what is in them`() throws {
        let bench = try SpoolBench()
        try bench.commit(1...30, size: 895)
        #expect(bench.disk.image.count > 8)
        _ = bench.spool.sendAll()
        for sequence in numbers(2...29) { bench.spool.release(sequence) }
        #expect(bench.disk.image.count > 8)
        bench.spool.release(1)
        #expect(bench.disk.image.count == 1)
        #expect(bench.spool.size == 4096 && bench.spool.count == 1)
    }

    @Test("SPL-01 files that were removed before the cursor was durable are no loss")
    func removedBeforeCommit() throws {
        let bench = try SpoolBench()
        try bench.commit(1...30, size: 895)
        _ = bench.spool.sendAll()
        for sequence in numbers(1...20) { bench.spool.release(sequence) }
        try bench.restart()
        let sent = bench.spool.sendAll()
        #expect(bench.spool.takeLosses().isEmpty)
        #expect(sent == numbers(sent[0]...30) && sent[0] <= 21 && sent[0] > 1)
        #expect(bench.spool.count == sent.count)
    }

    @Test("SPL-01 numbers that were passed over are no loss, wherever their record is")
    func jump() throws {
        let bench = try SpoolBench()
        bench.spool.begin(at: 100, after: nil)
        try bench.commit(100...103)
        bench.spool.begin(at: 200, after: ChainHead(sequence: 199, digest: digest(7)))
        try bench.spool.commit(at: 0)
        try bench.restart()
        #expect(bench.spool.recovered?.next == 200 && bench.spool.recovered?.head?.digest == digest(7))
        bench.spool.begin(at: 300, after: nil)
        try bench.commit(300...303)
        bench.spool.add(304)
        bench.spool.begin(at: 400, after: nil)
        bench.spool.add(400)
        bench.spool.begin(at: 500, after: nil)
        try bench.spool.commit(at: 0)
        for _ in 0..<2 {
            #expect(bench.spool.sendAll() == numbers(100...103) + numbers(300...304) + [400])
            #expect(bench.spool.takeLosses().isEmpty && !bench.spool.hasUnsent)
            try bench.restart()
            #expect(bench.spool.recovered?.next == 500 && bench.spool.recovered?.head == nil)
        }
    }

    @Test("SPL-01 the oldest segment is given up, and told from the first to the last of it")
    func giveUp() throws {
        let bench = try SpoolBench()
        try bench.commit(1...3, size: 895)
        #expect(bench.spool.oldest(.retention) == nil && !bench.spool.dropOldest())
        try bench.commit(4...10, size: 895)
        let size = bench.spool.size
        #expect(bench.spool.sendOne() == 1)
        bench.spool.release(1)
        let gap = try #require(bench.spool.oldest(.retention))
        #expect(gap == Gap(first: 2, last: 4, readings: 2 + 3 + 4, reason: .retention, digest: digest(4)))
        #expect(bench.spool.sendOne() == 2)
        #expect(bench.spool.dropOldest() && bench.spool.size < size && bench.spool.count == 6)
        bench.spool.release(2)
        bench.spool.restore(2)
        #expect(bench.spool.sendAll() == numbers(5...10))
        bench.spool.release(5)
        try bench.restart()
        #expect(bench.spool.sendAll() == numbers(5...10) && bench.spool.takeLosses().isEmpty)
        while bench.spool.dropOldest() {}
        #expect(bench.disk.image.count == 1)
    }

    @Test func `an older file that was not cut off is cut off by the next run`() throws {
        let bench = try SpoolBench()
        try bench.commit(1...3)
        try bench.restart()
        let whole = bench.disk.image[0]
        try bench.commit(4...4)
        #expect(bench.disk.image[0].bytes.count < 1000 && whole.bytes.count == 4096)
        bench.disk.restore([whole, bench.disk.image[1]])
        try bench.restart()
        try bench.commit(5...5)
        #expect(bench.disk.image[0].bytes.count < 1000)
        #expect(bench.spool.sendAll() == numbers(1...5) && bench.spool.takeLosses().isEmpty)
    }
}
