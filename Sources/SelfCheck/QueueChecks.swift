// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletTelemetry
import MartletTestKit

/// Envelopes that wait in memory.
enum QueueChecks {
    static var all: [Check] {
        [Check("memory queue: 20,000 random calls agree with a plain list", model)]
    }

    private struct Entry {
        let sequence: UInt64
        let bytes: [UInt8]
        var isSent = false
    }

    private static func model() throws(Failure) {
        let random = SeededEntropy(seed: seed)
        let limit = 4096
        let queue = MemoryQueue(byteLimit: limit)
        let digest = try sha256([])
        var entries: [Entry] = []
        // Sequence numbers may lie beyond 32 bits.
        var next: UInt64 = 0xffff_ff00
        for step in 0..<20_000 as Range<Int64> {
            let size = Int(random.below(300))
            let used = entries.reduce(0) { $0 + $1.bytes.count }
            try require(queue.hasRoom(for: size) == (size <= limit - used), "room, step", number: step)
            let any = entries.isEmpty ? next : entries[Int(random.below(UInt64(entries.count)))].sequence
            switch random.below(8) {
            case 0...2 where size <= limit - used:
                let content = (0..<size).map { _ in UInt8(random.below(256)) }
                let isAppended: Void? = try? queue.append(sequence: next, readings: size) {
                    (buffer) throws(EnvelopeError) in
                    buffer += content
                    return digest
                }
                try require(isAppended != nil, "append, step", number: step)
                entries.append(Entry(sequence: next, bytes: content))
                next += 1
            case 3:
                let isAppended: Void? = try? queue.append(sequence: next, readings: 1) { (_) throws(EnvelopeError) in
                    throw .unknownClaim
                }
                try require(isAppended == nil, "an append that failed, step", number: step)
            case 4:
                let index = entries.firstIndex { !$0.isSent }
                let isTaken = random.oneIn(2)
                var isRight = index == nil
                let isSent = queue.sendNext { (sequence, envelope) in
                    if let index {
                        isRight = entries[index].sequence == sequence && entries[index].bytes.isEqual(to: envelope)
                    }
                    return isTaken
                }
                try require(isRight && isSent == (isTaken && index != nil), "send, step", number: step)
                if isSent, let index { entries[index].isSent = true }
            case 5:
                queue.release(any)
                entries.removeAll { $0.sequence == any }
            case 6:
                queue.restore(any)
                for index in entries.indices where entries[index].sequence == any { entries[index].isSent = false }
            default:
                let index =
                    random.oneIn(4) ? entries.firstIndex { $0.sequence == any } : entries.firstIndex { !$0.isSent }
                let isOldest = index.map { !entries[$0].isSent } ?? true
                let dropped = isOldest ? queue.dropOldest() : queue.drop(any)
                let expected = isOldest ? entries.firstIndex { !$0.isSent } : index
                try require(dropped?.sequence == expected.map { entries[$0].sequence }, "drop, step", number: step)
                if let expected { entries.remove(at: expected) }
            }
            try require(queue.count == entries.count, "count, step", number: step)
            try require(
                queue.unsentCount == entries.reduce(0) { $0 + ($1.isSent ? 0 : 1) }, "unsent, step", number: step)
        }
        try require(next > 1 << 32, "no sequence beyond 32 bits")
    }
}
