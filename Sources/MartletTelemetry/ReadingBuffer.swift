// SPDX-License-Identifier: Apache-2.0

public import MartletSenML

/// Readings between the application's threads and the thread that signs: full batches that wait, and behind them the one
/// that is being filled. So a burst of readings needs nobody to wait.
public struct ReadingBuffer {
    /// Full batches that may wait: 8, or as many as 64 readings need. What does not fit then is dropped.
    public static func maximumWaiting(_ limits: ReadingBatch.Limits) -> Int { max(8, 64 / max(1, limits.count)) }

    /// A ring. Each has memory from its first reading on.
    private var batches: [ReadingBatch]
    /// Place of the oldest one, and how many are full.
    private var first = 0
    private var waiting = 0

    public init(limits: ReadingBatch.Limits) {
        batches = [ReadingBatch](repeating: ReadingBatch(limits: limits), count: Self.maximumWaiting(limits) + 1)
    }

    /// The batch that is being filled.
    private var current: Int { (first + waiting) % batches.count }

    /// Adds a reading; see `ReadingBatch.append`. Throws `full` only if all batches are.
    /// Returns whether the signing thread must be woken: a batch has begun, or is full.
    public mutating func append(
        name: Span<UInt8>, unit: Span<UInt8>, value: borrowing SenMLRecord.Value, time: UInt64
    ) throws(ReadingError) -> Bool {
        do throws(ReadingError) {
            try batches[current].append(name: name, unit: unit, value: copy value, time: time)
            return batches[current].count == 1 || batches[current].isFull
        } catch {
            // An empty one has room for any reading.
            guard error == .full, waiting + 1 < batches.count else { throw error }
        }
        waiting += 1
        try batches[current].append(name: name, unit: unit, value: copy value, time: time)
        return true
    }

    /// Boot time in milliseconds at which `take` gives something; nil while there are no readings.
    public var due: UInt64? { waiting > 0 || batches[current].isFull ? 0 : batches[current].due }

    /// The oldest batch, if it is full or due, or if `force`d. `emptied` is one that `take` gave before.
    public mutating func take(now: UInt64, force: Bool, emptied: inout ReadingBatch) -> Bool {
        guard let due, force || now >= due else { return false }
        swap(&batches[first], &emptied)
        if waiting > 0 {
            first = (first + 1) % batches.count
            waiting -= 1
        }
        return true
    }
}
