// SPDX-License-Identifier: Apache-2.0

import MartletJournal
import MartletTestKit
import Testing

@Suite struct FailureTests {
    static let scenario = Scenario(
        name: "rotation and removal", commits: 8, filling: 900, history: 6000, before: 5)

    /// A session in which the `number`th operation fails, then a power cut, then one without failure.
    private func run(_ number: Int, _ error: StorageError, isSticky: Bool, twin: Twin = Twin()) throws -> Run {
        let run = try Run(Self.scenario, seed: UInt64(number), twin: twin)
        try run.session(commits: Self.scenario.before)
        run.disk.fault = SimulatedDisk.Fault(run.disk.operations + number, error, isSticky: isSticky)
        try run.session(commits: Self.scenario.commits, goesOn: true)
        run.disk.fault = nil
        run.disk.restart()
        try run.finish()
        return run
    }

    /// Operations of the session without a failure.
    private func operations() throws -> Int {
        let run = try Run(Self.scenario, seed: 0)
        try run.session(commits: Self.scenario.before)
        let start = run.disk.operations
        try run.session(commits: Self.scenario.commits)
        return run.disk.operations - start
    }

    @Test("IOE-01 any operation fails, once or for good: nothing acknowledged is lost, no file is synced again")
    func everyOperation() throws {
        let operations = try operations()
        var runs = 0
        for number in 1...operations {
            for error in [StorageError.failed(5), .full] {
                for isSticky in [false, true] {
                    let run = try run(number, error, isSticky: isSticky)
                    #expect(run.wrong == nil, "operation \(number), \(error), sticky \(isSticky)")
                    #expect(run.disk.vainSyncs == 0)
                    // The first operations list the directory and read. All others are tried again elsewhere.
                    if !isSticky && number > 1 {
                        #expect(run.acknowledged.count == 13, "operation \(number), \(error)")
                    }
                    runs += 1
                }
            }
        }
        print("# IOE-01: \(operations) operations, \(runs) runs")
        #expect(operations > 20)
    }

    @Test func `a twin that syncs a file again after a failure is found out`() throws {
        var lost = 0
        for number in 1...(try operations()) {
            let twin = Twin(storage: { RetryingSync($0) })
            let run = try run(number, .failed(5), isSticky: false, twin: twin)
            if run.wrong != nil && run.disk.vainSyncs > 0 { lost += 1 }
        }
        print("# twin, sync again: \(lost) runs lost something")
        #expect(lost > 0)
    }

    @Test func `a frame that was written though commit failed has no effect once another commit succeeded`() throws {
        let disk = SimulatedDisk(seed: 1)
        let keys = try TestSegmentKeys(seed: 1)
        var owner = try Owner(Journal(disk, keys))
        try owner.commit(1)
        // Written, then synced in vain, twice: in the present segment and in a new one, which cannot be removed either.
        disk.fault = SimulatedDisk.Fault(disk.operations + 2, .failed(5), isSticky: true)
        #expect(throws: JournalError.storage(.failed(5))) { try owner.commit(2) }
        let ghost = disk.image
        disk.fault = nil
        try owner.commit(3)
        disk.restart(.keepsAll)
        #expect(try Owner(Journal(disk, keys)).numbers == [1, 3])
        // The ghost was one: without the later commit it would be there.
        disk.restore(ghost)
        owner = try Owner(Journal(disk, keys))
        #expect(owner.numbers == [1, 2])
        try owner.commit(4)
        #expect(try Owner(Journal(disk, keys)).numbers == [1, 2, 4])
    }

    @Test func `what a failed commit wrote is not in the history`() throws {
        let disk = SimulatedDisk(seed: 1)
        let keys = try TestSegmentKeys(seed: 1)
        let owner = try Owner(Journal(disk, keys))
        for number in 1...3 { try owner.commit(number) }
        disk.fault = SimulatedDisk.Fault(disk.operations + 2, .failed(5), isSticky: true)
        #expect(throws: JournalError.self) { try owner.commit(4) }
        disk.fault = nil
        try owner.commit(5)
        let expected = ["state ", "number 1 ", "number 2 ", "number 3 ", "state 1,2,3", "number 5 "]
        #expect(try owner.journal.historyTexts() == expected)
        let later = Journal(disk, keys)
        _ = try Found(later)
        #expect(try later.historyTexts() == expected)
    }

    @Test("IOE-02 a full disk is said to be full; history gives way; with space it goes on")
    func fullDisk() throws {
        let disk = SimulatedDisk(seed: 1)
        let keys = try TestSegmentKeys(seed: 1)
        var owner = try Owner(Journal(disk, keys, history: 1 << 20), filling: 900)
        disk.capacity = 4 * 4096
        for number in 1...40 { try owner.commit(number) }
        #expect(disk.image.count <= 4)
        // Also after a restart: what was read is synced, so that what is older may go.
        owner = try Owner(Journal(disk, keys, history: 1 << 20), filling: 900)
        disk.capacity = disk.image.reduce(0) { $0 + $1.bytes.count }
        try owner.commit(41)
        owner = try Owner(Journal(disk, keys, history: 1 << 20), filling: 900)
        disk.capacity = 4096
        for number in 42...60 {
            #expect(throws: JournalError.storage(.full)) { try owner.commit(number) }
        }
        disk.capacity = nil
        try owner.commit(61)
        disk.restart()
        #expect(try Owner(Journal(disk, keys), filling: 900).numbers == Array(1...41) + [61])
    }

