// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletController
import Testing

@testable import martlet_gateway

/// What the gateway acknowledges, it has stored.
@Suite final class StoringTests: AuditBench {
    private var memory: String { path + "/memory/pump-7.cbor" }

    /// As after `kill -9`.
    private func beKilled() throws {
        shown = Shown()
        receiver = try Receiver(place, capture: nil, display: shown)
    }

    /// A directory in the place of a file: it can be neither read nor written.
    private func block(_ file: String, _ body: () throws -> Void) throws {
        let files = FileManager.default
        let isThere = files.fileExists(atPath: file)
        if isThere { try files.moveItem(atPath: file, toPath: file + ".aside") }
        try files.createDirectory(atPath: file, withIntermediateDirectories: false)
        try body()
        try files.removeItem(atPath: file)
        if isThere { try files.moveItem(atPath: file + ".aside", toPath: file) }
    }

    private func items() throws -> Int {
        let bytes = try file.read()
        return EnvelopeSequence(bytes.span).items.count
    }

    @Test func `what the broker kept for a gateway that was killed is verified before the device's next birth`() throws
    {
        try ordinaryLog()
        try beKilled()
        try log(.started, [.number(1)])
        #expect(try checkpoint())
        #expect(try send(.event, Event(kind: .clockTrusted).encoded()))
        #expect(shown.refusals == [])
        #expect(shown.reports.count == 2 && shown.notes.isEmpty)
        #expect(try history().problem == nil)
    }

    @Test func `a certificate of another authority in the memory is left out, and that is said`() throws {
        try birth()
        let other = try CertificateAuthority.selfSigned(
            commonName: "other", notBefore: 0, notAfter: SystemClock.unixMilliseconds() / 1000 + 3600)
        try FileManager.default.removeItem(atPath: path + "/ca.pem")
        try place.create("ca.pem", try pem(other.certificate))
        try beKilled()
        #expect(try send(.event, Event(kind: .clockTrusted).encoded()))
        #expect(shown.notes.first?.contains("does not chain to the trust anchors") == true)
        #expect(shown.refusals == [.unknownKey])
    }

    @Test func `a device for which there is no room is told as such, and recalled when there is`() throws {
        try birth()
        let kept = try #require(try DeviceMemoryFiles(place).read(Self.device))
        let verifier = try DeviceVerifier(anchors: place.certificates("ca.pem"), maximumDevices: 1)
        let other = Array("other".utf8)
        _ = verifier.restore(other, kept)
        let files = try DeviceMemoryFiles(place)
        for _ in 1...2 {
            let note = try #require(try files.recall(Self.device, into: verifier))
            #expect(note.hasSuffix(": there are more devices than this gateway takes"))
        }
        verifier.forget(other)
        #expect(try files.recall(Self.device, into: verifier) == nil)
        #expect(verifier.memory(of: Self.device) == kept)
    }

    @Test func `a checkpoint that cannot be stored stays with the broker, and is taken when it comes again`() throws {
        try ordinaryLog()
        try log(.started, [.number(1)])
        let message = try sealed()
        // The log itself; then what is kept of the device; then both are well again.
        try block(file.path) {
            #expect(!receive(.checkpoint, message))
            #expect(!receive(.checkpoint, message))
        }
        #expect(shown.notes.last?.contains("audit/pump-7.cborseq: ") == true)
        try block(memory + ".new") {
            #expect(!receive(.checkpoint, message))
            #expect(!receive(.checkpoint, message))
        }
        #expect(shown.notes.last?.contains("memory/pump-7.cbor: ") == true)
        #expect(shown.lines.count == 5)
        #expect(receive(.checkpoint, message))
        #expect(shown.lines.count == 6)
        #expect(try items() == 5)
        let history = try history()
        #expect(history.problem == nil && history.parts.flatMap(\.entries).map(\.index) == Array(1...6))
    }

    @Test func `a birth whose key cannot be stored is neither acknowledged nor answered`() throws {
        try block(memory + ".new") {
            let isTaken = try birth()
            #expect(!isTaken)
            #expect(answers.isEmpty && shown.reports.isEmpty)
        }
        #expect(try birth())
        #expect(answers.count == 1)
        #expect(try items() == 1)
    }

    @Test func `an envelope that cannot be captured is not acknowledged`() throws {
        let folder = path + "/captured"
        receiver = try Receiver(place, capture: try Capture(path: folder), display: shown)
        try block(folder + "/000001.pump-7.birth.cbor") {
            // There is something of this name already: the next number.
            let isTaken = try birth()
            #expect(isTaken)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["000002.pump-7.birth.cbor"])
        // One that comes again since it was not stored is captured once.
        try log(.started, [.number(1)])
        let message = try sealed()
        try block(file.path) { #expect(!receive(.checkpoint, message)) }
        #expect(receive(.checkpoint, message))
        #expect(receive(.checkpoint, message))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                "000002.pump-7.birth.cbor", "000003.pump-7.checkpoint.cbor", "000004.pump-7.checkpoint.cbor",
            ])
        try FileManager.default.removeItem(atPath: folder)
        #expect(try !birth(run: 2))
        #expect(shown.notes.last?.contains("captured/000005.pump-7.birth.cbor: ") == true)
    }

