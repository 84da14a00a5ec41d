// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MartletController

@Suite struct LaneTests {
    /// An envelope by its number; `hash` tells rivals apart.
    struct Step: Sendable {
        enum What: Sendable { case envelope, gap(last: UInt64, hash: UInt8?) }

        let sequence: UInt64
        var hash: UInt8 = 0
        var previous: (sequence: UInt64, hash: UInt8)?
        var what = What.envelope
        /// nil for a gap record.
        var verdict: LaneVerdict?
        var changes: [(UInt64, LaneVerdict)] = []

        init(
            _ sequence: UInt64, _ hash: UInt8 = 0, after previous: (UInt64, UInt8)?, _ verdict: LaneVerdict,
            changes: [(UInt64, LaneVerdict)] = []
        ) {
            self.sequence = sequence
            self.hash = hash
            self.previous = previous.map { (sequence: $0.0, hash: $0.1) }
            self.verdict = verdict
            self.changes = changes
        }

        init(gap first: UInt64, _ last: UInt64, hash: UInt8?, changes: [(UInt64, LaneVerdict)] = []) {
            sequence = first
            what = .gap(last: last, hash: hash)
            self.changes = changes
        }
    }

    /// A hash for each number and rival.
    static func head(_ sequence: UInt64, _ hash: UInt8) -> ChainHead {
        var bytes = InlineArray<32, UInt8>(repeating: hash)
        bytes[0] = UInt8(truncatingIfNeeded: sequence)
        bytes[1] = UInt8(truncatingIfNeeded: sequence >> 8)
        return ChainHead(sequence: sequence, digest: Digest(bytes))
    }

    static let table: [(name: String, steps: [Step])] = [
        ("in order", [Step(1, after: nil, .first), Step(2, after: (1, 0), .linked), Step(3, after: (2, 0), .linked)]),
        (
            "numbers that are skipped under an intact link are no loss",
            [Step(1, after: nil, .first), Step(1000, after: (1, 0), .linked)]
        ),
        (
            "a duplicate, of the newest and of an older one",
            [
                Step(1, after: nil, .first), Step(2, after: (1, 0), .linked), Step(2, after: (1, 0), .duplicate),
                Step(1, after: nil, .duplicate),
            ]
        ),
        (
            "the same number with another hash is a fork, and its branch goes on",
            [
                Step(1, after: nil, .first), Step(2, after: (1, 0), .linked),
                Step(2, 9, after: (1, 0), .fork(rival: 2)), Step(3, 9, after: (2, 9), .linked),
            ]
        ),
        (
            "two successors of one envelope are a fork",
            [
                Step(1, after: nil, .first), Step(2, after: (1, 0), .linked),
                Step(5, after: (1, 0), .fork(rival: 2)),
            ]
        ),
        (
            "a predecessor with the right number and another hash is no link",
            [Step(1, after: nil, .first), Step(2, after: (1, 9), .waiting)]
        ),
        (
            "out of order, put right by the predecessor",
            [
                Step(1, after: nil, .first), Step(3, after: (2, 0), .waiting),
                Step(2, after: (1, 0), .linked, changes: [(3, .linked)]),
            ]
        ),
        (
            "the newest first, three back",
            [
                Step(1, after: nil, .first), Step(4, after: (3, 0), .waiting),
                Step(3, after: (2, 0), .waiting, changes: [(4, .linked)]),
                Step(2, after: (1, 0), .linked, changes: [(3, .linked)]),
            ]
        ),
        (
            "a restart that lost its head begins a chain, and goes on",
            [
                Step(1, after: nil, .first), Step(2, after: (1, 0), .linked), Step(101, after: nil, .first),
                Step(102, after: (101, 0), .linked),
            ]
        ),
        (
            "a back end that begins in the middle, also out of order",
            [
                Step(7, after: (6, 0), .beginning), Step(8, after: (7, 0), .linked),
                Step(6, after: (5, 0), .beginning, changes: [(7, .linked)]),
            ]
        ),
        (
            "a gap record that came before explains the loss",
            [
                Step(1, after: nil, .first), Step(gap: 2, 4, hash: 0),
                Step(5, after: (4, 0), .explained(uncovered: 0)), Step(6, after: (5, 0), .linked),
            ]
        ),
        (
            "a gap record that comes later explains what waits",
            [
                Step(1, after: nil, .first), Step(5, after: (4, 0), .waiting),
                Step(gap: 2, 4, hash: 0, changes: [(5, .explained(uncovered: 0))]),
            ]
        ),
        (
            "a gap record whose hash is lost explains by number",
            [
                Step(1, after: nil, .first), Step(gap: 2, 4, hash: nil),
                Step(5, after: (4, 7), .explained(uncovered: 0)),
            ]
        ),
        (
            "a gap record does not explain a predecessor with another hash: that is a fork",
            [
                Step(1, after: nil, .first), Step(gap: 2, 4, hash: 0),
                Step(5, after: (4, 9), .fork(rival: 4)),
            ]
        ),
        (
            "a gap record may cover what did arrive",
            [
                Step(1, after: nil, .first), Step(2, after: (1, 0), .linked), Step(gap: 2, 4, hash: 0),
                Step(3, after: (2, 0), .linked), Step(5, after: (4, 0), .explained(uncovered: 0)),
            ]
        ),
        (
            "an envelope that a gap record knows by another hash is a fork",
            [
                Step(1, after: nil, .first), Step(gap: 2, 4, hash: 0), Step(4, 9, after: (3, 0), .fork(rival: 4)),
            ]
        ),
        (
            "two gap records in a row cover together; what none covers is counted",
            [
                Step(1, after: nil, .first), Step(gap: 2, 2, hash: 0), Step(gap: 3, 4, hash: 0),
                Step(5, after: (4, 0), .explained(uncovered: 0)), Step(gap: 10, 12, hash: 0),
                Step(13, after: (12, 0), .explained(uncovered: 4)),
            ]
        ),
        (
            "numbers at the upper end",
            [
                Step(.max - 1, after: nil, .first), Step(gap: .max, .max, hash: nil),
                Step(.max, after: (.max - 1, 0), .linked),
            ]
        ),
    ]

