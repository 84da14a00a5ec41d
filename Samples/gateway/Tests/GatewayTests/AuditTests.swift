// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Logging
import MartletController
import Testing

@testable import martlet_gateway

@Suite final class AuditTests: AuditBench {
    @Test func `each entry is told in words and stored`() throws {
        try ordinaryLog()
        let texts = shown.reports.flatMap { report -> [String] in
            guard case .audit(_, let lines, .linked) = report else { return [] }
            return lines.map(\.text)
        }
        #expect(
            texts == [
                "run 1 began",
                "command set-interval (cccccccccccccccc) from urn:martlet:operator accepted",
                "command set-interval (cccccccccccccccc) from urn:martlet:operator ended: done",
                "command (eeeeeeeeeeeeeeee) from the key 0000000000000005 refused: bad arguments",
                "messages dropped: 3 replayed: its sequence number was already used, "
                    + "2 forged: the signature does not hold, 1 others",
            ])
        #expect(shown.notes == [])
        let line = try #require(shown.lines.first)
        #expect(line.hasPrefix(#"{"type":"audit","device":"pump-7","#))
        #expect(
            line.contains(#""index":1,"kind":"started","text":"run 1 began","time":"2026-11-21T12:00:00.000Z","run":1"#)
        )
        #expect(line.hasSuffix(#""values":[1],"verdict":"linked"}"#))
        let history = try history()
        #expect(history.problem == nil)
        #expect(history.parts.flatMap(\.entries).map(\.index) == [1, 2, 3, 4, 5])
        #expect(history.pending == 0)
    }

    @Test func `every kind has words`() {
        let words = AuditWords(controllers: [:])
        let table: [(AuditKind, [AuditValue], String)] = [
            (.trusted, [.number(3), .bytes(Self.hash)], "trust document 3 is in force"),
            (.clock, [.number(0)], "the time became trusted: 1970-01-01T00:00:00.000Z"),
            (.connection, [.number(1), .number(12)], "connection 12 began"),
            (.connection, [.number(0), .number(12)], "connection 12 ended"),
            (
                .rolledBack, [.number(0), .number(9)],
                "the device went back to an earlier state: its own log ended with entry 9"
            ),
            (
                .rolledBack, [.number(2), .number(9)],
                "the device went back to an earlier state: its own next number of lane normal was 9"
            ),
            (.damaged, [.number(1)], "state was lost or damaged: 1 place of the journal"),
            (.lifecycle, [.number(0)], "the device was suspended"),
            (.lifecycle, [.number(1)], "the device was activated"),
            (.givenUp, [.number(3), .number(9)], "entries 3 to 9 were given up before they were told"),
            (.refusals, [.number(7)], "messages dropped: 7 others"),
            (.refusals, [.number(200), .number(7)], "messages dropped: 7 refusal 200"),
            (
                .ended, [.number(1), .bytes(Self.command), .bytes(Self.hash), .number(2)],
                "command (cccccccccccccccc) from the key 0000000000000001 ended: "
                    + "interrupted: the device stopped before it knew the outcome"
            ),
        ]
        for (kind, values, text) in table {
            let time = AuditTime(run: 1, boot: 1, seconds: nil, clock: .untrusted)
            let entry = AuditEntry(
                index: 1, previous: Digest(InlineArray(repeating: 0)), kind: kind, time: time, values: values)
            #expect(words.line(entry).text == text)
        }
    }

    @Test("AUD-01 every bit flip in the stored log is found, and the first bad entry named", .timeLimit(.minutes(5)))
    func bitFlips() throws {
        try ordinaryLog()
        let bytes = try file.read()
        let items = EnvelopeSequence(bytes.span).items
        #expect(items.count == 4)
        // The birth and the first checkpoint; then entries 2 and 3, then 4 and 5.
        let first: [UInt64] = [1, 1, 2, 4]
        for (item, expected) in zip(items, first) {
            for byte in stride(from: item.lowerBound, to: item.upperBound, by: 3) {
                var changed = bytes
                changed[byte] ^= 1 << UInt8(byte % 8)
                try write(changed)
                let found = try history().problem?.index
                // ES256 has a second signature for each message, but not one bit away.
                #expect(found == expected, "byte \(byte)")
            }
        }
        try write(bytes)
        #expect(try history().problem == nil)
        try AuditVerify.parse(["pump-7", "--directory", path]).run()
        try write(Array(bytes.dropLast()))
        #expect(throws: ExitCode.failure) { try AuditVerify.parse(["pump-7", "--directory", self.path]).run() }
    }

    @Test("AUD-01 messages that were taken out, swapped, repeated or cut off are found")
    func messages() throws {
        try ordinaryLog()
        let bytes = try file.read()
        let items = EnvelopeSequence(bytes.span).items.map { Array(bytes[$0]) }
        let table: [(order: [Int], first: UInt64?)] = [
            ([0, 1, 2, 3], nil), ([0, 1, 1, 2, 2, 3, 0, 3], nil), ([1, 2, 3], 1), ([0, 1, 3], 2),
            ([0, 1, 3, 2], 2), ([0, 2, 1, 3], 1), ([0, 1, 2], 4), ([0, 1], 2), ([0], 1), ([], 1),
        ]
        for (order, first) in table {
            try write(order.flatMap { items[$0] })
            #expect(try history().problem?.index == first, "\(order)")
        }
    }

    @Test func `what the gateway knows of a log outlives its restart, and goes into the answer to a birth`() throws {
        try ordinaryLog()
        try restart()
        try birth(run: 2)
        let resume = try #require(answers.last?.message)
        let envelope = try Envelope(decoding: resume.span)
        #expect(try Resume(decoding: resume.span.extracting(envelope.payload)).journal == chain.head)
        try log(.started, [.number(2)])
        try checkpoint()
        let history = try history()
        #expect(history.problem == nil)
        #expect(history.parts.flatMap(\.entries).map(\.index) == [1, 2, 3, 4, 5, 6])
    }

    @Test func `a message that comes again is stored once and shown once`() throws {
        try birth()
        try log(.started, [.number(1)])
        let checkpoint = Checkpoint(run: 1, head: try #require(chain.head), entries: entries)
        try send(.checkpoint, checkpoint.encoded())
        let size = try file.read().count
        try send(.checkpoint, checkpoint.encoded())
        try birth()
        #expect(try file.read().count == size)
        #expect(shown.lines.count == 1)
    }

    @Test("AUD-05 a device that was rolled back is shown, and the hole that it leaves")
    func rollback() throws {
        try ordinaryLog()
        let older = chain
        for run in UInt64(2)...4 { try log(.started, [.number(run)]) }
        try checkpoint()
        chain = older
        try log(.damaged, [.number(1)])
        try birth(run: 5)
        #expect(shown.lines.last?.contains(#""verdict":"fork""#) == true)
        try checkpoint()
        #expect(shown.lines.last?.contains("there is another entry 6") == true)
        #expect(try history().problem?.index == 6)
    }

    @Test func `an end that was torn by a crash is set aside, and the log goes on`() throws {
        try ordinaryLog()
        let bytes = try file.read()
        try write(bytes + bytes.prefix(100))
        #expect(try history().problem?.index == 6)
        try restart()
        try birth(run: 2)
        #expect(shown.notes.contains { $0.contains("torn") })
        #expect(try history().problem == nil)
        #expect(try Array(file.read().prefix(bytes.count)) == bytes)
    }

    @Test func `entries that were announced and did not come are told`() throws {
        try ordinaryLog()
        try log(.started, [.number(2)])
        try log(.started, [.number(3)])
        try birth(run: 2)
        let history = try history()
        #expect(history.problem == nil)
        #expect(history.pending == 2)
    }

    @Test func `a device without a log is told so`() throws {
        #expect(throws: Failure.self) { try self.history() }
        #expect(throws: (any Error).self) { try AuditVerify.parse(["../x", "--directory", self.path]) }
    }
}
