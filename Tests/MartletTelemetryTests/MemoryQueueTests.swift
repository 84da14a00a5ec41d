// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
@testable import MartletTelemetry
import MartletTestKit
import Testing

/// What a queue must do, by keeping everything.
private struct Model {
    struct Item {
        let sequence: UInt64
        let size: Int
        var isSent = false
    }

    var items: [Item] = []

    var bytes: Int { items.reduce(0) { $0 + $1.size } }
    var unsent: [UInt64] { items.filter { !$0.isSent }.map(\.sequence) }
}

@Suite struct MemoryQueueTests {
    @Test func `envelopes are shown in order, each until it is taken, with their own bytes`() {
        let queue = MemoryQueue(byteLimit: 1000)
        for sequence in 1...3 as ClosedRange<UInt64> { queue.add(sequence, size: Int(sequence)) }
        var shown: [UInt64] = []
        let taken = queue.sendNext { (sequence, envelope) in
            shown.append(sequence)
            #expect(envelope.count == 1 && envelope[0] == 1)
            return false
        }
        #expect(!taken && shown == [1] && queue.unsentCount == 3)
        #expect(queue.sendAll() == [1, 2, 3])
        #expect(queue.unsentCount == 0 && queue.count == 3)
        #expect(queue.sendOne() == nil)
    }

    @Test func `acknowledgements may come in any order, and twice`() {
        let queue = MemoryQueue(byteLimit: 30)
        for sequence in 1...3 as ClosedRange<UInt64> { queue.add(sequence) }
        #expect(queue.sendAll() == [1, 2, 3])
        #expect(!queue.hasRoom(for: 1))
        queue.release(2)
        #expect(queue.count == 2 && queue.hasRoom(for: 10) && !queue.hasRoom(for: 11))
        queue.release(2)
        queue.release(99)
        #expect(queue.count == 2)
        queue.release(1)
        queue.release(3)
        #expect(queue.count == 0 && queue.hasRoom(for: 30) && !queue.hasRoom(for: 31))
    }

    @Test func `what a link gave back is sent again first, with the same bytes`() {
        let queue = MemoryQueue(byteLimit: 1000)
        for sequence in 1...4 as ClosedRange<UInt64> { queue.add(sequence) }
        #expect(queue.sendAll() == [1, 2, 3, 4])
        queue.release(1)
        queue.restore(3)
        queue.restore(2)
        queue.restore(2)
        queue.restore(1)
        #expect(queue.unsentCount == 2)
        queue.add(5)
        #expect(queue.sendAll() == [2, 3, 5])
    }

    @Test func `the oldest unsent envelope goes first, one that a link has is not dropped`() {
        let queue = MemoryQueue(byteLimit: 1000)
        for sequence in 1...3 as ClosedRange<UInt64> { queue.add(sequence) }
        #expect(queue.sendOne() == 1)
        #expect(queue.dropOldest() == DroppedEnvelope(sequence: 2, digest: digest(2), readings: 2))
        #expect(queue.dropOldest()?.sequence == 3)
        #expect(queue.dropOldest() == nil)
        #expect(queue.drop(1)?.sequence == 1)
        #expect(queue.drop(1) == nil)
        #expect(queue.count == 0 && queue.hasRoom(for: 1000))
    }

    @Test func `if writing fails nothing was appended`() {
        let queue = MemoryQueue(byteLimit: 1000)
        #expect(throws: EnvelopeError.unknownClaim) {
            try queue.append(sequence: 1, readings: 1) { (envelope) throws(EnvelopeError) in
                envelope.append(1)
                throw .unknownClaim
            }
        }
        #expect(queue.count == 0 && queue.unsentCount == 0 && queue.hasRoom(for: 1000))
        queue.add(1)
        #expect(queue.sendAll() == [1])
    }

    @Test func `what is kept in memory is not durable`() {
        #expect(!MemoryQueue(byteLimit: 1).isDurable)
    }

    @Test("P9 one envelope that is never released does not make the queue grow for ever")
    func poison() {
        let queue = MemoryQueue(byteLimit: 1000)
        queue.add(0)
        for sequence in 1...20_000 as ClosedRange<UInt64> {
            queue.add(sequence)
            _ = queue.sendAll()
            queue.release(sequence)
            queue.restore(0)
        }
        #expect(queue.count == 1)
        #expect(queue.places <= 8)
    }

    @Test("P9 the memory of released envelopes is not kept")
    func spareMemory() {
        let queue = MemoryQueue(byteLimit: 1 << 20)
        // Many small ones make many places; then large ones pass through all of them.
        for sequence in 0..<512 as Range<UInt64> { queue.add(sequence, size: 16) }
        for sequence in 0..<512 as Range<UInt64> { queue.release(sequence) }
        for sequence in 5000..<5600 as Range<UInt64> {
            queue.add(sequence, size: 8192)
            queue.release(sequence)
        }
        #expect(queue.reserved <= 8 * 16_384, "\(queue.reserved) bytes for nothing")
    }

    @Test func `random steps: the queue equals its model, through growth and wrap-around`() {
        let seed = announcedSeed("memory queue")
        let random = SeededEntropy(seed: seed)
        for round in 0..<60 {
            let limit = 200 + Int(random.below(2000))
            let queue = MemoryQueue(byteLimit: limit)
            var model = Model()
            var next: UInt64 = random.below(1000)
            for step in 0..<400 {
                let place: Comment = "round \(round), step \(step)"
                let known =
                    model.items.isEmpty || random.oneIn(8)
                    ? next &+ 7 : model.items[Int(random.below(UInt64(model.items.count)))].sequence
                switch random.below(8) {
                case 0...2:
                    let size = 1 + Int(random.below(40))
                    #expect(queue.hasRoom(for: size) == (model.bytes + size <= limit), place)
                    if queue.hasRoom(for: size) {
                        queue.add(next, size: size)
                        model.items.append(Model.Item(sequence: next, size: size))
                    }
                    next += 1 + random.below(3)
                case 3:
                    var shown: UInt64?
                    let takes = !random.oneIn(4)
                    let taken = queue.sendNext { (sequence, envelope) in
                        shown = sequence
                        #expect(envelope[0] == UInt8(truncatingIfNeeded: sequence), place)
                        return takes
                    }
                    #expect(shown == model.unsent.first, place)
                    #expect(taken == (shown != nil && takes), place)
                    if taken { model.items[model.items.firstIndex { $0.sequence == shown }!].isSent = true }
                case 4:
                    queue.release(known)
                    model.items.removeAll { $0.sequence == known }
                case 5:
                    queue.restore(known)
                    if let index = model.items.firstIndex(where: { $0.sequence == known }) {
                        model.items[index].isSent = false
                    }
                case 6:
                    let dropped = queue.drop(known)
                    #expect((dropped != nil) == model.items.contains { $0.sequence == known }, place)
                    model.items.removeAll { $0.sequence == known }
                default:
                    let dropped = random.oneIn(3) ? queue.dropOldest() : nil
                    if let dropped {
                        #expect(
                            dropped.sequence == model.unsent.first && dropped.digest == digest(dropped.sequence), place)
                        model.items.removeAll { $0.sequence == dropped.sequence }
                    }
                }
                #expect(queue.count == model.items.count && queue.unsentCount == model.unsent.count, place)
            }
            let unsent = model.unsent
            #expect(queue.sendAll() == unsent)
        }
    }
}
