// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletJournal
import MartletTelemetry
import MartletTestKit

/// Envelopes from signing until the back end has them.
enum SpoolChecks {
    static var all: [Check] {
        [Check("spool: 5,000 random calls and power cuts agree with a plain list", model)]
    }

    private struct Entry {
        let sequence: UInt64
        let bytes: [UInt8]
        var isDurable = false
        var isSent = false
        var isReleased = false
    }

    private static func open(_ disk: SimulatedDisk, _ keys: TestSegmentKeys) throws(Failure) -> Spool {
        let journal = Journal(
            storage: disk, keys: keys, device: bytes("device-1"), stream: Spool.stream(.normal), segmentSize: 4096,
            historySize: nil)
        return try require(try? Spool(journal), "the spool cannot be read")
    }

    private static func model() throws(Failure) {
        let random = SeededEntropy(seed: seed)
        let disk = SimulatedDisk(seed: seed)
        let keys = try require(try? TestSegmentKeys(seed: seed), "keys")
        let digest = try sha256([])
        var spool = try open(disk, keys)
        var entries: [Entry] = []
        // Sequence numbers may lie beyond 32 bits.
        var next: UInt64 = 0xffff_ff00
        spool.begin(at: next, after: nil)
        for step in 0..<5000 as Range<Int64> {
            switch random.below(16) {
            case 0..<4:
                let content = (0..<Int(random.below(300))).map { _ in UInt8(random.below(256)) }
                let isAppended = try? spool.append(sequence: next, readings: 1) { (buffer) throws(EnvelopeError) in
                    buffer += content
                    return digest
                }
                if isAppended == true {
                    entries.append(Entry(sequence: next, bytes: content))
                    next += 1
                }
            case 4..<7:
                try require((try? spool.commit(at: 0)) != nil, "commit, step", number: step)
                for index in entries.indices { entries[index].isDurable = true }
            case 7..<12:
                let index = entries.firstIndex { $0.isDurable && !$0.isSent && !$0.isReleased }
                var isRight = index == nil
                let isSent = spool.sendNext { (sequence, _, envelope) in
                    if let index {
                        isRight = entries[index].sequence == sequence && entries[index].bytes.isEqual(to: envelope)
                    }
                    return true
                }
                try require(isRight && isSent == (index != nil), "send, step", number: step)
                if let index { entries[index].isSent = true }
            case 12..<15:
                for _ in 0..<2 {
                    let sent = entries.filter { $0.isSent && !$0.isReleased }
                    if sent.isEmpty { break }
                    let sequence = sent[Int(random.below(UInt64(min(4, sent.count))))].sequence
                    spool.release(sequence)
                    for index in entries.indices where entries[index].sequence == sequence {
                        entries[index].isReleased = true
                    }
                }
            default:
                if random.oneIn(4) { continue }
                disk.restart()
                spool = try open(disk, keys)
                let recovered = spool.recovered?.next ?? 0
                try require(spool.damage == 0, "damage, step", number: step)
                entries.removeAll { !$0.isDurable && $0.sequence >= recovered }
                next = max(recovered, 0xffff_ff00)
                if spool.recovered == nil { spool.begin(at: next, after: nil) }
                try require(
                    entries.allSatisfy { $0.sequence < next }, "a durable envelope is gone, step", number: step)
                // What was released may come again, in order, from some place on.
                let waiting = spool.count
                for index in entries.indices {
                    entries[index].isDurable = true
                    entries[index].isSent = false
                    entries[index].isReleased = index < entries.count - waiting
                }
            }
            // What the back end has comes again after a cut, if that was not written down yet.
            while entries.count > 400, let first = entries.first, first.isReleased { entries.removeFirst() }
            try require(
                spool.count == entries.reduce(0) { $0 + ($1.isReleased ? 0 : 1) }, "count, step", number: step)
        }
        try require(spool.takeLosses().isEmpty, "losses without damage")
        try require(next > 1 << 32, "no sequence beyond 32 bits")
    }
}
