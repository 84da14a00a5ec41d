// SPDX-License-Identifier: Apache-2.0

import CSelfCheck
import MartletAdapters
import MartletJournal
import MartletPosix
import MartletTestKit

/// The journal on a simulated disk, and on files.
enum JournalChecks {
    static var all: [Check] {
        [
            Check("journal: records, of one commit and of several, are there in the next run", roundTrip),
            Check("journal: a segment cut off or with a flipped bit never gives what was not written", damage),
            Check("journal: a power cut at any step costs nothing that was acknowledged", cuts),
            Check("journal: another stream, device or master key opens nothing", strangers),
            Check("journal: files and keys of this machine", files),
        ]
    }

    private static func journal(
        _ disk: SimulatedDisk, _ keys: TestSegmentKeys, device: StaticString = "device-1", stream: UInt8 = 1
    ) -> Journal {
        Journal(
            storage: disk, keys: keys, device: bytes(device), stream: stream, segmentSize: 4096, historySize: 8192)
    }

    private static func keys(_ seed: UInt64) throws(Failure) -> TestSegmentKeys {
        try require(try? TestSegmentKeys(seed: seed), "no keys")
    }

    private static func files() throws(Failure) {
        var path = [CChar](repeating: 0, count: 256)
        try require(CSelfCheck_make_directory(&path, path.count) != 0, "no temporary directory")
        let folder = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let inner = folder + "/journal"
        let directory = try require(try? PrivateDirectory(creating: inner), "create directory")
        let storage = DirectoryStorage(directory)
        defer {
            for name in (try? storage.segments()) ?? [] { try? storage.remove(name) }
            for name in [inner + "/master.key", inner, folder] { _ = CSelfCheck_remove(name) }
        }
        for run in 0..<3 {
            let master = try require(try? MasterKey.open(directory), "master key")
            let keys = try require(try? OpenSSLSegmentKeys(master: master.span), "segment keys")
            let journal = Journal(
                storage: storage, keys: keys, device: bytes("device-1"), stream: 1, segmentSize: 4096,
                historySize: 8192)
            let found = try recover(journal)
            try require(found.records == (1..<run * 40 + 1).map(record), "records in run", number: Int64(run))
            try require(found.recovery.damage == 0, "damage in run", number: Int64(run))
            try require(commit(journal, run * 40 + 1...run * 40 + 40) == 40, "commit in run", number: Int64(run))
        }
        let count = try require(try? storage.segments(), "segments").count
        try require(count > 1 && count < 10, "segments", number: Int64(count))
    }

    /// What a recovery delivers since the last snapshot began, and what it says.
    private static func recover(
        _ journal: Journal
    ) throws(Failure) -> (records: [[UInt8]], recovery: Journal.Recovery) {
        var records: [[UInt8]] = []
        let recovery = try? journal.recover { bytes, isFirst in
            if isFirst { records = [] }
            records.append(bytes.withUnsafeBufferPointer { [UInt8]($0) })
        }
        return (records, try require(recovery, "recover"))
    }

