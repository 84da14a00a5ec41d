// SPDX-License-Identifier: Apache-2.0

internal import MartletEnvelope
internal import MartletPosix
internal import MartletSenML
internal import MartletSession
internal import MartletTelemetry

/// Readings on their way from the application's threads to the engine's, which signs them and makes them durable.
final class Intake: @unchecked Sendable {  // what is not in `shared` belongs to the engine's thread
    /// Of one lane.
    private struct Shelf {
        var readings: ReadingBuffer
        /// Readings that were taken in, those of them that survive a power cut, and up to which somebody waits for that.
        var taken: UInt64 = 0
        var durable: UInt64 = 0
        var awaited: UInt64 = 0

        var due: UInt64 { awaited > durable ? 0 : readings.due ?? .max }
    }

    private struct Shared {
        /// In the order of the lanes' codes.
        var shelves: [Shelf]
        /// Boot time at which a batch is to be closed.
        var due = UInt64.max
        var dropped: UInt64 = 0
        /// Whether somebody makes durable what is taken in: a thread, which cannot wait for itself.
        var isWritten = false
        var writer: UInt = 0
        var isOver = false

        mutating func findDue() { due = shelves.reduce(.max) { min($0, $1.due) } }
    }

    /// Milliseconds until the next try, if batches could not be closed or made durable.
    private static let retry: UInt64 = 1000
    /// Batches of a lane that are signed one after the other.
    private static let turn = 10
    /// Milliseconds that a durable report waits for the disk.
    private static let patience: Int64 = 10_000

    private let shared: Guarded<Shared>
    private let waiter: Waiter
    /// A batch that is being signed, or waits until it can be, and the boot time of the next try; 0: none failed.
    private struct Closing {
        var batch: ReadingBatch
        var nextTry: UInt64 = 0
    }

    /// In the order of the lanes' codes.
    private var closing: [Closing]
    private var toldCommits = 0

    /// `waiter`: what the engine's thread waits with.
    init(_ limits: ReadingBatch.Limits, waiter: Waiter) {
        self.waiter = waiter
        var alarms = limits
        alarms.age = 0
        let limits = [alarms, limits, limits]
        closing = limits.map { Closing(batch: ReadingBatch(limits: $0)) }
        shared = Guarded(Shared(shelves: limits.map { Shelf(readings: ReadingBuffer(limits: $0)) }))
    }

    // MARK: For any thread

    /// Readings that were refused since all batches were full.
    var dropped: UInt64 { shared.with { $0.dropped } }

    func report(
        _ name: Span<UInt8>, _ value: borrowing SenMLRecord.Value, _ unit: Span<UInt8>, _ lane: Lane, durable: Bool
    ) throws(MartletError) {
        let now = SystemClock.bootMilliseconds()
        let value = copy value
        let index = Int(lane.rawValue)
        var ticket: UInt64 = 0
        if durable { try requireOtherThread() }
        var isOver = false
        var isDue = false
        let failure = shared.with { shared -> ReadingError? in
            isOver = shared.isOver
            if isOver { return nil }
            do throws(ReadingError) {
                let isNews = try shared.shelves[index].readings.append(name: name, unit: unit, value: value, time: now)
                shared.shelves[index].taken += 1
                ticket = shared.shelves[index].taken
                if durable { shared.shelves[index].awaited = ticket }
                isDue = isNews || durable
                if isDue { shared.findDue() }
            } catch {
                if error == .full { shared.dropped += 1 }
                return error
            }
            return nil
        }
        if isOver { throw Self.stopped }
        if let failure { throw MartletError(failure) }
        if isDue { waiter.wake() }
        if durable { try wait(for: ticket, index) }
    }

    private static var stopped: MartletError {
        MartletError(.wrongState, "the device was stopped: nothing is sent any longer")
    }

    private func requireOtherThread() throws(MartletError) {
        let (isWritten, writer) = shared.with { ($0.isWritten, $0.writer) }
        if !isWritten { throw MartletError(.wrongState, "a durable report needs a device that was started") }
        if writer == Thread.current {
            throw MartletError(.wrongState, "a durable report would wait for the thread that it is called on")
        }
    }

