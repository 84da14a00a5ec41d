// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletMessages
internal import MartletPosix

/// Accepted commands on their way to their handlers, and what the handlers answered. Handlers run one after the other,
/// off the network thread, the most urgent first: on a thread of their own or, once `descriptor` was called, inside
/// `dispatch`.
///
/// A handler that hangs stops nothing else: once it has run for `patience` it is left alone with its thread, and the
/// next commands go on on a new one, as long as there are fewer than `maximumThreads`. Its outcome is told whenever it
/// ends. A deadline that passes while a command waits is told at once, whatever the handlers do. Both need `advance`.
final class CallQueue: Sendable {
    /// Milliseconds.
    static let patience: UInt64 = 10_000
    static let maximumThreads = 4

    struct Finished {
        let key: CommandKey
        let outcome: Outcome
        let results: [CommandValue]
    }

    /// One thread that runs handlers. All of it belongs to the lock.
    private final class Worker: @unchecked Sendable {
        var thread: Thread?
        /// Boot time in milliseconds at which its handler began; nil while it has none.
        var since: UInt64?
    }

    private struct State {
        var handlers: [Handler] = []
        var waiting: [AcceptedCommand] = []
        var finished: [Finished] = []
        var hasStarted = false
        var isEnding = false
        /// The library's threads, if handlers run there. The last one takes commands; those before it were left alone
        /// with a handler that hangs, and go when it ends.
        var workers: [Worker] = []
        /// Signalled while commands wait, if handlers run in `dispatch`.
        var event: EventDescriptor?
        /// The thread that is in `dispatch`, if it runs handlers.
        var dispatcher: UInt?
        /// The threads that are in a handler.
        var running: [UInt] = []

        /// Ends those of the commands that wait, without a handler.
        @inline(never)
        mutating func end(as outcome: Outcome, _ isOver: (AcceptedCommand) -> Bool) {
            var index = 0
            while index < waiting.count {
                if isOver(waiting[index]) {
                    let command = waiting.remove(at: index)
                    finished.append(Finished(key: command.key, outcome: outcome, results: []))
                } else {
                    index += 1
                }
            }
        }

        /// The highest priority, and of those the oldest.
        mutating func next() -> (AcceptedCommand, Handler)? {
            guard let first = waiting.first else { return nil }
            var (index, priority) = (0, first.priority)
            for candidate in waiting.indices where waiting[candidate].priority > priority {
                (index, priority) = (candidate, waiting[candidate].priority)
            }
            let command = waiting.remove(at: index)
            return (command, handlers[command.index])
        }
    }

    private let state = Guarded(State())
    private let waiter: Waiter
    private let patience: UInt64

    /// `waiter` is woken when a handler ended.
    init(waiter: Waiter, patience: UInt64 = CallQueue.patience) {
        self.waiter = waiter
        self.patience = patience
    }

    /// The handler of the declaration with the next index.
    func add(_ handler: @escaping Handler) { state.with { $0.handlers.append(handler) } }

    /// Makes `dispatch` the place where handlers run; before `start`.
    func descriptor() throws(MartletError) -> Int32 {
        try state.with { (state) throws(MartletError) in
            if let event = state.event { return event.number }
            if state.hasStarted {
                throw MartletError(.wrongState, "the device was started: ask for its descriptor before")
            }
            do throws(PosixError) {
                let event = try EventDescriptor()
                state.event = event
                return event.number
            } catch {
                throw MartletError(.system, file: "eventfd", error)
            }
        }
    }

    func start() throws(PosixError) {
        try state.with { (state) throws(PosixError) in
            state.hasStarted = true
            if state.event == nil { try addWorker(&state) }
        }
    }

    /// The new thread's first step waits for the lock.
    private func addWorker(_ state: inout State) throws(PosixError) {
        let worker = Worker()
        worker.thread = try Thread { self.work(worker) }
        state.workers.append(worker)
    }

    func enqueue(_ command: AcceptedCommand) {
        let event = state.with { state in
            state.waiting.append(command)
            return state.event
        }
        state.notify()
        event?.signal()
    }

    /// Ends the commands that wait and that are not allowed any longer.
    func reconsider(_ allows: (AcceptedCommand) -> Bool) {
        state.with { state in state.end(as: .outOfPolicy) { !allows($0) } }
    }

    struct Progress {
        let finished: [Finished]
        /// Boot time in milliseconds at which `advance` must be called again at the latest; `.max`: when it is woken.
        let due: UInt64
    }

