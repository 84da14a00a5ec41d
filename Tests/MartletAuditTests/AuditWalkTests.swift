// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletAudit
import MartletCBOR
import MartletCOSE
import MartletEnvelope
import Testing

@Suite struct AuditWalkTests {
    private let hashing: OpenSSLHashing
    private let log: Log

    init() throws {
        hashing = try OpenSSLHashing()
        log = try Log(400)
    }

    /// Takes entries `first` to `last`.
    private func take(_ walk: inout AuditWalk, _ first: Int, _ last: Int, of log: Log? = nil) -> AuditVerdict {
        let log = log ?? self.log
        return walk.take(Array(log.entries[first - 1...last - 1]), upTo: log.heads[last - 1], hashing: hashing).verdict
    }

    /// The log up to `last`, and then entries of its own: what a copy of the device's state writes.
    private func copy(_ last: Int, more: Int) throws -> Log {
        var copy = try Log(last)
        for _ in 0..<more { try copy.add((.damaged, [.number(1)]), run: 9) }
        return copy
    }

    @Test func `parts that follow each other are linked`() {
        var walk = AuditWalk()
        #expect(take(&walk, 1, 10) == .linked)
        #expect(take(&walk, 11, 11) == .linked)
        #expect(take(&walk, 12, 75) == .linked)
        #expect(walk.head == log.heads[74])
        #expect(walk.seen == log.heads[74])
    }

    @Test func `a log that is not seen from its beginning is told so`() {
        var walk = AuditWalk()
        #expect(take(&walk, 5, 10) == .beginning)
        #expect(take(&walk, 11, 12) == .linked)
    }

    @Test func `an entry of a later version's kind is linked like any other, and where the log begins is known`() {
        var bytes = log.entries
        // The code stands behind the array's head, the index and the hash of the entry before.
        bytes[4][36] = 13
        var walk = AuditWalk()
        let fifth = bytes[4]
        let head = ChainHead(sequence: 5, digest: hashing.sha256(fifth.span))
        let (verdict, new) = walk.take(Array(bytes[2...4]), upTo: head, hashing: hashing)
        #expect(verdict == .beginning && new.map(\.code).last == 13)
        #expect(walk.first == log.heads[2])
        #expect(take(&walk, 6, 7) == .fork(index: 5))
        #expect(walk.first == log.heads[2])
    }

    @Test func `a part again is repeated, and gives no new entries`() {
        var walk = AuditWalk()
        #expect(take(&walk, 1, 10) == .linked)
        #expect(take(&walk, 11, 20) == .linked)
        for (first, last) in [(1, 10), (11, 20), (1, 20), (20, 20)] {
            let entries = Array(log.entries[first - 1...last - 1])
            let (verdict, new) = walk.take(entries, upTo: log.heads[last - 1], hashing: hashing)
            #expect(verdict == .repeated)
            #expect(new.isEmpty)
        }
        #expect(walk.head == log.heads[19])
    }

    @Test func `a part that overlaps is linked, and only what is new is given`() {
        var walk = AuditWalk()
        #expect(take(&walk, 1, 10) == .linked)
        let (verdict, new) = walk.take(Array(log.entries[4..<15]), upTo: log.heads[14], hashing: hashing)
        #expect(verdict == .linked)
        #expect(new.map(\.index) == [11, 12, 13, 14, 15])
    }

    @Test(arguments: 1...5) func `an entry that was announced is new when it comes`(announced: Int) {
        var walk = AuditWalk()
        #expect(walk.announce(log.heads[announced - 1]) == .announced)
        let (verdict, new) = walk.take(Array(log.entries[..<5]), upTo: log.heads[4], hashing: hashing)
        #expect(verdict == .linked)
        #expect(new.map(\.index) == [1, 2, 3, 4, 5])
    }

    @Test func `missing entries are a hole with its bounds, and the log goes on after it`() {
        var walk = AuditWalk()
        #expect(take(&walk, 1, 10) == .linked)
        #expect(take(&walk, 14, 20) == .hole(first: 11, last: 13))
        #expect(take(&walk, 21, 30) == .linked)
    }