    @Test(arguments: table.map(\.name))
    func `each step has its verdict`(name: String) throws {
        let steps = try #require(Self.table.first { $0.name == name }).steps
        var chain = LaneChain(lane: .normal)
        for (index, step) in steps.enumerated() {
            var changes: [LaneChange] = []
            switch step.what {
            case .envelope:
                let previous = step.previous.map { Self.head($0.sequence, $0.hash) }
                let verdict = chain.take(
                    Self.head(step.sequence, step.hash), previous: previous, now: 0, changes: &changes)
                #expect(verdict == step.verdict, "step \(index)")
            case .gap(let last, let hash):
                let gap = Gap(
                    first: step.sequence, last: last, readings: 1, reason: .retention,
                    digest: hash.map { Self.head(last, $0).digest })
                chain.take(gap, changes: &changes)
            }
            let expected = step.changes.map { LaneChange(lane: .normal, sequence: $0.0, verdict: $0.1) }
            #expect(changes == expected, "step \(index)")
        }
    }

    @Test func `what waits too long is a hole, and is put right when the predecessor comes after all`() {
        var chain = LaneChain(lane: .normal)
        var changes: [LaneChange] = []
        _ = chain.take(Self.head(1, 0), previous: nil, now: 0, changes: &changes)
        #expect(chain.take(Self.head(3, 0), previous: Self.head(2, 0), now: 500, changes: &changes) == .waiting)
        chain.advance(now: 499 + LaneChain.patience, changes: &changes)
        #expect(changes.isEmpty)
        chain.advance(now: 500 + LaneChain.patience, changes: &changes)
        chain.advance(now: 501 + LaneChain.patience, changes: &changes)
        #expect(changes == [LaneChange(lane: .normal, sequence: 3, verdict: .hole)])
        changes = []
        #expect(chain.take(Self.head(2, 0), previous: Self.head(1, 0), now: 0, changes: &changes) == .linked)
        #expect(changes == [LaneChange(lane: .normal, sequence: 3, verdict: .linked)])
    }

    @Test func `too many that wait are holes, the oldest first`() {
        var chain = LaneChain(lane: .normal)
        var changes: [LaneChange] = []
        _ = chain.take(Self.head(1, 0), previous: nil, now: 0, changes: &changes)
        for number in 1...UInt64(LaneChain.maximumWaiting + 3) {
            // Every second number is missing.
            let sequence = 1 + number * 2
            _ = chain.take(
                Self.head(sequence, 0), previous: Self.head(sequence - 1, 0), now: 0, changes: &changes)
        }
        #expect(changes.map(\.sequence) == [3, 5, 7])
        #expect(changes.allSatisfy { $0.verdict == .hole })
    }

    @Test func `what is older than memory cannot be told from a duplicate`() {
        var chain = LaneChain(lane: .normal)
        var changes: [LaneChange] = []
        var previous: ChainHead?
        let count = UInt64(LaneChain.maximumEntries) + 2
        for sequence in 1...count {
            let head = Self.head(sequence, 0)
            _ = chain.take(head, previous: previous, now: 0, changes: &changes)
            previous = head
        }
        #expect(chain.take(Self.head(2, 0), previous: Self.head(1, 0), now: 0, changes: &changes) == .tooOld)
        #expect(chain.take(Self.head(3, 0), previous: Self.head(2, 0), now: 0, changes: &changes) == .duplicate)
        #expect(chain.head == previous)
        #expect(changes.isEmpty)
    }

    @Test func `any order of arrival ends complete`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            var chain = LaneChain(lane: .normal)
            var verdicts: [UInt64: LaneVerdict] = [:]
            var changes: [LaneChange] = []
            _ = chain.take(Self.head(1, 0), previous: nil, now: 0, changes: &changes)
            for sequence in (2...UInt64(40)).shuffled(using: &generator) {
                verdicts[sequence] = chain.take(
                    Self.head(sequence, 0), previous: Self.head(sequence - 1, 0), now: 0, changes: &changes)
            }
            for change in changes { verdicts[change.sequence] = change.verdict }
            #expect(verdicts.count == 39 && verdicts.values.allSatisfy { $0 == .linked })
        }
    }
}