    private func wait(for ticket: UInt64, _ index: Int) throws(MartletError) {
        let isDurable = shared.wait(milliseconds: Self.patience) { shared -> Bool? in
            shared.shelves[index].durable >= ticket ? true : shared.isWritten ? nil : false
        }
        if isDurable == nil {
            throw MartletError(
                .state,
                "the reading is not on the disk within 10 s: is it full or read-only? It waits"
            )
        }
        if isDurable == false { throw Self.stopped }
    }

    /// The engine's thread is about to begin.
    func start() { shared.with { $0.isWritten = true } }

    /// Takes no more. What was taken is still written.
    func finish() { shared.with { $0.isOver = true } }

    // MARK: For the engine's thread

    func begin() { shared.with { $0.writer = Thread.current } }

    /// Nobody writes any longer.
    func end() {
        shared.with {
            $0.isOver = true
            $0.isWritten = false
        }
        shared.notify()
    }

    /// Boot time at which `close` has something to do.
    var due: UInt64 {
        guard closing.contains(where: { $0.nextTry > 0 }) else { return shared.with { $0.due } }
        return shared.with { shared in
            var due = UInt64.max
            for (shelf, closing) in zip(shared.shelves, closing) {
                due = min(due, max(closing.nextTry, closing.batch.count > 0 ? 0 : shelf.due))
            }
            return due
        }
    }

    var isEmpty: Bool { !closing.contains { $0.batch.count > 0 } }

    /// Signs what is due, or all. Reports go on meanwhile.
    func close(_ engine: Engine, _ now: TimeSample, all: Bool) {
        if !all && now.boot < due { return }
        for lane in Lane.allCases where all || now.boot >= closing[Int(lane.rawValue)].nextTry {
            close(engine, lane, now, all: all)
        }
        shared.with { $0.findDue() }
    }

    private func close(_ engine: Engine, _ lane: Lane, _ now: TimeSample, all: Bool) {
        let index = Int(lane.rawValue)
        // Whoever waits comes into one commit with all who came meanwhile.
        let awaited = shared.with { shared in
            let shelf = shared.shelves[index]
            return shelf.awaited > shelf.durable ? shelf.awaited : 0
        }
        var isLeft = false
        // At the end no more come. Before, others may report as fast as this signs, and the network has its turns.
        for _ in 0..<(all ? .max : Self.turn) {
            if closing[index].batch.count == 0 {
                let force = all || engine.closedReadings(lane) < awaited
                let isTaken = shared.with {
                    $0.shelves[index].readings.take(now: now.boot, force: force, emptied: &closing[index].batch)
                }
                if !isTaken { break }
            }
            if engine.close(&closing[index].batch, lane, now) { continue }
            // Too much waits for the disk: it goes there first.
            engine.commit(lane, now)
            isLeft = !engine.close(&closing[index].batch, lane, now)
            if isLeft { break }
        }
        if all || engine.durableReadings(lane) < awaited { engine.commit(lane, now) }
        isLeft = isLeft || engine.durableReadings(lane) < min(awaited, engine.closedReadings(lane))
        closing[index].nextTry = isLeft ? now.boot &+ Self.retry : 0
    }

    /// Lets those go on who wait for the disk.
    func tellDurable(_ engine: Engine) {
        if engine.commits == toldCommits { return }
        toldCommits = engine.commits
        shared.with { shared in
            for lane in Lane.allCases {
                shared.shelves[Int(lane.rawValue)].durable = engine.durableReadings(lane)
            }
            shared.findDue()
        }
        shared.notify()
    }
}

extension MartletError {
    fileprivate init(_ error: ReadingError) {
        switch error {
        case .full: self.init(.full, "readings come faster than they can be signed and written: this one was dropped")
        case .badName: self.init(.argument, "a reading's name is 1 to 64 letters, digits and -:./_")
        case .badUnit: self.init(.argument, "a unit is at most 16 visible ASCII characters")
        case .notFinite: self.init(.argument, "NaN and infinity are no readings")
        case .tooLong: self.init(.argument, "a text or data reading has at most 1024 bytes")
        case .notUTF8: self.init(.argument, "a text reading is UTF-8")
        }
    }
}