    @Test func `nothing of a device is taken while what is known of it cannot be read`() throws {
        try ordinaryLog()
        let kept = try Data(contentsOf: URL(filePath: memory))
        let stored = try file.read()
        for bytes in [Data(), Data([0]), kept.dropLast(), kept + [0]] {
            try bytes.write(to: URL(filePath: memory))
            try beKilled()
            for _ in 1...2 { #expect(try !birth(run: 2)) }
            #expect(shown.notes.last?.contains("/memory/pump-7.cbor: damaged: bring a copy back; ") == true)
            #expect(answers.count == 1 && shown.reports.isEmpty)
            #expect(try Data(contentsOf: URL(filePath: memory)) == bytes)
            #expect(throws: Failure.self) { try self.history() }
        }
        // As of the time before there were versions, and of one to come.
        let issuer: [UInt8] = [0x78, UInt8(Self.urn.utf8.count)] + Array(Self.urn.utf8)
        for bytes in [[0x88] + issuer, [0x8a, 2] + issuer, [0x8b, 1] + issuer] {
            try Data(bytes).write(to: URL(filePath: memory))
            try beKilled()
            #expect(try !birth(run: 2))
            #expect(shown.notes.last?.contains("/pump-7.cbor: written by another version of the gateway: ") == true)
        }
        try kept.write(to: URL(filePath: memory))
        try block(memory) {
            let isTaken = try birth(run: 2)
            #expect(!isTaken)
            #expect(throws: Failure.self) { try self.history() }
        }
        #expect(try file.read() == stored)
        #expect(try birth(run: 2))
        #expect(try history().problem == nil)
    }

    @Test func `a file that cannot be read is not taken for one that is not there`() throws {
        try block(place.place("operator.sequence")) {
            let failure = #expect(throws: Failure.self) { _ = try SequenceFile(self.place, seconds: 1) }
            #expect(failure?.description.hasPrefix(place.place("operator.sequence")) == true)
        }
        try block(place.place("port")) {
            let failure = #expect(throws: Failure.self) { try self.place.port }
            #expect(failure?.description.hasPrefix(place.place("port")) == true)
        }
        #expect(try place.port == nil)
        for text in ["", "0\n", "65536\n", "8883x", "88 83\u{7}"] {
            try place.replace("port", text)
            #expect(throws: Failure.self) { try self.place.port }
        }
    }

    @Test func `a sequence number that leaves no room for others is refused`() throws {
        for text in ["", "x\n", "-1\n", "9223372036854775808\n", "18446744073709551615\n", "18446744073709551616\n"] {
            try place.replace("operator.sequence", text)
            let failure = #expect(throws: Failure.self) { _ = try SequenceFile(self.place, seconds: 1) }
            #expect(failure?.description.contains("not a number below 2^63") == true)
        }
        try place.replace("operator.sequence", "9223372036854775807\n")
        let sequences = try SequenceFile(place, seconds: 1)
        #expect(sequences.next() == 1 << 63 && sequences.next() == 1 << 63 + 1)
    }

    @Test func `sequence numbers go on above those that an older copy of the file does not know`() throws {
        let start = UInt64(SystemClock.unixMilliseconds())
        for text in [nil, "5\n"] {
            if let text { try place.replace("operator.sequence", text) }
            let next = try #require(try SequenceFile(place, seconds: 1).next())
            #expect(next > start && next < start + 3_600_000)
        }
        // A clock that went back does not matter.
        try place.replace("operator.sequence", "\(start + 3_600_000)\n")
        #expect(try SequenceFile(place, seconds: 1).next() == start + 3_600_001)
    }

    @Test func `an answer for which there is no room goes out when there is`() throws {
        isFull = true
        try birth(run: 1)
        try birth(run: 2)
        receiver.linkTicked()
        #expect(answers.isEmpty)
        isFull = false
        receiver.linkTicked()
        receiver.linkTicked()
        #expect(answers.map { $0.topic } == ["martlet/v1/pump-7/resume"])
        let resume = try #require(answers.first?.message)
        #expect(try Envelope(decoding: resume.span).claims.nonce == Bytes16(InlineArray(repeating: 2)))
    }

    @Test func `a full log is told, and does not hold up other devices`() throws {
        try ordinaryLog()
        let path = try file.path
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.truncate(atOffset: UInt64(AuditFile.maximumSize - 10))
        try handle.close()
        try log(.started, [.number(1)])
        #expect(try checkpoint())
        #expect(shown.notes.last?.contains("pump-7.cborseq: full: ") == true)
        // As it says.
        receiver.linkChanged(.stopped)
        for file in [path, memory] { try FileManager.default.moveItem(atPath: file, toPath: file + ".aside") }
        try beKilled()
        #expect(try birth(run: 2))
        try log(.started, [.number(2)])
        #expect(try checkpoint())
        let history = try history()
        #expect(history.findings == [] && history.parts.flatMap(\.entries).map(\.index) == [7])
    }

    @Test func `each birth that brings a key is stored, once`() throws {
        try ordinaryLog()
        try birth(run: 2)
        try birth(run: 2, connection: 2)
        #expect(try items() == 5)
        // Set up anew, in the same run number: with the same name, then with another one.
        try provision()
        try birth(run: 2, connection: 3)
        try log(.started, [.number(2)])
        try checkpoint()
        #expect(try history().problem == nil)
        try provision(urn: "urn:dev:mac:0024befffe804ff2")
        chain = AuditChain()
        try birth(run: 2, connection: 1)
        try log(.started, [.number(2)])
        try checkpoint()
        #expect(try items() == 9)
        #expect(try history().problem == nil)
        // Two keys that nobody announced.
        #expect(shown.refusals == [] && shown.notes.count == 2)
    }
}
