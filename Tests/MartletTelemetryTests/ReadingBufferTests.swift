// SPDX-License-Identifier: Apache-2.0

import MartletSenML
import MartletTelemetry
import Testing

@Suite struct ReadingBufferTests {
    private let limits: ReadingBatch.Limits = {
        var limits = ReadingBatch.Limits()
        limits.count = 4
        limits.age = 5000
        return limits
    }()

    private func add(_ buffer: inout ReadingBuffer, time: UInt64 = 1000) throws -> Bool {
        let name = bytes("t")
        return try buffer.append(name: name.span, unit: Span(), value: .number(1), time: time)
    }

    @Test func `a burst of full batches waits, and nothing of it is dropped`() throws {
        var buffer = ReadingBuffer(limits: limits)
        let capacity = limits.count * (ReadingBuffer.maximumWaiting(limits) + 1)
        for _ in 0..<capacity { _ = try add(&buffer) }
        #expect(throws: ReadingError.full) { _ = try add(&buffer) }
        var batch = ReadingBatch(limits: limits)
        var taken = 0
        while buffer.take(now: 1000, force: true, emptied: &batch) {
            taken += batch.count
            batch.removeAll()
        }
        #expect(taken == capacity)
    }

    @Test(arguments: [(1, 65), (4, 68), (32, 288)])
    func `8 full batches wait, or as many as 64 readings need`(count: Int, capacity: Int) throws {
        var limits = limits
        limits.count = count
        var buffer = ReadingBuffer(limits: limits)
        var batch = ReadingBatch(limits: limits)
        // More than once round, with batches that are emptied in between.
        for round in 1...3 {
            for number in 0..<capacity { _ = try add(&buffer, time: UInt64(1000 * round + number)) }
            #expect(throws: ReadingError.full) { _ = try add(&buffer) }
            for number in 0..<round {
                #expect(buffer.take(now: 0, force: true, emptied: &batch))
                #expect(batch.due == UInt64(1000 * round + number * count + 5000))
                batch.removeAll()
            }
            for _ in 0..<round * count { _ = try add(&buffer) }
            while buffer.take(now: 0, force: true, emptied: &batch) { batch.removeAll() }
        }
    }

    @Test func `the signing thread is woken when a batch begins and when one is full, not in between`() throws {
        var buffer = ReadingBuffer(limits: limits)
        let wakes = try (0..<9).map { _ in try add(&buffer) }
        #expect(wakes == [true, false, false, true, true, false, false, true, true])
    }

    @Test func `a batch is taken when its age has come, or when another waits behind it`() throws {
        var buffer = ReadingBuffer(limits: limits)
        var batch = ReadingBatch(limits: limits)
        #expect(buffer.due == nil)
        _ = try add(&buffer)
        #expect(buffer.due == 6000)
        #expect(!buffer.take(now: 5999, force: false, emptied: &batch))
        #expect(buffer.take(now: 6000, force: false, emptied: &batch))
        #expect(batch.count == 1 && buffer.due == nil)
        batch.removeAll()
        for _ in 0..<4 { _ = try add(&buffer, time: 7000) }
        #expect(buffer.due == 0, "full, and none behind it")
        _ = try add(&buffer, time: 7000)
        #expect(buffer.due == 0)
        #expect(buffer.take(now: 7000, force: false, emptied: &batch))
        #expect(batch.count == 4)
    }

    @Test func `a bad reading does not end the batch`() throws {
        var buffer = ReadingBuffer(limits: limits)
        _ = try add(&buffer)
        let name = bytes("bad name")
        #expect(throws: ReadingError.badName) {
            _ = try buffer.append(name: name.span, unit: Span(), value: .number(1), time: 1)
        }
        #expect(buffer.due == 6000)
    }
}
