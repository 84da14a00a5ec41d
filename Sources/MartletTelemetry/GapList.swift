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

    /// Adds an envelope that was given up. If the list is full, the newest record grows to reach it: a record may
    /// cover numbers that did arrive, never fewer than those that did not.
    public mutating func add(_ dropped: DroppedEnvelope, reason: GapReason) {
        let (sequence, readings) = (dropped.sequence, UInt64(dropped.readings))
        for index in gaps.indices where gaps[index].reason == reason && gaps[index].last &+ 1 == sequence {
            gaps[index].last = sequence
            gaps[index].digest = dropped.digest
            gaps[index].readings += readings
            return
        }
        let gap = Gap(first: sequence, last: sequence, readings: readings, reason: reason, digest: dropped.digest)
        if gaps.count < Self.capacity {
            gaps.append(gap)
            return
        }
        let index = gaps.count - 1
        gaps[index].readings += readings
        gaps[index].first = min(gaps[index].first, sequence)
        if sequence > gaps[index].last {
            gaps[index].last = sequence
            gaps[index].digest = dropped.digest
        }
    }

    /// Takes the oldest record out, to be told.
    public mutating func take() -> Gap? {
        gaps.isEmpty ? nil : gaps.removeFirst()
    }
}
