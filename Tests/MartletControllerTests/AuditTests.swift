// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletController
import TestSupport
import Testing

/// The audit log of a device, written by hand.
private struct Log {
    private let hashing: OpenSSLHashing
    var chain = AuditChain()
    var entries: [[UInt8]] = []
    var heads: [ChainHead] = []

    init(_ count: Int = 0) throws {
        hashing = try OpenSSLHashing()
        for _ in 0..<count { try add(1) }
    }

    mutating func add(_ run: UInt64) throws {
        let time = AuditTime(run: run, boot: UInt64(entries.count), seconds: nil, clock: .untrusted)
        let appended = chain.append(.started, [.number(run)], at: time, hashing: hashing)
        entries.append(try #require(appended))
        heads.append(try #require(chain.head))
    }

    /// The message with entries `first` to `last`.
    func checkpoint(_ first: Int, _ last: Int, by device: TestDevice) throws -> [UInt8] {
        let checkpoint = Checkpoint(run: 1, head: heads[last - 1], entries: Array(entries[first - 1...last - 1]))
        return try device.seal(device.claims(.checkpoint), checkpoint.encoded()).message
    }
}

extension DeviceMessage {
    fileprivate var audit: AuditVerdict? {
        if case .checkpoint(_, _, let verdict) = content { verdict } else { nil }
    }
}

@Suite struct AuditTests {
    private let log: Log

    init() throws { log = try Log(100) }

    @Test func `entries are verified as they come, and the head is known for the answer to a birth`() throws {
        let bench = try Bench()
        let device = bench.device
        #expect(bench.verifier.journal(of: device.id) == nil)
        let message = try bench.take(log.checkpoint(1, 3, by: device), as: .checkpoint)
        guard case .checkpoint(let entries, let checkpoint, .linked) = message.content else {
            Issue.record("not linked")
            return
        }
        #expect(entries.map(\.index) == [1, 2, 3])
        #expect(checkpoint.head == log.heads[2])
        #expect(try bench.take(log.checkpoint(4, 67, by: device), as: .checkpoint).audit == .linked)
        #expect(bench.verifier.journal(of: device.id) == log.heads[66])
        #expect(try bench.take(log.checkpoint(70, 80, by: device), as: .checkpoint).audit == .hole(first: 68, last: 69))
        #expect(try bench.take(log.checkpoint(70, 80, by: device), as: .checkpoint).audit == .repeated)
    }

    @Test func `a log that began before the back end knew the device is not judged before its first entry here`() throws
    {
        let bench = try Bench()
        #expect(try bench.take(log.checkpoint(5, 9, by: bench.device), as: .checkpoint).audit == .beginning)
    }

    @Test("AUD-05 what was seen outlives a restart of the back end")
    func memory() throws {
        let bench = try Bench()
        let device = bench.device
        _ = try bench.take(log.checkpoint(1, 10, by: device), as: .checkpoint)
        _ = try bench.take(device.birth(run: 2, journal: log.heads[11]), as: .birth)
        let memory = try #require(bench.verifier.memory(of: device.id))
        #expect(memory.journal == log.heads[9])
        #expect(memory.journalSeen == log.heads[11])
        let bytes = memory.encoded()
        let kept = try DeviceMemory(decoding: bytes.span)
        #expect(kept == memory)

        func restarted() throws -> DeviceVerifier {
            let verifier = try DeviceVerifier(anchors: [bench.authority.authority.certificate])
            #expect(verifier.restore(device.id, kept) == nil)
            let birth = try device.birth(run: 2, journal: log.heads[11])
            _ = try verifier.verify(birth.span, from: device.id.span, as: .birth, at: bench.now, now: 0)
            return verifier
        }
        func take(_ log: Log, _ first: Int, _ last: Int) throws -> AuditVerdict? {
            let message = try log.checkpoint(first, last, by: device)
            return try restarted().verify(
                message.span, from: device.id.span, as: .checkpoint, at: bench.now, now: 0
            ).audit
        }
        #expect(try restarted().journal(of: device.id) == log.heads[11])
        #expect(try take(log, 11, 20) == .linked)
        #expect(try take(log, 12, 20) == .hole(first: 11, last: 11))
        #expect(try take(log, 1, 5) == .rolledBack)
        var copy = try Log(9)
        for _ in 0..<11 { try copy.add(9) }
        #expect(try take(copy, 11, 20) == .fork(index: 12))
        #expect(try take(copy, 13, 20) == .hole(first: 11, last: 12))
        #expect(try take(copy, 11, 11) == .fork(index: 10))
    }

    @Test func `a birth says how far the log goes, before its entries come`() throws {
        let bench = try Bench(knowing: false)
        let device = bench.device
        #expect(try bench.take(device.birth(), as: .birth).journal == nil)
        #expect(try bench.take(device.birth(run: 2, journal: log.heads[4]), as: .birth).journal == .announced)
        #expect(bench.verifier.journal(of: device.id) == log.heads[4])
        #expect(try bench.take(log.checkpoint(1, 5, by: device), as: .checkpoint).audit == .linked)
        #expect(try bench.take(device.birth(run: 2, journal: log.heads[4]), as: .birth).journal == .linked)
        _ = try bench.take(log.checkpoint(6, 9, by: device), as: .checkpoint)
        // Kept by the broker since the connection began.
        #expect(try bench.take(device.birth(run: 2, journal: log.heads[4]), as: .birth).journal == .repeated)
    }

    @Test("AUD-05 a birth whose log is shorter than what was seen was rolled back")
    func rollback() throws {
        let bench = try Bench()
        let device = bench.device
        let memory = DeviceMemory(
            issuer: Array(TestDevice.urn.utf8), run: 5, connection: 1, heads: LaneHeads(), journal: log.heads[19])
        let verifier = try DeviceVerifier(anchors: [bench.authority.authority.certificate])
        #expect(verifier.restore(device.id, memory) == nil)
        func take(_ birth: [UInt8]) throws -> DeviceMessage {
            try verifier.verify(birth.span, from: device.id.span, as: .birth, at: bench.now, now: 0)
        }
        // An older run, an unchanged run counter with a shorter log of another run, and another log of the same length.
        let older = try take(device.birth(run: 4, journal: log.heads[9]))
        #expect(older.standing == .older)
        #expect(older.journal == .rolledBack)
        #expect(try take(device.birth(run: 6, journal: log.heads[9])).journal == .rolledBack)
        let other = ChainHead(sequence: 20, digest: digest(9))
        #expect(try take(device.birth(run: 7, journal: other)).journal == .fork(index: 20))
        #expect(verifier.journal(of: device.id) == log.heads[19])
    }

    @Test func `a log that contradicts itself is broken, at its first bad index`() throws {
        let bench = try Bench()
        let device = bench.device
        var entries = Array(log.entries[..<5])
        entries[2] = log.entries[7]
        let checkpoint = Checkpoint(run: 1, head: log.heads[4], entries: entries)
        let message = try device.seal(device.claims(.checkpoint), checkpoint.encoded()).message
        #expect(try bench.take(message, as: .checkpoint).audit == .broken(index: 3, .missing))
    }

    @Test func `a checkpoint for another topic, of another type, or that is none, is refused and changes nothing`()
        throws
    {
        let bench = try Bench()
        let device = bench.device
        let good = try log.checkpoint(1, 3, by: device)
        #expect(bench.refusal(good, as: .event) == .envelope(.wrongPurpose))
        let checkpoint = Checkpoint(run: 1, head: log.heads[0])
        let wrongType = try device.seal(
            device.claims(.checkpoint), checkpoint.encoded(), contentType: ContentFormat.senML
        ).message
        #expect(bench.refusal(wrongType, as: .checkpoint) == .badClaims)
        #expect(
            bench.refusal(try device.seal(device.claims(.checkpoint), [0xa0]).message, as: .checkpoint)
                == .message(.missing(0)))
        let stranger = try TestDevice(bench.authority)
        #expect(bench.refusal(try log.checkpoint(1, 3, by: stranger), as: .checkpoint) == .unknownKey)
        #expect(bench.verifier.journal(of: device.id) == nil)
    }

    @Test("AUD-04 a new key of the device goes on with the same log")
    func newKey() throws {
        let bench = try Bench()
        _ = try bench.take(log.checkpoint(1, 10, by: bench.device), as: .checkpoint)
        let renewed = try TestDevice(bench.authority)
        _ = try bench.take(renewed.birth(run: 2, journal: log.heads[10]), as: .birth)
        #expect(try bench.take(log.checkpoint(11, 20, by: renewed), as: .checkpoint).audit == .linked)
        #expect(try bench.take(log.checkpoint(21, 30, by: bench.device), as: .checkpoint).audit == .linked)
    }

    @Test func `a sequence of envelopes is taken apart, and where it is torn is told`() throws {
        let messages = [try log.checkpoint(1, 3, by: Bench().device), try log.checkpoint(4, 5, by: Bench().device)]
        let bytes = messages[0] + messages[1]
        let whole = EnvelopeSequence(bytes.span)
        #expect(whole.items.map { Array(bytes[$0]) } == messages)
        #expect(whole.bad == nil)
        for count in bytes.indices {
            let prefix = Array(bytes[..<count])
            let torn = EnvelopeSequence(prefix.span)
            let end = count < messages[0].count ? 0 : messages[0].count
            #expect(torn.items.count == (end == 0 ? 0 : 1))
            #expect(torn.bad == (count == end ? nil : end))
        }
        #expect(EnvelopeSequence([UInt8]().span).items.isEmpty)
    }
}
