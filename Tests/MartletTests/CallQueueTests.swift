// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletEnvelope
import MartletMessages
import MartletPosix
import MartletSenML
import TestSupport
import Testing

@testable import Martlet
@testable import MartletCommands

/// Handlers that hang until they are let go.
final class Hangers: Sendable {
    private struct State {
        var begun = 0
        var mayEnd = 0
    }
    private let state = Guarded(State())

    /// The handler.
    func hang() -> CommandResult {
        let ended = state.with { state in
            state.begun += 1
            return state.begun
        }
        state.notify()
        let found = state.wait(milliseconds: 60_000) { $0.mayEnd >= ended ? true : nil }
        return found == true ? .done : .failed
    }

    var begun: Int { state.with { $0.begun } }

    func waitForBegun(_ count: Int) throws {
        if state.wait(milliseconds: 30_000, for: { $0.begun >= count ? true : nil }) == nil {
            throw TestFailure("\(begun) handlers began instead of \(count)")
        }
    }

    /// Lets the first `count` of them end.
    func letGo(_ count: Int = .max) {
        state.with { $0.mayEnd = count }
        state.notify()
    }
}

/// The queue with the test in the place of the network thread: `advance` gets the time that the test wants.
private final class QueueBench {
    let hangers = Hangers()
    let waiter: Waiter
    let queue: CallQueue
    private var ended: [UInt8: Outcome] = [:]

    /// Handler 0 ends at once, handler 1 hangs.
    init(hasLoop: Bool = false) throws {
        waiter = try Waiter()
        queue = CallQueue(waiter: waiter)
        let hangers = hangers
        queue.add { _ in .done }
        queue.add { _ in hangers.hang() }
        if hasLoop { _ = try queue.descriptor() }
        try queue.start()
    }

    deinit {
        hangers.letGo()
        queue.end()
    }

    func enqueue(_ id: UInt8, hangs: Bool = false, deadline: UInt64? = nil, priority: UInt8 = 1) {
        let key = CommandKey(controller: KeyID(1), id: Bytes16(InlineArray(repeating: id)))
        queue.enqueue(
            AcceptedCommand(key: key, index: hangs ? 1 : 0, arguments: [], priority: priority, deadline: deadline))
    }

    /// A call of the network thread; returns when it wants to be called again.
    func advance(_ now: UInt64 = SystemClock.bootMilliseconds()) -> UInt64 {
        let progress = queue.advance(now)
        for finished in progress.finished {
            for id in 0...UInt8.max where Bytes16(InlineArray(repeating: id)) == finished.key.id {
                ended[id] = finished.outcome
            }
        }
        return progress.due
    }

    func outcome(_ id: UInt8) -> Outcome? { ended[id] }

