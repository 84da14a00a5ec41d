// SPDX-License-Identifier: Apache-2.0

public import MartletSenML

/// Readings between the application's threads and the thread that signs: one batch that is being filled, and full
/// ones that wait. So a burst of readings needs nobody to wait.
public struct ReadingBuffer {
    /// Batches that may wait; what does not fit then is dropped.
    public static let maximumWaiting = 8

    private let limits: ReadingBatch.Limits
    private var current: ReadingBatch
    private var waiting: [ReadingBatch] = []
    /// Emptied batches, whose memory is used again.
    private var spare: [ReadingBatch] = []

    public init(limits: ReadingBatch.Limits) {
        self.limits = limits
        current = ReadingBatch(limits: limits)
    }

    /// Adds a reading; see `ReadingBatch.append`. Throws `full` only if all batches are.
    /// Returns whether the signing thread must be woken: a batch has begun, or is full.
    public mutating func append(
        name: Span<UInt8>, unit: Span<UInt8>, value: borrowing SenMLRecord.Value, time: UInt64
    ) throws(ReadingError) -> Bool {
        let isLast = waiting.count >= Self.maximumWaiting
        if isLast || !current.isFull {
            do throws(ReadingError) {
                try current.append(name: name, unit: unit, value: copy value, time: time)
                return current.count == 1
            } catch {
                guard error == .full, !isLast else { throw error }
            }
        }
        waiting.append(current)
        current = spare.popLast() ?? ReadingBatch(limits: limits)
        try current.append(name: name, unit: unit, value: copy value, time: time)
        return true
    }

    /// Boot time in milliseconds at which `take` gives something; nil while there are no readings.
    public var due: UInt64? { waiting.isEmpty ? current.due : 0 }

    /// The oldest batch, if it is full or due, or if `force`d. `emptied` is one that `take` gave before.
    public mutating func take(now: UInt64, force: Bool, emptied: inout ReadingBatch) -> Bool {
        if !waiting.isEmpty {
            spare.append(emptied)
            emptied = waiting.removeFirst()
            return true
        }
        guard let due = current.due, force || now >= due else { return false }
        swap(&current, &emptied)
        return true
    }
}