    @Test func `failures without end make no files without end`() throws {
        let disk = SimulatedDisk(seed: 1)
        let keys = try TestSegmentKeys(seed: 1)
        let owner = try Owner(Journal(disk, keys))
        try owner.commit(1)
        for number in 2...200 {
            // Segments can be made, but not synced.
            disk.fault = SimulatedDisk.Fault(disk.operations + 3 - number % 2, .failed(5), isSticky: false)
            try? owner.commit(number)
            disk.fault = SimulatedDisk.Fault(disk.operations + 2, .failed(5), isSticky: true)
            try? owner.commit(number)
            disk.fault = nil
        }
        #expect(disk.image.count <= 66)
    }

    @Test func `what does not fit is refused, and the rest goes on`() throws {
        let disk = SimulatedDisk(seed: 1)
        let journal = Journal(disk, try TestSegmentKeys(seed: 1))
        #expect(throws: JournalError.outOfOrder) { try journal.commit([text("early")]) { [] } }
        #expect(throws: JournalError.outOfOrder) { try journal.historyTexts() }
        _ = try Found(journal)
        #expect(throws: JournalError.outOfOrder) { try Found(journal) }
        try journal.commit([text("1")]) { [] }
        // 64 of the segment, 32 of the frame, 4 + 4 around the record.
        let largest = [UInt8](repeating: 1, count: 4096 - 64 - 32 - 8)
        #expect(throws: JournalError.tooLarge) { try journal.commit([largest + [1]]) { [] } }
        #expect(throws: JournalError.tooLarge) { try journal.commit([largest, largest]) { [] } }
        #expect(throws: JournalError.tooLarge) { try journal.commit([largest]) { [text("state")] } }
        try journal.commit([text("2")]) { [] }
        #expect(try Found(Journal(disk, try TestSegmentKeys(seed: 1))).records == ["1", "2"])
        try journal.commit([largest]) { [] }
        #expect(try Found(Journal(disk, try TestSegmentKeys(seed: 1))).records.count == 1)
    }

    @Test func `without random bytes nothing is written`() throws {
        let disk = SimulatedDisk(seed: 1)
        let keys = try TestSegmentKeys(seed: 1)
        let journal = Journal(disk, keys)
        _ = try Found(journal)
        keys.isExhausted = true
        #expect(throws: JournalError.noKeys) { try journal.commit([text("1")]) { [] } }
        #expect(disk.image.isEmpty && disk.written.isEmpty)
        keys.isExhausted = false
        try journal.commit([text("2")]) { [] }
    }

    @Test func `a file that cannot be read for a while is no reason to go back in time`() throws {
        let disk = SimulatedDisk(seed: 1)
        let keys = try TestSegmentKeys(seed: 1)
        for number in 1...3 { try Owner(Journal(disk, keys)).commit(number) }
        disk.fault = SimulatedDisk.Fault(disk.operations + 2, .failed(24), isSticky: true)
        let journal = Journal(disk, keys)
        #expect(throws: JournalError.storage(.failed(24))) { try Found(journal) }
        disk.fault = nil
        #expect(try Owner(journal).numbers == [1, 2, 3])
        // For good: what is older is what is left, and damage is told.
        disk.fault = SimulatedDisk.Fault(disk.operations + 2, .unreadable, isSticky: true)
        #expect(try Found(Journal(disk, keys)).damage > 0)
    }
}

/// Takes the second answer of a sync for good.
private final class RetryingSync: Storage {
    private final class File: SegmentFile {
        let file: any SegmentFile

        init(_ file: any SegmentFile) { self.file = file }

        func write(_ bytes: Span<UInt8>, at offset: Int) throws(StorageError) { try file.write(bytes, at: offset) }

        func sync() throws(StorageError) {
            do throws(StorageError) { try file.sync() } catch { try file.sync() }
        }
    }

    private let disk: SimulatedDisk

    init(_ disk: SimulatedDisk) { self.disk = disk }

    func space() -> (free: UInt64, total: UInt64)? { disk.space() }

    func segments() throws(StorageError) -> [SegmentName] { try disk.segments() }

    func read(_ name: SegmentName, limit: Int) throws(StorageError) -> [UInt8] { try disk.read(name, limit: limit) }

    func create(_ name: SegmentName, size: Int) throws(StorageError) -> any SegmentFile {
        File(try disk.create(name, size: size))
    }

    func sync(_ name: SegmentName) throws(StorageError) { try disk.sync(name) }

    func trim(_ name: SegmentName, to size: Int) throws(StorageError) { try disk.trim(name, to: size) }

    func remove(_ name: SegmentName) throws(StorageError) { try disk.remove(name) }
}
