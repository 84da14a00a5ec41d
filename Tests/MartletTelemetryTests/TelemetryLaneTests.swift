// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope
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
    let queue: MemoryQueue
    let limits: ReadingBatch.Limits
    var lane: TelemetryLane
    var batch: ReadingBatch

    init(next: UInt64 = 100, reserved: UInt64 = 1000, head: ChainHead? = nil, byteLimit: Int = 1 << 20) throws {
        key = try TestKey(seed: 1)
        signer = UnreliableSigner(key)
        let publicKey = key.publicKey
        sealer = EnvelopeSealer(
            issuer: bytes("urn:dev:os:1-x"), publicKey: publicKey.span, signer: signer, hashing: key.hashing)
        queue = MemoryQueue(byteLimit: byteLimit)
        var limits = ReadingBatch.Limits()
        limits.count = 4
        limits.bytes = 256
        self.limits = limits
        batch = ReadingBatch(limits: limits)
        lane = TelemetryLane(
            lane: .normal, queue: queue, next: next, reservedUntil: reserved, head: head, gaps: GapList(),
            limits: limits)
    }

    func close(readings: Int = 1) throws -> Bool {
        for _ in 0..<readings { try batch.add() }
        return try lane.close(
            &batch, claims: Claims(purpose: .telemetry), now: 2000, wallClock: nil, sealer: sealer)
    }

    /// The claims and hashes of all that is unsent; each signature is checked.
    func sent() throws -> [(claims: Claims, digest: Digest, contentType: UInt64)] {
        var envelopes: [[UInt8]] = []
        while queue.sendNext({ (_, envelope) in
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
        let head = ChainHead(sequence: 97, digest: digest(97))
        let bench = try Bench(head: head)
        for _ in 0..<3 { #expect(try bench.close()) }
        let sent = try bench.sent()
        #expect(sent.map(\.claims.sequence) == [100, 101, 102])
        #expect(sent[0].claims.previous == head)
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
        #expect(bench.queue.count == 0 && bench.lane.next == 100)
    }

    @Test("P1 no number beyond the reservation is used, and the readings wait")
    func reservation() throws {
        let bench = try Bench(next: 100, reserved: 102)
        #expect(try bench.close())
        #expect(try bench.close())
        #expect(try !bench.close(readings: 3))
        #expect(bench.batch.count == 3 && bench.lane.next == 102 && bench.queue.count == 2)
        bench.lane.reservedUntil = 103
        #expect(try bench.close(readings: 0))
        #expect(bench.batch.count == 0 && bench.queue.count == 3)
    }

    @Test("P1 if signing fails the readings stay in the batch and no number is used")
    func signingFails() throws {
        let bench = try Bench()
        bench.signer.fails = true
        #expect(throws: EnvelopeError.cose(.signingFailed)) { try bench.close(readings: 3) }
        #expect(bench.batch.count == 3 && bench.lane.next == 100 && bench.queue.count == 0 && bench.lane.head == nil)
        bench.signer.fails = false
        #expect(try bench.close(readings: 0))
        #expect(try bench.sent().map(\.claims.sequence) == [100])
    }

    @Test("P1 a full queue drops its oldest unsent envelopes, and a gap record says which")
    func overflow() throws {
        let bench = try Bench(byteLimit: 3000)
        var closed: UInt64 = 0
        while bench.lane.gaps.isEmpty {
            #expect(try bench.close(readings: 2))
            closed += 1
        }
        for _ in 0..<5 { #expect(try bench.close(readings: 2)) }
        let gap = try #require(bench.lane.gaps.gaps.first)
        #expect(bench.lane.gaps.gaps.count == 1)
        #expect(gap.first == 100 && gap.readings == 2 * (gap.last - gap.first + 1) && gap.reason == .retention)
        let sent = try bench.sent()
        #expect(sent.first?.claims.sequence == gap.last + 1)
        #expect(sent.first?.claims.previous == ChainHead(sequence: gap.last, digest: try #require(gap.digest)))
        #expect(UInt64(sent.count) + gap.last - gap.first + 1 == closed + 5)
    }

    @Test func `if links hold all that is queued, closing waits`() throws {
        let bench = try Bench(byteLimit: 1200)
        while bench.queue.hasRoom(for: 256 + 32 * 4 + 32 + 512) { #expect(try bench.close()) }
        #expect(bench.queue.sendAll().count == bench.queue.count)
        let next = bench.lane.next
        #expect(try !bench.close())
        #expect(bench.batch.count == 1 && bench.lane.next == next && bench.lane.gaps.isEmpty)
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

    @Test func `what is queued when the program ends becomes a gap record`() throws {
        let bench = try Bench()
        for _ in 0..<3 { #expect(try bench.close(readings: 2)) }
        bench.lane.abandon()
        #expect(bench.queue.count == 0)
        #expect(bench.lane.gaps.gaps.map(\.first) == [100] && bench.lane.gaps.gaps.map(\.last) == [102])
        #expect(bench.lane.gaps.gaps[0].readings == 6)
    }
}
