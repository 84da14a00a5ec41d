// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MartletController
import Testing

@testable import martlet_gateway

/// What `audit` says of a log that is not simply in order.
@Suite final class AuditFindingTests: AuditBench {
    /// The stored messages.
    private func items() throws -> [[UInt8]] {
        let bytes = try file.read()
        return EnvelopeSequence(bytes.span).items.map { Array(bytes[$0]) }
    }

    private func write(_ items: some Sequence<[UInt8]>) throws {
        try Data(items.flatMap { $0 }).write(to: URL(filePath: file.path))
    }

    /// The exit status of `audit verify`, which `audit show` has too; 0 if it is well.
    private func status() -> Int32 {
        let status = { (body: () throws -> Void) -> Int32 in
            do {
                try body()
                return 0
            } catch {
                return (error as? ExitCode)?.rawValue ?? -1
            }
        }
        let verified = status { try AuditVerify.parse(["pump-7", "--directory", self.path]).run() }
        let shown = status { try AuditShow.parse(["pump-7", "--directory", self.path]).run() }
        #expect(shown == verified)
        return verified
    }

    @Test("AUD-02 a beginning that was cut off is named")
    func beginning() throws {
        try ordinaryLog()
        try birth(run: 2)
        try log(.started, [.number(2)])
        try checkpoint()
        let items = try items()
        #expect(items.count == 6 && status() == 0)
        // From the second birth on, the file alone is a log without fault.
        try write(items[4...])
        #expect(
            try history().findings == [
                "NOT in order: entry 1 is missing: the file begins with entry 6. First bad entry: 1"
            ])
        #expect(status() == 1)
        try FileManager.default.removeItem(atPath: path + "/memory/pump-7.cbor")
        #expect(try history().isForgotten && history().problem == nil)
        // What the gateway learns from then on begins after the file does.
        try write(items)
        shown = Shown()
        receiver = try Receiver(place, capture: nil, display: shown)
        try birth(run: 3)
        try log(.started, [.number(3)])
        try checkpoint()
        #expect(shown.lines.last?.contains(#""index":7,"#) == true)
        #expect(try history().findings == [])
        #expect(status() == 0)
        // Another entry of that number is told.
        let memory = try #require(try DeviceMemoryFiles(place).read(Self.device))
        var changed = memory
        changed.journalFirst = ChainHead(sequence: 1, digest: try #require(memory.journal).digest)
        try DeviceMemoryFiles(place).store(Self.device, changed)
        #expect(try history().problem?.text == "entry 1 is not the one that arrived first")
    }

    @Test func `a log that the gateway met late begins there, and nowhere else`() throws {
        for run in UInt64(1)...4 { try log(.started, [.number(run)]) }
        entries = []
        try birth(run: 5)
        for run in UInt64(5)...6 {
            try log(.started, [.number(run)])
            try checkpoint()
        }
        #expect(try history().parts.flatMap(\.entries).map(\.index) == [5, 6])
        #expect(status() == 0)
        var items = try items()
        items.remove(at: 1)
        try write(items)
        #expect(try history().problem?.text == "entry 5 is missing: the file begins with entry 6")
    }

    /// A log of eight entries, and the device as it was after the first three of them. Gives the eighth.
    private func goBack() throws -> ChainHead {
        try birth()
        for run in UInt64(1)...3 { try log(.started, [.number(run)]) }
        let older = chain
        for run in UInt64(4)...8 { try log(.damaged, [.number(run)]) }
        let seen = try #require(chain.head)
        try checkpoint()
        chain = older
        return seen
    }

