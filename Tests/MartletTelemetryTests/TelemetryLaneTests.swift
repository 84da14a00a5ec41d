// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletTelemetry
import MartletTestKit
import Testing

/// A key that can be made to fail.
private final class UnreliableSigner: Signer {
    let key: TestKey
    var fails = false

    init(_ key: TestKey) { self.key = key }

    var algorithm: COSEAlgorithm { key.signer.algorithm }

    func sign(_ message: Span<UInt8>, digest: Digest) throws(COSEError) -> SignatureBytes {
        if fails { throw .signingFailed }
        return try key.signer.sign(message, digest: digest)
    }
}

/// A lane and what it needs.
private final class Bench {
    let key: TestKey
    let signer: UnreliableSigner
    let sealer: EnvelopeSealer
    let disk = SimulatedDisk(seed: 1)
    let spool: Spool
    let limits: ReadingBatch.Limits
    var lane: TelemetryLane
    var batch: ReadingBatch

    init(
        next: UInt64 = 100, reserved: UInt64 = 1000, segment: Int = 4096, limits: ReadingBatch.Limits = small,
        commitSize: Int = 4096
    ) throws {
        key = try TestKey(seed: 1)
        signer = UnreliableSigner(key)
        let publicKey = key.publicKey
        sealer = EnvelopeSealer(
            issuer: bytes("urn:dev:os:1-x"), publicKey: publicKey.span, signer: signer, hashing: key.hashing)
        spool = try makeSpool(disk, keys: TestSegmentKeys(seed: 2), segment: segment)
        self.limits = limits
        batch = ReadingBatch(limits: limits)
        var spoolLimits = SpoolLimits()
        spoolLimits.commitSize = commitSize
        lane = TelemetryLane(
            lane: .normal, spool: spool, least: 0, reserved: next, gaps: GapList(), limits: limits,
            spoolLimits: spoolLimits)
        lane.reservedUntil = reserved
    }

    private static let small = {
        var limits = ReadingBatch.Limits()
        limits.count = 4
        limits.bytes = 256
        return limits
    }()

    func close(readings: Int = 1) throws -> Bool {
        for _ in 0..<readings { try batch.add() }
        var claims = Claims(purpose: .telemetry)
        return try lane.close(&batch, claims: &claims, now: 2000, wallClock: nil, sealer: sealer)
    }

    /// The claims and hashes of all that is unsent; each signature is checked.
    func sent() throws -> [(claims: Claims, digest: Digest, contentType: UInt64)] {
        var envelopes: [[UInt8]] = []
        try lane.commit(at: 0)
        while spool.sendNext({ (_, _, envelope) in
            envelopes.append([UInt8](copying: envelope))
            return true
        }) {}
        var structure = Envelope.makeStructure()
        return try envelopes.map { bytes in
            let envelope = try Envelope(decoding: bytes.span)
            let digest = try envelope.verify(
                bytes.span, as: .telemetry, with: key.verifier, hashing: key.hashing, structure: &structure)
            return (envelope.claims, digest, envelope.contentType)
        }
    }
}