    @Test("AUD-03 a hole that the device names is given up, in the same part or a later one")
    func givenUp() throws {
        var log = log
        let last = UInt64(log.entries.count)
        try log.add((.givenUp, [.number(11), .number(13)]))
        let end = try #require(log.heads.last)
        var walk = AuditWalk()
        #expect(take(&walk, 1, 10) == .linked)
        var rest = walk
        #expect(
            rest.take(Array(log.entries[13...]), upTo: end, hashing: hashing).verdict == .givenUp(first: 11, last: 13))
        #expect(take(&walk, 14, 20) == .hole(first: 11, last: 13))
        #expect(take(&walk, 21, Int(last)) == .linked)
        // As well after a restart.
        var restarted = AuditWalk(after: walk.head, hole: walk.hole)
        #expect(
            restarted.take([log.entries[Int(last)]], upTo: end, hashing: hashing).verdict
                == .givenUp(first: 11, last: 13))
        #expect(restarted.hole == nil)
        #expect(
            walk.take([log.entries[Int(last)]], upTo: end, hashing: hashing).verdict == .givenUp(first: 11, last: 13))
        // Others than it names stay missing.
        walk = AuditWalk()
        #expect(take(&walk, 1, 9) == .linked)
        #expect(
            walk.take(Array(log.entries[13...]), upTo: end, hashing: hashing).verdict == .hole(first: 10, last: 13))
    }

    @Test("AUD-05 a copy of the device's state is a fork where it departs")
    func fork() throws {
        let copy = try copy(10, more: 5)
        var walk = AuditWalk()
        #expect(take(&walk, 1, 12) == .linked)
        // The same index, another entry.
        #expect(take(&walk, 11, 15, of: copy) == .fork(index: 11))

        walk = AuditWalk()
        #expect(take(&walk, 1, 12) == .linked)
        // Nothing that was seen comes again, but the entry before is another one.
        #expect(take(&walk, 13, 15, of: copy) == .fork(index: 12))

        // After a restart of the back end, of which the head alone is known.
        walk = AuditWalk(after: log.heads[11])
        #expect(take(&walk, 11, 15, of: copy) == .fork(index: 12))
        walk = AuditWalk(after: log.heads[11], seen: log.heads[13])
        #expect(take(&walk, 14, 15, of: copy) == .fork(index: 14))
        #expect(walk.announce(copy.heads[14]) == .linked)
        #expect(walk.announce(log.heads[14]) == .fork(index: 15))
    }

    @Test("AUD-05 an older copy is rolled back, and its entries are kept apart")
    func rollback() throws {
        let copy = try copy(10, more: 3)
        var walk = AuditWalk(after: log.heads[19])
        #expect(walk.announce(copy.heads[12]) == .rolledBack)
        #expect(walk.seen == log.heads[19])
        #expect(take(&walk, 11, 13, of: copy) == .rolledBack)
        #expect(walk.head == log.heads[19])
    }

    @Test("AUD-05 a device that was rolled back goes on above, linked to what the back end saw")
    func recovery() throws {
        var copy = try copy(10, more: 2)
        let skipped = copy.chain.skip(to: log.heads[19])
        #expect(skipped)
        try copy.add((.rolledBack, [.number(0), .number(12)]))
        try copy.add((.started, [.number(9)]))
        #expect(copy.heads.last?.sequence == 22)
        let end = try #require(copy.heads.last)

        // In one part with what it wrote before it knew.
        var walk = AuditWalk(after: log.heads[19])
        var result = walk.take(Array(copy.entries[10...]), upTo: end, hashing: hashing)
        #expect(result.verdict == .rolledBack)
        #expect(result.new.map(\.index) == [11, 12, 21, 22])
        #expect(walk.head == end)

        // In a part of its own.
        walk = AuditWalk(after: log.heads[19])
        result = walk.take(Array(copy.entries[12...]), upTo: end, hashing: hashing)
        #expect(result.verdict == .linked)

        // Where the own entries are remembered, what the copy wrote is a fork.
        walk = AuditWalk()
        #expect(take(&walk, 1, 20) == .linked)
        result = walk.take(Array(copy.entries[10...]), upTo: end, hashing: hashing)
        #expect(result.verdict == .fork(index: 11))
        #expect(walk.head == end)
    }

    @Test func `a head alone is announced until its entries are there`() {
        var walk = AuditWalk()
        #expect(walk.announce(log.heads[4]) == .announced)
        #expect(walk.announce(log.heads[4]) == .announced)
        #expect(walk.head == nil)
        #expect(walk.seen == log.heads[4])
        #expect(take(&walk, 1, 3) == .linked)
        #expect(walk.seen == log.heads[4])
        #expect(take(&walk, 4, 5) == .linked)
        #expect(walk.announce(log.heads[4]) == .linked)
        #expect(walk.announce(log.heads[1]) == .repeated)
        #expect(walk.take([], upTo: log.heads[9], hashing: hashing).verdict == .announced)
        #expect(walk.seen == log.heads[9])
        #expect(walk.head == log.heads[4])
    }

    @Test func `an announced head holds the entries to it`() throws {
        let copy = try copy(3, more: 5)
        var walk = AuditWalk()
        #expect(walk.announce(log.heads[5]) == .announced)
        #expect(take(&walk, 1, 8, of: copy) == .fork(index: 6))
    }

    @Test func `a part with a flaw is broken, and what comes next is judged anew`() {
        var walk = AuditWalk()
        var entries = Array(log.entries[..<10])
        entries[4] = [0]
        let (verdict, new) = walk.take(entries, upTo: log.heads[9], hashing: hashing)
        #expect(verdict == .broken(index: 5, .notAnEntry(.malformed(.unexpected(at: 0)))))
        #expect(new.count == 9)
        #expect(take(&walk, 11, 20) == .linked)
    }

    @Test func `every flaw has its name`() {
        let five = Array(log.entries[..<5])
        let table: [(entries: [[UInt8]], verdict: AuditVerdict)] = [
            ([five[0], five[1], five[3], five[4]], .broken(index: 3, .missing)),
            (Array(five[..<4]), .broken(index: 5, .missing)),
            (five + [log.entries[5]], .broken(index: 6, .beyondHead)),
            ([five[0], five[1], five[1], five[2], five[3], five[4]], .broken(index: 2, .outOfPlace)),
            ([five[1], five[0], five[2], five[3], five[4]], .broken(index: 3, .outOfPlace)),
        ]
        for (entries, verdict) in table {
            var walk = AuditWalk()
            #expect(walk.take(entries, upTo: log.heads[4], hashing: hashing).verdict == verdict)
        }
    }

    @Test func `the last index there can be is taken`() throws {
        var chain = AuditChain(after: ChainHead(sequence: .max - 1, digest: digest(1)))
        let appended = chain.append(.started, [.number(1)], at: time, hashing: hashing)
        let last = try #require(appended)
        let head = try #require(chain.head)
        var walk = AuditWalk()
        #expect(walk.take([last], upTo: head, hashing: hashing).verdict == .beginning)
        #expect(walk.take([last], upTo: head, hashing: hashing).verdict == .repeated)
        #expect(walk.take([last, last], upTo: head, hashing: hashing).verdict == .broken(index: .max, .outOfPlace))
        var other = head
        other.digest = digest(2)
        #expect(walk.take([last], upTo: other, hashing: hashing).verdict == .broken(index: .max, .changed))
    }

    @Test func `memory is bounded`() {
        var walk = AuditWalk()
        for first in stride(from: 1, to: 400, by: 50) { #expect(take(&walk, first, first + 49) == .linked) }
        // Those of the last 256 are known, older ones cannot be told from a rollback.
        #expect(take(&walk, 300, 350) == .repeated)
        #expect(take(&walk, 1, 50) == .rolledBack)
        #expect(walk.head == log.heads[399])
    }
}