    @Test("AUD-05 a device that went back, and says so, is a finding")
    func rollback() throws {
        let seen = try goBack()
        let isBehind = chain.skip(to: seen)
        #expect(isBehind)
        try log(.rolledBack, [.number(0), .number(3)], run: 7)
        try checkpoint()
        #expect(
            shown.lines.last?.contains(
                "the device went back to an earlier state: its own log ended with entry 3, not with 8") == true)
        let history = try history()
        #expect(history.problem == nil)
        #expect(
            history.findings == [
                "FINDING: this device went back to an earlier state (entry 9, run 7): entries 4 to 8 of before are missing "
                    + "in its own log"
            ])
        #expect(status() == 2)
        // What comes later changes nothing of that.
        try log(.started, [.number(8)], run: 8)
        try checkpoint()
        #expect(try self.history().findings.count == 1)
        #expect(status() == 2)
    }

    @Test("AUD-05 entries that were told twice belong to the finding")
    func toldTwice() throws {
        let seen = try goBack()
        try log(.started, [.number(7)], run: 7)
        try birth(run: 7)
        try log(.clock, [.number(8)], run: 7)
        try log(.rolledBack, [.number(2), .number(100)], run: 7)
        let isBehind = chain.skip(to: seen)
        #expect(isBehind)
        try log(.rolledBack, [.number(0), .number(6)], run: 7)
        try checkpoint()
        #expect(shown.lines.last?.contains(#""verdict":"fork","problem":"there is another entry 4"#) == true)
        let history = try history()
        #expect(history.problem == nil)
        #expect(
            history.findings == [
                "FINDING: this device went back to an earlier state (entry 6, run 7): it had used higher numbers for its "
                    + "readings before",
                "FINDING: this device went back to an earlier state (entry 9, run 7): entries 4 to 6 of run 7 had been told "
                    + "with another content before; entries 7 to 8 of before are missing in its own log",
            ])
        #expect(status() == 2)
    }

    @Test("AUD-05 another entry is no finding alone if the device does not say that it went back")
    func fork() throws {
        let seen = try goBack()
        try log(.started, [.number(7)], run: 7)
        try checkpoint()
        #expect(try history().problem?.index == 4)
        #expect(status() == 1)
        // Nor does a later rollback explain it, once the log has gone on.
        chain = AuditChain(after: seen)
        try log(.started, [.number(8)], run: 8)
        try checkpoint()
        try log(.rolledBack, [.number(0), .number(5)], run: 9)
        try checkpoint()
        #expect(try history().problem?.index == 4)
        #expect(try history().findings.count == 2)
        #expect(status() == 1)
    }

    /// A log whose entries 2 to 4 gave way; the next part begins with entry 5.
    private func giveUp() throws {
        try birth()
        try log(.started, [.number(1)])
        try checkpoint()
        for run in UInt64(2)...4 { try log(.started, [.number(run)]) }
        entries = []
        try log(.started, [.number(5)])
    }

    private static let givenUp = "FINDING: the device gave up entries 2 to 4: its history was full"

    @Test("AUD-03 a hole that a later part names is given up: a finding, not a fault")
    func givenUpLater() throws {
        try giveUp()
        try checkpoint()
        #expect(try history().findings == ["NOT in order: entries 2 to 4 are missing. First bad entry: 2"])
        #expect(status() == 1)
        try restart()
        try log(.givenUp, [.number(2), .number(4)])
        try checkpoint()
        #expect(
            shown.lines.last?.contains(#""verdict":"given-up","problem":"the device gave up entries 2 to 4"#) == true)
        #expect(try history().findings == [Self.givenUp])
        #expect(status() == 2)
    }

    @Test("AUD-03 a hole that its own part names is given up, and the log not called complete")
    func givenUpAtOnce() throws {
        try giveUp()
        try log(.givenUp, [.number(2), .number(4)])
        try checkpoint()
        #expect(try history().findings == [Self.givenUp])
        #expect(status() == 2)
        // What no entry names stays missing.
        try log(.started, [.number(6)])
        try checkpoint()
        try log(.givenUp, [.number(8), .number(9)])
        try checkpoint()
        var items = try items()
        items.remove(at: 3)
        try write(items)
        #expect(
            try history().findings == [Self.givenUp, "NOT in order: entry 7 is missing. First bad entry: 7"])
        #expect(status() == 1)
    }

    @Test func `numbers that no log has are told all the same`() throws {
        try birth()
        try log(.started, [.number(1)])
        for own in [0, 1, .max] as [UInt64] { try log(.rolledBack, [.number(0), .number(own)]) }
        try log(.rolledBack, [.number(.max), .number(.max)])
        try checkpoint()
        #expect(try history().findings.count == 4)
        #expect(status() == 2)
    }

    @Test func `a certificate that has expired is judged at the time at which its birth arrived`() throws {
        try ordinaryLog()
        let bytes = try file.read()
        let memory = try DeviceMemoryFiles(place).read(Self.device)
        let anchors = try place.certificates("ca.pem")
        let later = SystemClock.unixMilliseconds() / 1000 + 2 * 365 * 86_400
        func problem(_ memory: DeviceMemory?) throws -> String? {
            try AuditHistory(bytes, of: Self.device, memory: memory, anchors: anchors, at: later).problem?.text
        }
        // This device has no clock: no birth says when it was signed.
        #expect(try problem(memory) == nil)
        #expect(
            try problem(nil) == "entry 1 is in a message that does not verify: the device's certificate has expired")
        var changed = try #require(memory)
        changed.keys[0].received = later
        #expect(try problem(changed)?.contains("has expired") == true)
    }

    @Test func `a kind that this version does not know is shown, stored and verified like any other`() throws {
        try ordinaryLog()
        let head = try #require(chain.head)
        let time = AuditTime(run: 1, boot: 12_300, seconds: nil, clock: .untrusted)
        var entry = AuditEntry(
            index: head.sequence + 1, previous: head.digest, kind: .damaged, time: time,
            values: [.text([0x1b]), .bytes([1])])
        entry.code = 200
        let bytes = try #require(entry.encoded())
        entries.append(bytes)
        chain = AuditChain(after: ChainHead(sequence: entry.index, digest: key.sha256(bytes.span)))
        try log(.started, [.number(2)])
        try checkpoint()
        let line = try #require(shown.lines.dropLast().last)
        #expect(line.contains(#""index":6,"kind":"unknown-200","text":"kind 200, not known to this version""#))
        #expect(line.hasSuffix(#""values":["\u001b","01"],"verdict":"linked"}"#))
        #expect(try history().parts.flatMap(\.entries).map(\.index) == [1, 2, 3, 4, 5, 6, 7])
        #expect(status() == 0)
    }
}