    private static func record(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number), count: 8 + number % 16) }

    /// Commits the records of these numbers. Gives how many were acknowledged.
    private static func commit(_ journal: Journal, _ numbers: ClosedRange<Int>) -> Int {
        var count = 0
        for number in numbers {
            // The live state is all records: the snapshot repeats them.
            let snapshot = { (1..<number).map(record) }
            if (try? journal.commit([record(number)], snapshot: snapshot)) == nil { return count }
            count += 1
        }
        return count
    }

    private static func roundTrip() throws(Failure) {
        let disk = SimulatedDisk(seed: seed)
        let keys = try keys(1)
        let first = journal(disk, keys)
        let nothing = try recover(first)
        try require(nothing.recovery == Journal.Recovery(isEmpty: true, damage: 0), "an empty disk")
        try require(commit(first, 1...30) == 30, "commit")
        let second = journal(disk, keys)
        let found = try recover(second)
        try require(found.records == (1...30).map(record), "records", number: Int64(found.records.count))
        try require(found.recovery == Journal.Recovery(isEmpty: false, damage: 0), "damage")
        try require((try? second.commit([bytes("a"), [], bytes("c")]) { [bytes("state")] }) != nil, "commit of three")
        let three = try recover(journal(disk, keys)).records
        try require(three == [bytes("state"), bytes("a"), [], bytes("c")], "a commit of three")
        var history = 0
        try require((try? second.history { _ in history += 1 }) != nil, "history")
        try require(history > 30, "history", number: Int64(history))
    }

    private static func damage() throws(Failure) {
        let disk = SimulatedDisk(seed: seed)
        let keys = try keys(1)
        let writer = journal(disk, keys)
        _ = try recover(writer)
        try require(commit(writer, 1...4) == 4, "commit")
        let image = disk.image
        let expected = (1...4).map(record)
        let end = 64 + 4 * 56
        for place in stride(from: 0, to: end * 8, by: 37) {
            var changed = image[0].bytes
            changed[place / 8] ^= 1 << UInt8(place % 8)
            disk.restore([(name: image[0].name, bytes: changed)])
            let found = try recover(journal(disk, keys))
            try require(isPart(found.records, expected), "a flipped bit", number: Int64(place))
            try require(found.recovery.damage > 0 || found.records == expected, "not told", number: Int64(place))
        }
        for count in stride(from: 0, to: 4096, by: 101) {
            disk.restore([(name: image[0].name, bytes: [UInt8](image[0].bytes[..<count]))])
            let found = try recover(journal(disk, keys))
            try require(isPart(found.records, expected), "cut off", number: Int64(count))
            try require(found.recovery.damage > 0 || count == 0, "not told", number: Int64(count))
        }
    }

    /// Whether `records` are some of `expected`, in their order.
    private static func isPart(_ records: [[UInt8]], _ expected: [[UInt8]]) -> Bool {
        var place = 0
        for record in records {
            while place < expected.count, expected[place] != record { place += 1 }
            if place == expected.count { return false }
            place += 1
        }
        return true
    }

    private static func cuts() throws(Failure) {
        var cut = 0
        var isDone = false
        while !isDone {
            let disk = SimulatedDisk(seed: UInt64(cut))
            let keys = try keys(1)
            let writer = journal(disk, keys)
            _ = try recover(writer)
            disk.cutAfter = cut
            let count = commit(writer, 1...12)
            isDone = !disk.isOff
            disk.restart()
            let found = try recover(journal(disk, keys))
            try require(found.records.count >= count, "lost", number: Int64(cut))
            try require(found.records.count <= count + 1, "invented", number: Int64(cut))
            try require(found.records == (1..<found.records.count + 1).map(record), "records", number: Int64(cut))
            try require(found.recovery.damage == 0, "damage", number: Int64(cut))
            cut += 1
        }
        note("journal: power cuts", Int64(cut))
    }

    private static func strangers() throws(Failure) {
        let disk = SimulatedDisk(seed: seed)
        let keys = try keys(1)
        let writer = journal(disk, keys)
        _ = try recover(writer)
        try require(commit(writer, 1...4) == 4, "commit")
        let image = disk.image
        try require(try recover(journal(disk, keys, device: "device-2")).records.isEmpty, "another device")
        try require(try recover(journal(disk, self.keys(2))).records.isEmpty, "another master key")
        disk.restore([(name: SegmentName(stream: 2, number: 1), bytes: image[0].bytes)])
        let found = try recover(journal(disk, keys, stream: 2))
        try require(found.records.isEmpty && found.recovery.damage == 1, "another stream")
        disk.restore([(name: SegmentName(stream: 1, number: 2), bytes: image[0].bytes)])
        try require(try recover(journal(disk, keys)).records.isEmpty, "another number")
    }
}
