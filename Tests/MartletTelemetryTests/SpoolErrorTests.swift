// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletTelemetry
import MartletTestKit
import Testing

@Suite struct SpoolErrorTests {
    /// What a program goes through: appends, reads back, releases, gives up.
    private func life(_ run: SpoolRun) {
        run.session { (run) throws(JournalError) in
            for turn in 0..<8 as Range<UInt64> {
                run.append(2, size: 500)
                // What fails waits for the next time.
                do throws(JournalError) { try run.commit() } catch {}
                if turn % 3 == 1 {
                    run.send(3)
                    for sequence in 1...turn { run.release(sequence) }
                }
                if turn == 6 { _ = run.giveUp() }
            }
        }
    }

    /// A run of the program in which the `number`th operation fails, then one without failure.
    private func run(_ number: Int?, _ error: StorageError, isSticky: Bool, cut: Bool) throws -> SpoolRun {
        let run = try SpoolRun(seed: UInt64(number ?? 0))
        run.session { (run) throws(JournalError) in
            for _ in 0..<6 {
                run.append(size: 895)
                try run.commit()
            }
        }
        if let number {
            run.disk.fault = SimulatedDisk.Fault(run.disk.operations + number, error, isSticky: isSticky)
        }
        life(run)
        run.disk.fault = nil
        if cut { run.disk.restart() }
        life(run)
        run.finish()
        return run
    }

    @Test("IOE-01 any operation fails, once or for good: nothing is lost, nothing is sent twice, and it goes on")
    func everyOperation() throws {
        let start = try run(nil, .full, isSticky: false, cut: false).disk.operations
        var runs = 0
        for number in 1...start {
            for error in [StorageError.failed(5), .full] {
                for isSticky in [false, true] {
                    let cut = runs % 3 > 0
                    let run = try run(number, error, isSticky: isSticky, cut: cut)
                    #expect(run.wrong == nil, "operation \(number), \(error), sticky \(isSticky), cut \(cut)")
                    // A program that is only started again cannot know of a sync that failed.
                    #expect(run.disk.vainSyncs == 0 || !cut)
                    runs += 1
                }
            }
        }
        print("# IOE-01 spool: \(runs) runs")
        #expect(runs > 200)
    }

    @Test("IOE-01 what a commit could not write waits, in order, for one that can")
    func commitAgain() throws {
        let bench = try SpoolBench()
        try bench.commit(1...3)
        bench.disk.fault = SimulatedDisk.Fault(bench.disk.operations + 1, .failed(5), isSticky: true)
        bench.spool.add(4)
        #expect(throws: JournalError.storage(.failed(5))) { try bench.spool.commit(at: 0) }
        bench.spool.add(5)
        #expect(throws: JournalError.storage(.failed(5))) { try bench.spool.commit(at: 0) }
        #expect(bench.spool.count == 5 && bench.spool.sendAll() == [1, 2, 3])
        bench.disk.fault = nil
        try bench.spool.commit(at: 0)
        #expect(bench.spool.sendAll() == [4, 5] && bench.spool.uncommittedSize == 0)
        try bench.restart()
        #expect(bench.spool.sendAll() == [1, 2, 3, 4, 5])
    }

    @Test("IOE-01 a disk that cannot be read for a while delays what is on it, and loses nothing")
    func readAgain() throws {
        let bench = try SpoolBench()
        try bench.commit(1...60, size: 895)
        for operation in 1...3 {
            bench.disk.fault = SimulatedDisk.Fault(bench.disk.operations + operation, .failed(24), isSticky: true)
            let first = bench.spool.sendAll()
            bench.disk.fault = nil
            #expect(first + bench.spool.sendAll() == [UInt64](1...60))
            #expect(bench.spool.takeLosses().isEmpty)
            try bench.restart()
        }
    }

    @Test("IOE-01 what cannot be read for good is told, and the rest is sent")
    func unreadable() throws {
        let bench = try SpoolBench()
        try bench.commit(1...60, size: 895)
        // Segments of four; the second one is read twice, as the first answer may be a mistake.
        #expect((1...4).map { _ in bench.spool.sendOne() } == [1, 2, 3, 4])
        bench.disk.fault = SimulatedDisk.Fault(bench.disk.operations + 1, .unreadable, isSticky: true)
        var sent = bench.spool.sendAll()
        bench.disk.fault = nil
        sent += bench.spool.sendAll()
        let losses = bench.spool.takeLosses()
        #expect(losses.count == 1 && losses[0].first == 5 && losses[0].reason == .corrupt)
        #expect(sent == [UInt64](losses[0].last + 1...60))
        #expect(losses[0].readings == (5...losses[0].last).reduce(0) { $0 + $1 % 7 })
    }

