// SPDX-License-Identifier: Apache-2.0

import MartletController
import Testing

@testable import martlet_gateway

/// What waits for devices that come by HTTPS.
@Suite final class ExchangeQueueTests {
    private static let start: UInt64 = 1_000_000
    private let device = Array("pump-7".utf8)
    private var queues = ExchangeQueues(start: start)

    private func command(_ byte: UInt8, size: Int = 1) -> Exchange.Message {
        Exchange.Message(leaf: .signed(.command), bytes: [UInt8](repeating: byte, count: size))
    }

    private func add(_ bytes: ClosedRange<UInt8>, size: Int = 1, now: UInt64 = 0) {
        for byte in bytes { _ = queues.add(command(byte, size: size), for: device, now: now) }
    }

    private func tell(_ byte: UInt8, size: Int = 1, to id: String = "pump-7") -> Bool {
        queues.add(command(byte, size: size), for: Array(id.utf8), now: 0)
    }

    private func seen(_ birth: UInt8, from id: String = "pump-7") -> Bool {
        queues.seen(birth: [birth], from: Array(id.utf8))
    }

    private func waiting(_ mark: UInt64 = 0) -> [UInt8] {
        queues.answer(to: device, mark: mark).messages.compactMap(\.bytes.first)
    }

    @Test func `nothing is kept for a device before its first exchange`() {
        #expect(!tell(1))
        queues.begin(device, mark: 0, now: 0)
        #expect(waiting() == [])
        #expect(tell(2))
        #expect(waiting() == [2])
    }

    @Test func `what an answer held comes again until its mark comes back, and then no more`() {
        queues.begin(device, mark: 0, now: 0)
        add(1...2)
        let first = queues.answer(to: device, mark: 0)
        #expect(first.messages == [command(1), command(2)] && first.mark > Self.start)
        // The answer was lost.
        queues.begin(device, mark: 0, now: 1)
        add(3...3)
        let second = queues.answer(to: device, mark: 0)
        #expect(second.messages.count == 3 && second.mark > first.mark)
        // Of two answers only the first arrived.
        queues.begin(device, mark: first.mark, now: 2)
        #expect(waiting() == [3])
        queues.begin(device, mark: second.mark, now: 3)
        #expect(queues.answer(to: device, mark: second.mark) == ([], second.mark))
    }

    @Test func `a repeated or late request takes nothing away`() {
        queues.begin(device, mark: 0, now: 0)
        add(1...1)
        let first = queues.answer(to: device, mark: 0).mark
        queues.begin(device, mark: first, now: 1)
        add(2...2)
        for mark in [0, first, first, 0] {
            queues.begin(device, mark: mark, now: 2)
            #expect(waiting(mark) == [2])
        }
    }

    @Test(arguments: [1, start - 1, start + 100, UInt64.max])
    func `a mark of another run says nothing`(mark: UInt64) {
        queues.begin(device, mark: 0, now: 0)
        add(1...1)
        queues.begin(device, mark: mark, now: 1)
        let answer = queues.answer(to: device, mark: mark)
        #expect(answer.messages == [command(1)] && answer.mark == Self.start + 1)
    }

    @Test func `a device is of an earlier run if it has a mark of that and is not known`() {
        #expect(!queues.isFromEarlierRun(device, mark: 0))
        #expect(!queues.isFromEarlierRun(device, mark: Self.start))
        #expect(queues.isFromEarlierRun(device, mark: Self.start - 1))
        queues.begin(device, mark: Self.start - 1, now: 0)
        #expect(!queues.isFromEarlierRun(device, mark: Self.start - 1))
    }

    @Test func `marks grow over restarts`() {
        queues.begin(device, mark: 0, now: 0)
        add(1...200)
        let mark = queues.answer(to: device, mark: 0).mark
        // A millisecond for each message is more than there are.
        var next = ExchangeQueues(start: Self.start + 200)
        next.begin(device, mark: mark, now: 0)
        _ = next.add(command(1), for: device, now: 0)
        #expect(next.answer(to: device, mark: mark).mark > mark)
    }

    /// Takes all that waits, by as many answers as it needs; returns the messages of each.
    private func take() -> [[UInt8]] {
        var (answers, mark) = ([[UInt8]](), UInt64(0))
        while true {
            let answer = queues.answer(to: device, mark: mark)
            let codes = [UInt8](repeating: 0x90, count: Exchange.maximumCount)
            #expect(Exchange.Answer(codes: codes, messages: answer.messages, mark: .max).encoded() != nil)
            if answer.messages.isEmpty { return answers }
            answers.append(answer.messages.compactMap(\.bytes.first))
            mark = answer.mark
            queues.begin(device, mark: mark, now: 0)
        }
    }

    @Test func `what one answer does not take comes with the next, in order`() {
        queues.begin(device, mark: 0, now: 0)
        add(1...150)
        #expect(take() == [Array(1...64), Array(65...128), Array(129...150)])
        add(1...10, size: 16_000)
        #expect(take() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]])
    }

    @Test func `the oldest gives way, by number and by size`() {
        queues.begin(device, mark: 0, now: 0)
        for _ in 1...2 { add(1...150) }
        #expect(take().flatMap { $0 } == Array(45...150) + Array(1...150))
        add(1...13, size: 16_000)
        #expect(take().flatMap { $0 } == Array(4...13))
        #expect(tell(1) && tell(2, size: 65_536))
        #expect(take() == [[1]])
    }

    @Test func `a message waits for an hour, and so long a device is known`() {
        queues.begin(device, mark: 0, now: 0)
        add(1...1, now: 5)
        queues.begin(device, mark: 0, now: 1000)
        queues.expire(now: ExchangeQueues.age + 4)
        #expect(waiting() == [1])
        queues.expire(now: ExchangeQueues.age + 5)
        #expect(waiting() == [])
        #expect(tell(2))
        queues.expire(now: ExchangeQueues.age + 1000)
        #expect(!tell(3))
    }

    @Test func `nothing is too old at a time before it came`() {
        queues.begin(device, mark: 0, now: 5)
        add(1...1, now: 5)
        queues.expire(now: 4)
        #expect(waiting() == [1])
    }

    @Test func `of too many devices the one that stayed away for the longest is forgotten`() {
        for index in 0...ExchangeQueues.maximumDevices {
            queues.begin(Array("d\(index)".utf8), mark: 0, now: UInt64(index))
        }
        #expect(!tell(1, to: "d0"))
        #expect(tell(1, to: "d1"))
    }

    @Test func `a device whose birth the broker had from itself has its messages from there`() {
        queues.begin(device, mark: 0, now: 0)
        queues.forwarded(birth: [1], from: device)
        add(1...1)
        // An older birth of the device's own, which the gateway hears of only now.
        #expect(!seen(0))
        #expect(waiting() == [1])
        #expect(seen(1))
        #expect(seen(1))
        #expect(waiting() == [1])
        #expect(!seen(2))
        #expect(!tell(2))
        #expect(!seen(1, from: "pump-8"))
    }
}