    /// What ended since the last call, deadlines included. Leaves a handler alone that has hung for too long.
    func advance(_ now: UInt64) -> Progress {
        state.with { state in
            state.end(as: .deadlineMissed) { now > $0.deadline ?? .max }
            var due = UInt64.max
            if let last = state.workers.last, !state.waiting.isEmpty, state.workers.count < Self.maximumThreads {
                // If it has not begun one of those that wait it will now.
                due = (last.since ?? now) &+ patience
                if now >= due {
                    // If there is no thread to be had they wait, and it is tried again.
                    try? addWorker(&state)
                    due = now &+ patience
                }
            }
            for command in state.waiting { if let deadline = command.deadline { due = min(due, deadline &+ 1) } }
            let finished = state.finished
            state.finished = []
            return Progress(finished: finished, due: due)
        }
    }

    /// Runs the handlers of the commands that wait now; of calls at the same time, one does.
    func dispatch() throws(MartletError) {
        let me = Thread.current
        let ready = try state.with { (state) throws(MartletError) -> Int in
            guard let event = state.event else {
                throw MartletError(.wrongState, "handlers run on a thread: ask for the descriptor before the start")
            }
            if state.isEnding { throw MartletError(.wrongState, "the device was stopped") }
            if state.dispatcher == me { throw MartletError(.wrongState, "a handler cannot dispatch") }
            event.clear()
            // Whoever is at it signals for what is left then.
            if state.dispatcher != nil || state.waiting.isEmpty { return 0 }
            state.dispatcher = me
            return state.waiting.count
        }
        if ready == 0 { return }
        for _ in 0..<ready {
            guard let (command, handler) = state.with({ $0.isEnding ? nil : $0.next() }) else { break }
            run(command, handler)
        }
        state.with { state in
            state.dispatcher = nil
            if !state.waiting.isEmpty { state.event?.signal() }
        }
        state.notify()
    }

    /// Lets the running handlers end, starts no other, and waits for them, but not for the one that this is called from.
    func end() {
        let (workers, event) = state.with { state in
            state.isEnding = true
            let workers = state.workers
            state.workers = []
            return (workers, state.event)
        }
        state.notify()
        event?.signal()
        for worker in workers { worker.thread?.join() }
        let me = Thread.current
        _ = state.wait { $0.dispatcher == nil || $0.dispatcher == me ? true : nil }
    }

    /// One of the library's threads.
    private func work(_ worker: Worker) {
        enum Step { case run(AcceptedCommand, Handler), end }
        while true {
            let step = state.wait { state -> Step? in
                worker.since = nil
                if state.isEnding || state.workers.last !== worker { return .end }
                guard let (command, handler) = state.next() else { return nil }
                worker.since = SystemClock.bootMilliseconds()
                return .run(command, handler)
            }
            guard case .run(let command, let handler) = step else { break }
            run(command, handler)
        }
        // Whoever ends them all takes them before, and waits; a thread that was left alone goes by itself.
        let isLeft = state.with { state in
            guard let index = state.workers.firstIndex(where: { $0 === worker }) else { return false }
            state.workers.remove(at: index)
            return true
        }
        if isLeft {
            // There is room for another thread, if commands wait.
            waiter.wake()
            worker.thread?.join()
        }
    }

    /// Whether outcomes may still come, if `thread` only waits for them: while it is in a handler, or the loop that
    /// dispatches, nothing that waits will begin.
    func isBusy(without thread: UInt) -> Bool {
        state.with { state in
            if !state.finished.isEmpty || state.running.contains(where: { $0 != thread }) { return true }
            return !state.waiting.isEmpty && state.event == nil && state.running.isEmpty
        }
    }

    private func run(_ command: AcceptedCommand, _ handler: Handler) {
        let me = Thread.current
        state.with { $0.running.append(me) }
        var outcome = Outcome.deadlineMissed
        var results: [CommandValue] = []
        if SystemClock.bootMilliseconds() <= command.deadline ?? .max {
            switch handler(Call(arguments: command.arguments)) {
            case .done: outcome = .done
            case .doneWith(let values):
                outcome = .done
                results = [CommandValue](values.prefix(Command.maximumArguments))
            case .failed: outcome = .failed
            }
        }
        state.with { state in
            state.running.removeAll { $0 == me }
            state.finished.append(Finished(key: command.key, outcome: outcome, results: results))
        }
        waiter.wake()
    }
}