    @Test("IOE-01 if the newest segment cannot be synced at the start, the lane goes on above, and tells it")
    func syncAtStart() throws {
        let bench = try SpoolBench()
        try bench.commit(1...3)
        bench.disk.restart()
        // The directory, the newest segment, then its sync.
        bench.disk.fault = SimulatedDisk.Fault(bench.disk.operations + 3, .failed(5), isSticky: false)
        let spool = try makeSpool(bench.disk, keys: bench.keys)
        #expect(spool.damage == 1)
        let lane = TelemetryLane(
            lane: .normal, spool: spool, least: 0, reserved: 50, gaps: GapList(), limits: ReadingBatch.Limits())
        #expect(lane.next == 50 && lane.gaps.gaps.map(\.first) == [4])
        #expect(spool.sendAll() == [1, 2, 3])
        try spool.commit(at: 0)
        #expect(try makeSpool(bench.disk, keys: bench.keys).damage == 0)
    }

    @Test("SPL-01 the cursor does not pass a loss before it was taken")
    func lossFirst() throws {
        let bench = try SpoolBench()
        try bench.commit(1...12, size: 895)
        var image = bench.disk.image
        image[0].bytes[100] ^= 1
        bench.disk.restore(image)
        try bench.restart()
        #expect(bench.spool.sendAll().first ?? 0 > 1)
        for sequence in 1...12 as ClosedRange<UInt64> { bench.spool.release(sequence) }
        try bench.commit(13...13)
        try bench.restart()
        // It was not taken, so it is found again.
        let sent = bench.spool.sendAll()
        let losses = bench.spool.takeLosses()
        #expect(losses.count == 1 && losses[0].first <= 1)
        for sequence in sent { bench.spool.release(sequence) }
        try bench.commit(14...14)
        try bench.restart()
        #expect(bench.spool.sendAll() == [14] && bench.spool.takeLosses().isEmpty)
    }

    @Test("SPL-01 a full disk is said to be full; what is given up makes room")
    func fullDisk() throws {
        let bench = try SpoolBench()
        bench.disk.capacity = 4 * 4096
        var lost: Set<UInt64> = []
        var gaps = 0
        for sequence in 1...100 as ClosedRange<UInt64> {
            try #require(bench.spool.add(sequence, size: 895))
            while true {
                do throws(JournalError) {
                    try bench.spool.commit(at: 0)
                    break
                } catch {
                    #expect(error == .storage(.full))
                }
                let gap = try #require(bench.spool.oldest(.retention))
                lost.formUnion(gap.first...gap.last)
                #expect(bench.spool.dropOldest())
                gaps += 1
            }
            #expect(bench.disk.image.reduce(0) { $0 + $1.bytes.count } <= 4 * 4096)
        }
        #expect(gaps > 10)
        let kept = (1...100).filter { !lost.contains($0) }
        #expect(kept.count >= 8 && bench.spool.count == kept.count && bench.spool.sendAll() == kept)
        try bench.restart()
        #expect(bench.spool.sendAll() == kept && bench.spool.takeLosses().isEmpty)
        // Space comes back: nothing more has to go.
        bench.disk.capacity = nil
        try bench.commit(101...120, size: 895)
        #expect(bench.spool.sendAll() == [UInt64](101...120))
    }

    @Test("SPL-01 segments that cannot be read any more go with those before them")
    func damagedGo() throws {
        for isGivenUp in [false, true] {
            let bench = try SpoolBench()
            try bench.commit(1...30, size: 895)
            var image = bench.disk.image
            for place in 2...3 { image[place].bytes = [UInt8](repeating: 7, count: 4096) }
            bench.disk.restore(image)
            try bench.restart()
            if isGivenUp {
                while let gap = bench.spool.oldest(.retention) {
                    #expect(gap.last >= gap.first && bench.spool.dropOldest())
                }
                #expect(bench.spool.sendAll().last == 30 && bench.spool.takeLosses().isEmpty)
            } else {
                let sent = bench.spool.sendAll()
                #expect(bench.spool.takeLosses().count == 1 && sent.last == 30)
                for sequence in sent { bench.spool.release(sequence) }
            }
            #expect(bench.disk.image.count == 1)
        }
    }

    @Test("SPL-05 no key seals twice with one nonce, also after restored images, failures and power cuts")
    func nonces() throws {
        let random = SeededEntropy(seed: 5)
        let keys = try TestSegmentKeys(seed: 1)
        let disk = SimulatedDisk(seed: 1)
        var images: [SimulatedDisk.Image] = []
        for _ in 0..<60 {
            images.append(disk.image)
            if let spool = try? makeSpool(disk, keys: keys) {
                if random.oneIn(3) { disk.cutAfter = disk.steps + Int(random.below(20)) }
                if random.oneIn(3) {
                    let number = disk.operations + 1 + Int(random.below(20))
                    disk.fault = SimulatedDisk.Fault(number, .failed(5), isSticky: random.oneIn(2))
                }
                let first = spool.recovered?.next ?? 0
                for sequence in first..<first + 8 {
                    spool.add(sequence, (0..<600).map { _ in UInt8(random.below(256)) })
                    try? spool.commit(at: 0)
                    if let sent = spool.sendOne() { spool.release(sent) }
                }
            }
            disk.fault = nil
            disk.restart()
            if random.oneIn(3) { disk.restore(images[Int(random.below(UInt64(images.count)))]) }
        }
        print("# SPL-05 spool: \(keys.sealings.count) frames")
        #expect(keys.reusedNonces == 0 && keys.sealings.count > 200)
    }
}
