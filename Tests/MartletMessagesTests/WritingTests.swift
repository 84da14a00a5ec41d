// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope
import MartletMessages
import TestSupport
import Testing

/// What a reader would refuse is not written.
@Suite struct WritingTests {
    static let badValues: [CommandValue] = [
        .number(.nan), .number(.infinity), .number(-.infinity), .text([0xff]), .text([0xc0, 0x80]),
        .text([UInt8](repeating: 0x61, count: 1025)), .data([UInt8](repeating: 0, count: 1025)),
    ]

    @Test func `values that have no encoding are refused by command and receipt`() {
        let receipt = Receipt(command: bytes16(1), controller: KeyID(2), outcome: .done, digest: digest(3))
        for value in Self.badValues {
            #expect(Command(name: Array("a".utf8), arguments: [value]).encoded() == nil)
            var copy = receipt
            copy.results = [value]
            #expect(copy.encoded() == nil)
        }
        for count in [0, 1, 8, 9] {
            let values = [CommandValue](repeating: .integer(1), count: count)
            #expect((Command(name: Array("a".utf8), arguments: values).encoded() == nil) == (count == 9))
            var copy = receipt
            copy.results = values
            #expect((copy.encoded() == nil) == (count == 9))
        }
    }

    @Test func `the largest command and receipt are written`() throws {
        let values = [CommandValue](repeating: .data([UInt8](repeating: 1, count: 1024)), count: 8)
        let command = Command(
            name: [UInt8](repeating: 0x61, count: 32), arguments: values, deadline: 1 << 31, priority: 2)
        let bytes = try #require(command.encoded())
        #expect(try Command(decoding: bytes.span) == command)
        let receipt = Receipt(
            command: bytes16(1), controller: KeyID(.max), outcome: .stale, digest: digest(3), results: values,
            challenge: bytes16(4))
        let written = try #require(receipt.encoded())
        #expect(try Receipt(decoding: written.span) == receipt)
        #expect(written.count < 12 * 1024)
    }

    @Test func `a command with a bad name, deadline or priority is not written`() {
        for name in ["", "A", "a_b", "1", String(repeating: "a", count: 33)] {
            #expect(Command(name: Array(name.utf8)).encoded() == nil, "\(name)")
        }
        #expect(Command(name: [0x61], deadline: 1 << 31 + 1).encoded() == nil)
        #expect(Command(name: [0x61], priority: 3).encoded() == nil)
    }

    @Test func `a birth with too much software is not written`() {
        func birth(_ count: Int, _ name: [UInt8], _ version: [UInt8]) -> [UInt8]? {
            let software = [Birth.Software](repeating: Birth.Software(name: name, version: version), count: count)
            return Birth(run: 1, connection: 1, challenge: bytes16(1), software: software).encoded()
        }
        let (long, longer) = ([UInt8](repeating: 0x61, count: 32), [UInt8](repeating: 0x61, count: 33))
        #expect(birth(4, long, long) != nil)
        #expect(birth(5, long, long) == nil)
        #expect(birth(1, longer, long) == nil)
        #expect(birth(1, long, longer) == nil)
        #expect(birth(1, [0xff], long) == nil)
    }

    @Test func `a checkpoint with too many entries, or too large ones, is not written`() throws {
        let heads: LaneHeads = {
            var heads = LaneHeads()
            for lane in Lane.allCases { heads[lane] = ChainHead(sequence: .max, digest: digest(1)) }
            return heads
        }()
        func checkpoint(_ sizes: [Int]) -> [UInt8]? {
            let entries = sizes.map { [UInt8](repeating: 0, count: $0) }
            return Checkpoint(
                run: .max, head: ChainHead(sequence: .max, digest: digest(2)), heads: heads, trustVersion: .max,
                entries: entries
            ).encoded()
        }
        #expect(checkpoint(Array(repeating: 1, count: 64)) != nil)
        #expect(checkpoint(Array(repeating: 1, count: 65)) == nil)
        // As many of 448 bytes as the stated room has.
        let count = Checkpoint.room / (448 + 3)
        let largest = try #require(checkpoint(Array(repeating: 448, count: count)))
        #expect(try Checkpoint(decoding: largest.span).entries.count == count)
        #expect(checkpoint(Array(repeating: 448, count: count + 1)) == nil)
    }

    @Test func `an event with too many values is not written`() {
        let value = Event.Value(code: .max, number: .max)
        for kind in EventKind.allCases {
            #expect(Event(kind: kind, values: [Event.Value](repeating: value, count: 32)).encoded() != nil)
            #expect(Event(kind: kind, values: [Event.Value](repeating: value, count: 33)).encoded() == nil)
        }
    }

    @Test func `values come back as what they were`() throws {
        let values: [CommandValue] = [
            .integer(.min), .integer(.max), .integer(0), .number(0.1), .number(-0.0), .boolean(false), .text([]),
            .data([]),
        ]
        let command = Command(name: [0x61], arguments: values)
        let bytes = try #require(command.encoded())
        #expect(try Command(decoding: bytes.span).arguments == values)
    }

    @Test func `every outcome, reason and event kind comes back and keeps its code`() throws {
        #expect(Outcome.allCases.map(\.rawValue) == [0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22])
        for outcome in Outcome.allCases {
            let receipt = Receipt(command: bytes16(1), controller: KeyID(2), outcome: outcome, digest: digest(3))
            let bytes = try #require(receipt.encoded())
            #expect(try Receipt(decoding: bytes.span) == receipt)
            #expect(outcome.text.utf8CodeUnitCount > 3)
        }
        #expect(GapReason.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5])
        for reason in GapReason.allCases {
            let gap = Gap(first: 1, last: 2, readings: 3, reason: reason, digest: nil)
            #expect(try Gap(decoding: gap.encoded().span) == gap)
        }
        #expect(EventKind.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6])
    }

    @Test func `lane heads are kept apart`() throws {
        for lane in Lane.allCases {
            var heads = LaneHeads()
            heads[lane] = ChainHead(sequence: 7, digest: digest(9))
            for other in Lane.allCases { #expect((heads[other] == nil) == (other != lane)) }
            let resume = Resume(time: 1, heads: heads)
            #expect(try Resume(decoding: resume.encoded().span) == resume)
            let birth = Birth(run: 1, connection: 2, challenge: bytes16(3), heads: heads)
            let bytes = try #require(birth.encoded())
            #expect(try Birth(decoding: bytes.span) == birth)
        }
    }

    @Test func `a birth is newer by run, then connection, then challenge`() {
        func birth(_ run: UInt64, _ connection: UInt64, _ challenge: UInt8) -> Birth {
            Birth(run: run, connection: connection, challenge: bytes16(challenge))
        }
        let seen = birth(5, 5, 1)
        #expect(!seen.isNewer(than: seen))
        #expect(birth(6, 0, 1).isNewer(than: seen))
        #expect(!birth(4, 9, 2).isNewer(than: seen))
        #expect(birth(5, 6, 1).isNewer(than: seen))
        #expect(!birth(5, 4, 2).isNewer(than: seen))
        #expect(birth(5, 5, 2).isNewer(than: seen))
    }
}