    /// Waits as the network thread does, but for events only.
    func waitForOutcome(_ id: UInt8) throws -> Outcome {
        let end = SystemClock.bootMilliseconds() + 30_000
        while true {
            _ = advance()
            if let outcome = ended[id] { return outcome }
            let now = SystemClock.bootMilliseconds()
            guard now < end else { throw TestFailure("command \(id) did not end") }
            _ = waiter.wait(socket: -1, writing: false, milliseconds: end - now)
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct CallQueueTests {
    @Test func `a handler that runs for 10 seconds is left alone, and its outcome is told when it ends`() throws {
        let bench = try QueueBench()
        let before = SystemClock.bootMilliseconds()
        bench.enqueue(1, hangs: true)
        try bench.hangers.waitForBegun(1)
        #expect(bench.advance() == .max, "nothing waits")
        bench.enqueue(2)
        let due = bench.advance()
        #expect((before + 10_000...SystemClock.bootMilliseconds() + 10_000).contains(due))
        #expect(bench.advance(due - 1) == due && bench.outcome(2) == nil)
        _ = bench.advance(due)
        #expect(try bench.waitForOutcome(2) == .done)
        #expect(bench.outcome(1) == nil)
        bench.hangers.letGo()
        #expect(try bench.waitForOutcome(1) == .done)
        bench.enqueue(3)
        #expect(try bench.waitForOutcome(3) == .done)
    }

    @Test func `where as many handlers hang as there may be threads, the end of any makes room for the next command`()
        throws
    {
        let bench = try QueueBench()
        for id in 1...UInt8(CallQueue.maximumThreads) {
            bench.enqueue(id, hangs: true)
            _ = bench.advance(bench.advance())
            try bench.hangers.waitForBegun(Int(id))
        }
        bench.enqueue(9)
        #expect(bench.advance() == .max, "no thread may be added")
        bench.hangers.letGo(1)
        let end = SystemClock.bootMilliseconds() + 10_000
        while bench.advance() == .max, SystemClock.bootMilliseconds() < end {
            _ = bench.waiter.wait(socket: -1, writing: false, milliseconds: 20_000)
        }
        #expect(SystemClock.bootMilliseconds() < end)
        _ = bench.advance(bench.advance())
        #expect(try bench.waitForOutcome(9) == .done)
    }

    @Test("CMD-01 of the commands that wait, those that are not allowed any longer end without their handler")
    func reconsidered() throws {
        let bench = try QueueBench()
        bench.enqueue(1, hangs: true)
        try bench.hangers.waitForBegun(1)
        bench.enqueue(2)
        bench.enqueue(3)
        bench.queue.reconsider { $0.key.id == Bytes16(InlineArray(repeating: 3)) }
        #expect(try bench.waitForOutcome(2) == .outOfPolicy)
        #expect(bench.outcome(1) == nil && bench.outcome(3) == nil)
        bench.hangers.letGo()
        #expect(try bench.waitForOutcome(1) == .done)
        #expect(try bench.waitForOutcome(3) == .done)
    }

    @Test func `no two handlers run at the same time as long as each ends in time`() throws {
        let bench = try QueueBench()
        for id in 1...4 as ClosedRange<UInt8> { bench.enqueue(id, hangs: true) }
        for count in 1...4 {
            try bench.hangers.waitForBegun(count)
            _ = bench.advance(SystemClock.bootMilliseconds() + 9000)
            #expect(bench.hangers.begun == count)
            bench.hangers.letGo(count)
        }
        for id in 1...4 as ClosedRange<UInt8> { #expect(try bench.waitForOutcome(id) == .done) }
    }

    @Test func `at most four handlers run at the same time, and what waits goes on when one of them ends`() throws {
        let bench = try QueueBench()
        for id in 1...5 as ClosedRange<UInt8> { bench.enqueue(id, hangs: true) }
        bench.enqueue(6, priority: 0)
        for count in 1...4 {
            try bench.hangers.waitForBegun(count)
            let due = bench.advance()
            if count < 4 { #expect(bench.advance(due + UInt64(count) * 20_000) < .max) } else { #expect(due == .max) }
        }
        #expect(bench.advance(.max / 2) == .max)
        #expect(bench.hangers.begun == 4)
        // The oldest of them ends, and its thread goes: the next look finds a place.
        bench.hangers.letGo(1)
        #expect(try bench.waitForOutcome(1) == .done)
        var later = SystemClock.bootMilliseconds() + 100_000
        while bench.hangers.begun == 4 {
            _ = bench.advance(later)
            later += 20_000
        }
        bench.hangers.letGo()
        for id in 2...6 as ClosedRange<UInt8> { #expect(try bench.waitForOutcome(id) == .done) }
    }

    @Test("a deadline that passes while a command waits is told then", arguments: [true, false])
    func deadline(hasLoop: Bool) throws {
        let bench = try QueueBench(hasLoop: hasLoop)
        // Without a loop all threads hang; with one, nobody dispatches.
        if !hasLoop {
            for id in 1...4 as ClosedRange<UInt8> { bench.enqueue(id, hangs: true) }
            for count in 1...4 {
                try bench.hangers.waitForBegun(count)
                if count < 4 { _ = bench.advance(SystemClock.bootMilliseconds() + UInt64(count) * 20_000) }
            }
        }
        let deadline = SystemClock.bootMilliseconds() + 3_600_000
        bench.enqueue(11, deadline: deadline + 5)
        bench.enqueue(12, deadline: deadline)
        bench.enqueue(13)
        #expect(bench.advance() == deadline + 1)
        #expect(bench.advance(deadline) == deadline + 1 && bench.outcome(12) == nil)
        #expect(bench.advance(deadline + 1) == deadline + 6)
        #expect(bench.outcome(12) == .deadlineMissed && bench.outcome(11) == nil)
        #expect(bench.advance(deadline + 6) == .max)
        #expect(bench.outcome(11) == .deadlineMissed)
        bench.hangers.letGo()
        if hasLoop { try bench.queue.dispatch() }
        #expect(try bench.waitForOutcome(13) == .done)
    }

    @Test func `the end waits for every handler that runs, also for one that was left alone`() throws {
        let bench = try QueueBench()
        bench.enqueue(1, hangs: true)
        bench.enqueue(2, hangs: true)
        try bench.hangers.waitForBegun(1)
        _ = bench.advance(SystemClock.bootMilliseconds() + 20_000)
        try bench.hangers.waitForBegun(2)
        let (queue, hasEnded) = (bench.queue, Guarded(false))
        let ending = try MartletPosix.Thread {
            queue.end()
            hasEnded.with { $0 = true }
        }
        bench.hangers.letGo(1)
        #expect(try bench.waitForOutcome(1) == .done)
        #expect(!hasEnded.with { $0 })
        bench.hangers.letGo(2)
        ending.join()
        _ = bench.advance()
        #expect(bench.outcome(2) == .done)
    }

    @Test func `a device whose handler hangs obeys, reports and says what became of it`() throws {
        let bench = try Bench()
        let lines = bench.log
        let device = try DeviceCore(
            Configuration(path: bench.configuration), program: nil, logLevel: .debug,
            log: { level, line in
                lines.with { $0.append("\(level): \(line)") }
                lines.notify()
            }, patience: 50)
        let hangers = Hangers()
        defer { hangers.letGo() }
        try device.declare("hang", []) { _ in hangers.hang() }
        try device.declare("count", []) { _ in .done }
        try device.start()
        try bench.waitForLog("resumed this run")
        let hanging = try (1...4).map { count in
            let command = try bench.backEnd.command("hang")
            try hangers.waitForBegun(count)
            return command
        }
        let late = try bench.backEnd.command("count", deadline: 1)
        #expect(try bench.backEnd.receipt(for: late).outcome == .deadlineMissed)
        let waits = try bench.backEnd.command("count")
        try device.report("temperature", .number(1), .celsius, .normal, false)
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).isEmpty ? nil : true }
        hangers.letGo(1)
        #expect(try bench.backEnd.receipt(for: hanging[0]).outcome == .done)
        #expect(try bench.backEnd.receipt(for: waits).outcome == .done)
        hangers.letGo()
        for command in hanging { #expect(try bench.backEnd.receipt(for: command).outcome == .done) }
        device.stop(flushing: 0)
    }

    @Test func `a stop with time left waits for a running handler, and its outcome is told`() throws {
        let bench = try Bench()
        let hangers = Hangers()
        defer { hangers.letGo() }
        let device = try bench.device()
        try device.onCommand("hang") { _ in hangers.hang() }
        try bench.startResumed(device)
        let command = try bench.backEnd.command("hang")
        try hangers.waitForBegun(1)
        let stopping = try Thread { device.stop(flushing: 600) }
        // Once it stops it takes no more readings.
        while (try? device.report("temperature", 1)) != nil { usleep(1000) }
        hangers.letGo()
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        stopping.join()
    }

    @Test("a stop from a handler does not wait for that handler", .timeLimit(.minutes(2)))
    func fromHandler() throws {
        let bench = try Bench()
        let hangers = Hangers()
        defer { hangers.letGo() }
        let device = try bench.device()
        try device.onCommand("hang") { [unowned device] _ in
            device.stop(flushing: 600)
            return hangers.hang()
        }
        try bench.startResumed(device)
        _ = try bench.backEnd.command("hang")
        // Behind the stop.
        try hangers.waitForBegun(1)
        #expect(device.status.connection == .disconnected)
    }
}
