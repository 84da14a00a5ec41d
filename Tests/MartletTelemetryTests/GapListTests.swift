// SPDX-License-Identifier: Apache-2.0

import MartletMessages
import MartletTelemetry
import MartletTestKit
import Testing

@Suite struct GapListTests {
    private func gap(_ sequence: UInt64, _ reason: GapReason = .retention, readings: UInt64 = 3) -> Gap {
        Gap(first: sequence, last: sequence, readings: readings, reason: reason, digest: digest(sequence))
    }

    @Test func `neighbours of one reason become one record with the hash of the last`() {
        var list = GapList()
        for sequence in 5...9 as ClosedRange<UInt64> { list.add(gap(sequence)) }
        #expect(list.gaps == [Gap(first: 5, last: 9, readings: 15, reason: .retention, digest: digest(9))])
    }

    @Test func `neighbours of different reasons stay apart`() {
        var list = GapList()
        list.add(gap(5))
        list.add(gap(6, .refused))
        list.add(gap(7))
        #expect(list.gaps.count == 3)
    }

    @Test func `a hole between two drops is not part of either record`() {
        var list = GapList()
        list.add(gap(5))
        list.add(gap(7))
        #expect(list.gaps.map(\.first) == [5, 7])
    }

    @Test func `records are taken oldest first, each once`() {
        var list = GapList()
        list.add(gap(5))
        list.add(gap(9))
        #expect(list.take()?.first == 5)
        #expect(list.take()?.first == 9)
        #expect(list.take() == nil && list.isEmpty)
    }

    @Test func `counts of readings near the limit do not overflow`() {
        var list = GapList([Gap(first: 1, last: 4, readings: .max - 1, reason: .retention, digest: nil)])
        list.add(gap(5))
        #expect(list.gaps[0].readings == .max)
    }

    @Test func `whatever is dropped, in any order, the list is bounded and covers every number and reading`() {
        let random = SeededEntropy(seed: announcedSeed("gap list"))
        for _ in 0..<200 {
            var list = GapList()
            var given: Set<UInt64> = []
            var readings: UInt64 = 0
            for _ in 0..<random.below(200) {
                let sequence = random.below(400)
                if !given.insert(sequence).inserted { continue }
                let count = random.below(30)
                readings += count
                list.add(gap(sequence, GapReason(rawValue: UInt8(random.below(6))) ?? .age, readings: count))
                // A record that was to be told comes back.
                if random.oneIn(10), let gap = list.take() { list.add(gap) }
            }
            #expect(list.gaps.count <= GapList.capacity)
            for sequence in given {
                #expect(list.gaps.contains { ($0.first...$0.last).contains(sequence) }, "\(sequence) was forgotten")
            }
            #expect(list.gaps.reduce(0) { $0 + $1.readings } == readings)
        }
    }
}