@Suite struct TelemetryLaneTests {
    @Test func `each envelope has the next number and the hash of the one before`() throws {
        let bench = try Bench()
        for _ in 0..<3 { #expect(try bench.close()) }
        let sent = try bench.sent()
        #expect(sent.map(\.claims.sequence) == [100, 101, 102])
        #expect(sent[1].claims.previous == ChainHead(sequence: 100, digest: sent[0].digest))
        #expect(sent[2].claims.previous == ChainHead(sequence: 101, digest: sent[1].digest))
        #expect(bench.lane.head == ChainHead(sequence: 102, digest: sent[2].digest))
        #expect(sent.allSatisfy { $0.claims.lane == .normal && $0.contentType == ContentFormat.senML })
    }

    @Test func `without a known predecessor the link is absent`() throws {
        let bench = try Bench()
        #expect(try bench.close())
        #expect(try bench.sent()[0].claims.previous == nil)
    }

    @Test func `an empty batch makes no envelope`() throws {
        let bench = try Bench()
        #expect(try bench.close(readings: 0))
        #expect(bench.spool.count == 0 && bench.lane.next == 100)
    }

    @Test("P1 no number beyond the reservation is used, and the readings wait")
    func reservation() throws {
        let bench = try Bench(next: 100, reserved: 102)
        #expect(try bench.close())
        #expect(try bench.close())
        #expect(try !bench.close(readings: 3))
        #expect(bench.batch.count == 3 && bench.lane.next == 102 && bench.spool.count == 2)
        bench.lane.reservedUntil = 103
        #expect(try bench.close(readings: 0))
        #expect(bench.batch.count == 0 && bench.spool.count == 3)
    }

    @Test("P1 if signing fails the readings stay in the batch and no number is used")
    func signingFails() throws {
        let bench = try Bench()
        bench.signer.fails = true
        #expect(throws: EnvelopeError.cose(.signingFailed)) { try bench.close(readings: 3) }
        #expect(bench.batch.count == 3 && bench.lane.next == 100 && bench.spool.count == 0 && bench.lane.head == nil)
        bench.signer.fails = false
        #expect(try bench.close(readings: 0))
        #expect(try bench.sent().map(\.claims.sequence) == [100])
    }

    @Test func `after a roll-back the lane goes on above what the back end saw, linked to it`() throws {
        let bench = try Bench()
        #expect(try bench.close())
        let seen = ChainHead(sequence: 5000, digest: digest(5000))
        bench.lane.skip(to: seen)
        // The numbers up there are not reserved.
        #expect(try !bench.close())
        bench.lane.reservedUntil = 6000
        #expect(try bench.close(readings: 0))
        let last = try #require(try bench.sent().last)
        #expect(last.claims.sequence == 5001 && last.claims.previous == seen)
    }

    @Test func `a lane never goes back`() throws {
        let bench = try Bench()
        bench.lane.skip(to: ChainHead(sequence: 99, digest: digest(99)))
        #expect(bench.lane.next == 100 && bench.lane.head == nil)
    }

    @Test("P1 the next run goes on where the last one was committed, linked to it")
    func restart() throws {
        let bench = try Bench()
        for _ in 0..<3 { #expect(try bench.close()) }
        let sent = try bench.sent()
        bench.disk.restart(.losesAll)
        let spool = try makeSpool(bench.disk, keys: TestSegmentKeys(seed: 2))
        let lane = TelemetryLane(
            lane: .normal, spool: spool, least: 0, reserved: 1000, gaps: GapList(), limits: bench.limits)
        #expect(lane.next == 103 && lane.head == ChainHead(sequence: 102, digest: sent[2].digest))
        #expect(lane.reservedUntil == 1000 && lane.gaps.isEmpty)
    }

    @Test("IOE-01 what was read, sent, and then not on the disk after all keeps its number, and is told as lost")
    func unkept() throws {
        let bench = try Bench()
        for _ in 0..<3 { #expect(try bench.close()) }
        _ = try bench.sent()
        bench.disk.restart(.losesAll)
        func lane(least: UInt64) throws -> TelemetryLane {
            let spool = try makeSpool(bench.disk, keys: TestSegmentKeys(seed: 2))
            return TelemetryLane(
                lane: .normal, spool: spool, least: least, reserved: 1000, gaps: GapList(), limits: bench.limits)
        }
        #expect(try lane(least: 103).gaps.isEmpty)
        var after = try lane(least: 105)
        #expect(after.next == 1000 && after.head == nil && after.durableNext == 105)
        #expect(
            after.gaps.gaps == [Gap(first: 103, last: 999, readings: 0, reason: .corrupt, digest: nil)])
        #expect(after.commitDue == 0)
        try after.commit(at: 0)
        #expect(after.durableNext == 1000 && after.spool.deliver().map(\.sequence) == [100, 101, 102])
        #expect(try lane(least: 1000).next == 1000)
    }

    @Test(arguments: [4096, 21_000, 32_768])
    func `an envelope waits for others until so much waits, for ten seconds, or for the batch's age`(
        size: Int
    ) throws {
        let bench = try Bench(segment: 65_536, commitSize: size)
        #expect(bench.lane.commitDue == nil)
        #expect(try bench.close())
        // The reading is of 1000, the batch was closed at 2000.
        #expect(bench.lane.commitDue == 1000 + min(bench.limits.age, 11_000))
        while bench.spool.uncommittedSize < size {
            #expect(bench.lane.commitDue != 2000)
            #expect(try bench.close())
        }
        #expect(bench.lane.commitDue == 2000 && !bench.spool.hasUnsent)
        let count = bench.spool.count
        #expect(try bench.sent().count == count && bench.lane.commitDue == nil)
    }

    @Test(
        "SPL-01 what waits for one write fits into a segment, and what does not waits in its batch",
        arguments: [32_767, 32_768])
    func bound(waiting: Int) throws {
        var limits = ReadingBatch.Limits()
        limits.count = 256
        limits.bytes = 8192
        let bench = try Bench(segment: 65_536, limits: limits, commitSize: 32_768)
        func close(text: Int) throws -> Bool {
            try bench.batch.add(text: [UInt8](repeating: 0x78, count: text))
            return try bench.close(readings: 0)
        }
        // What an envelope has besides its text, if another one is before it.
        #expect(try close(text: 500))
        let first = bench.spool.uncommittedSize
        #expect(try close(text: 500))
        let other = bench.spool.uncommittedSize - first - 500
        while waiting - bench.spool.uncommittedSize > other + 1024 { #expect(try close(text: 500)) }
        #expect(try close(text: waiting - bench.spool.uncommittedSize - other))
        #expect(bench.spool.uncommittedSize == waiting && (bench.lane.commitDue == 2000) == (waiting == 32_768))
        func fill() throws {
            for number in 0..<256 { try bench.batch.add("12345678", .pi * Double(number), time: UInt64(number)) }
        }
        if waiting < 32_768 {
            try fill()
            #expect(try bench.close(readings: 0) && bench.batch.count == 0)
            #expect(bench.spool.uncommittedSize > waiting + 7000 && bench.lane.commitDue == 2000)
        }
        try fill()
        let count = bench.spool.count
        #expect(try !bench.close(readings: 0) && bench.batch.count == 256 && bench.spool.count == count)
        try bench.lane.commit(at: 0)
        #expect(try bench.close(readings: 0) && bench.batch.count == 0)
        let sent = try bench.sent()
        #expect(sent.map(\.claims.sequence) == (0...UInt64(count)).map { 100 + $0 })
        bench.disk.restart(.losesAll)
        let spool = try makeSpool(bench.disk, keys: TestSegmentKeys(seed: 2), segment: 65_536)
        #expect(spool.sendAll() == sent.map(\.claims.sequence) && spool.takeLosses().isEmpty)
    }
}
