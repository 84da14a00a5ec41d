// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletAudit
import MartletCOSE
import MartletEnvelope
import Testing

/// A log of 100 entries that somebody changes, and what the walk then says of it.
@Suite struct AuditTamperingTests {
    private let hashing: OpenSSLHashing
    private let log: Log
    private let foreign: Log

    init() throws {
        hashing = try OpenSSLHashing()
        log = try Log(100)
        foreign = try Log(100, seed: 1)
    }

    /// The first bad index of entries that should lead from the beginning to the head of the log.
    private func firstBad(_ entries: [[UInt8]]) -> UInt64? {
        var walk = AuditWalk()
        guard let head = log.heads.last else { return nil }
        if case .broken(let index, _) = walk.take(entries, upTo: head, hashing: hashing).verdict { return index }
        return nil
    }

    /// The same for the part of the log around one place.
    private func firstBad(around place: Int, _ entry: [UInt8]) -> UInt64? {
        let part = max(0, place - 1)...min(99, place + 1)
        var walk = AuditWalk(after: part.lowerBound > 0 ? log.heads[part.lowerBound - 1] : nil)
        var entries = Array(log.entries[part])
        entries[place - part.lowerBound] = entry
        let verdict = walk.take(entries, upTo: log.heads[part.upperBound], hashing: hashing).verdict
        if case .broken(let index, _) = verdict { return index }
        return nil
    }

    @Test func `the log as it is has no flaw`() {
        #expect(firstBad(log.entries) == nil)
        for place in 0..<100 { #expect(firstBad(around: place, log.entries[place]) == nil) }
    }

    @Test("AUD-01 every bit flip is detected and named")
    func bitFlips() {
        for place in 0..<100 {
            for bit in 0..<log.entries[place].count * 8 {
                var entry = log.entries[place]
                entry[bit / 8] ^= 1 << UInt8(bit % 8)
                let found = firstBad(around: place, entry)
                #expect(found == UInt64(place) + 1, "bit \(bit) of entry \(place + 1)")
                if bit % 251 == 0 {
                    var entries = log.entries
                    entries[place] = entry
                    #expect(firstBad(entries) == UInt64(place) + 1, "bit \(bit) of entry \(place + 1)")
                }
            }
        }
    }

    @Test("AUD-01 every entry that was deleted is named")
    func deletions() {
        for place in 0..<100 {
            var entries = log.entries
            entries.remove(at: place)
            // What lies before the first entry, the walk cannot know: its own memory tells.
            #expect(firstBad(entries) == (place == 0 ? nil : UInt64(place) + 1))
        }
        var walk = AuditWalk()
        #expect(walk.take(Array(log.entries[1...]), upTo: log.heads[99], hashing: hashing).verdict == .beginning)
        walk = AuditWalk(after: log.heads[9])
        let verdict = walk.take(Array(log.entries[11...]), upTo: log.heads[99], hashing: hashing).verdict
        #expect(verdict == .hole(first: 11, last: 11))
    }

    @Test("AUD-01 every entry that was duplicated or inserted is named")
    func insertions() throws {
        for place in 0..<100 {
            var entries = log.entries
            entries.insert(log.entries[place], at: place)
            #expect(firstBad(entries) == UInt64(place) + 1, "twice: \(place + 1)")

            entries = log.entries
            entries.insert(foreign.entries[place], at: place)
            #expect(firstBad(entries) == UInt64(place) + 1, "of another device: \(place + 1)")

            // One that is linked as it must be.
            var chain = AuditChain(after: place == 0 ? nil : log.heads[place - 1])
            let appended = chain.append(.damaged, [.number(9)], at: time, hashing: hashing)
            let forged = try #require(appended)
            entries = log.entries
            entries.insert(forged, at: place)
            #expect(firstBad(entries) == UInt64(place) + 1, "forged: \(place + 1)")
        }
        let more = log.entries + [foreign.entries[99]]
        #expect(firstBad(more) == 101)
    }

    @Test("AUD-01 every two entries that were swapped are found, and the first of them named")
    func swaps() {
        for first in 0..<99 {
            for second in [first + 1, first + 2, (first + 101) / 2, 99] where second > first && second < 100 {
                var entries = log.entries
                entries.swapAt(first, second)
                let found = firstBad(entries)
                // Before the first entry nothing says what its index must be: the next one contradicts it.
                if first == 0 {
                    #expect(found != nil)
                } else {
                    #expect(found == UInt64(first) + 1, "\(first + 1) and \(second + 1)")
                }
            }
        }
    }

    @Test("AUD-01 entries of another device in the place of the log's own are found, and the first of them named")
    func splices() {
        for first in 1..<100 {
            for last in [first, first + 1, (first + 99) / 2, 99] where last >= first && last < 100 {
                var entries = log.entries
                entries.replaceSubrange(first...last, with: foreign.entries[first...last])
                #expect(firstBad(entries) == UInt64(first) + 1, "\(first + 1) to \(last + 1)")
            }
            // A foreign beginning is as good as ours until our own entries contradict it.
            var entries = log.entries
            entries.replaceSubrange(0..<first, with: foreign.entries[0..<first])
            #expect(firstBad(entries) == UInt64(first))
        }
        #expect(firstBad(foreign.entries) == 100)
    }

    @Test("AUD-02 a tail that was cut off is found against a later head")
    func truncation() {
        for count in 1..<100 {
            #expect(firstBad(Array(log.entries[..<count])) == UInt64(count) + 1)
            var walk = AuditWalk()
            _ = walk.take(Array(log.entries[..<count]), upTo: log.heads[count - 1], hashing: hashing)
            #expect(walk.announce(log.heads[99]) == .announced)
            #expect(walk.head != walk.seen)
        }
    }
}
