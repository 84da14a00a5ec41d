// SPDX-License-Identifier: Apache-2.0

public import MartletMessages

/// What a lane gave up and has not told yet. Neighbours become one record; the list is bounded, never dropped.
public struct GapList: Sendable {
    public static let capacity = 16

    public private(set) var gaps: [Gap] = []

    public init(_ gaps: [Gap] = []) {
        self.gaps = gaps
        self.gaps.reserveCapacity(Self.capacity)
    }

    public var isEmpty: Bool { gaps.isEmpty }

    /// Adds what was given up, or takes back a record that could not be told. If the list is full, the newest record grows
    /// to reach it: a record may cover numbers that did arrive, never fewer than those that did not.
    public mutating func add(_ gap: Gap) {
        // Damage that is found again, or what could not be removed after it was written down.
        if gaps.contains(gap) { return }
        let neighbour = gaps.firstIndex { $0.reason == gap.reason && $0.last < gap.first && gap.first - $0.last == 1 }
        if neighbour == nil && gaps.count < Self.capacity {
            gaps.append(gap)
            return
        }
        let index = neighbour ?? gaps.count - 1
        let (readings, isTooMany) = gaps[index].readings.addingReportingOverflow(gap.readings)
        gaps[index].readings = isTooMany ? .max : readings
        gaps[index].first = min(gaps[index].first, gap.first)
        if gap.last > gaps[index].last {
            gaps[index].last = gap.last
            gaps[index].digest = gap.digest
        }
    }

    /// Takes the oldest record out, to be told.
    public mutating func take() -> Gap? {
        gaps.isEmpty ? nil : gaps.removeFirst()
    }
}
