// SPDX-License-Identifier: Apache-2.0

@testable import MartletTelemetry
import MartletTestKit
import Testing

@Suite struct EntryQueueTests {
    private func entry(_ sequence: UInt64) -> Spool.Entry {
        Spool.Entry(
            readings: 1, digest: nil, record: [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: 8),
            end: SpoolPosition(sequence: sequence &+ 1, envelopes: sequence, readings: sequence))
    }

    @Test func `entries go in the order in which they came, with what was changed in them`() {
        let random = SeededEntropy(seed: announcedSeed("entry queue"))
        var queue = Spool.EntryQueue()
        var model: [(sequence: UInt64, isSent: Bool)] = []
        var next: UInt64 = 1
        for _ in 0..<1000 {
            switch random.below(8) {
            case 0...2:
                queue.append(entry(next))
                model.append((next, false))
                next += 1
            case 3:
                queue.append(contentsOf: [entry(next), entry(next + 1)])
                model += [(next, false), (next + 1, false)]
                next += 2
            case 4...6:
                if model.isEmpty { continue }
                queue.removeFirst()
                model.removeFirst()
            default:
                if model.isEmpty { continue }
                let place = Int(random.below(UInt64(model.count)))
                queue[place].state = .sent
                model[place].isSent = true
            }
            #expect(queue.count == model.count && queue.isEmpty == model.isEmpty)
            #expect(queue.firstPlace { $0.state == .sent } == model.firstIndex { $0.isSent })
            let isWhole = model.indices.allSatisfy { place in
                queue[place].sequence == model[place].sequence
                    && queue[place].record == entry(model[place].sequence).record
            }
            #expect(isWhole)
        }
    }

    @Test func `memory of an entry that went is nobody's`() {
        var queue = Spool.EntryQueue()
        for sequence in 1...100 as ClosedRange<UInt64> { queue.append(entry(sequence)) }
        for _ in 1...70 {
            var record = queue[0].record
            let address = record.withUnsafeBufferPointer { $0.baseAddress }
            queue.removeFirst()
            // A buffer that somebody else has is copied when it is changed.
            record[0] = 0
            #expect(record.withUnsafeBufferPointer { $0.baseAddress } == address)
        }
    }
}
