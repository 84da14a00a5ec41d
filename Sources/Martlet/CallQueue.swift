// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletMessages
internal import MartletPosix

/// Accepted commands on their way to their handlers, and what the handlers answered. Handlers run one after the other,
/// off the network thread, the most urgent first: on a thread of their own or, once `descriptor` was called, inside
/// `dispatch`. A handler that hangs delays other commands, and nothing else.
final class CallQueue: Sendable {
    struct Finished {
        let key: CommandKey
        let outcome: Outcome
        let results: [CommandValue]
    }

    private struct State {
        var handlers: [Handler] = []
        var waiting: [AcceptedCommand] = []
        var finished: [Finished] = []
        var hasStarted = false
        var isEnding = false
        /// The library's thread, if handlers run there.
        var thread: Thread?
        /// Signalled while commands wait, if handlers run in `dispatch`.
        var event: EventDescriptor?
        /// The thread that is in `dispatch`, if it runs handlers.
        var dispatcher: UInt?

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

    /// `waiter` is woken when a handler ended.
    init(waiter: Waiter) { self.waiter = waiter }

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
            if state.event == nil { state.thread = try Thread { self.work() } }
        }
    }

    func enqueue(_ command: AcceptedCommand) {
        let event = state.with { state in
            state.waiting.append(command)
            return state.event
        }
        state.notify()
        event?.signal()
    }

    func takeFinished() -> [Finished] {
        state.with { state in
            let finished = state.finished
            state.finished = []
            return finished
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

    /// Lets the running handler end, starts no other, and waits for it unless called from a handler.
    func end() {
        let (thread, event) = state.with { state in
            state.isEnding = true
            let thread = state.thread
            state.thread = nil
            return (thread, state.event)
        }
        state.notify()
        event?.signal()
        thread?.join()
        let me = Thread.current
        _ = state.wait { $0.dispatcher == nil || $0.dispatcher == me ? true : nil }
    }

    /// The library's thread.
    private func work() {
        enum Step { case run(AcceptedCommand, Handler), end }
        while true {
            let step = state.wait { state -> Step? in
                if state.isEnding { return .end }
                return state.next().map { .run($0, $1) }
            }
            guard case .run(let command, let handler) = step else { return }
            run(command, handler)
        }
    }

    private func run(_ command: AcceptedCommand, _ handler: Handler) {
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
        state.with { $0.finished.append(Finished(key: command.key, outcome: outcome, results: results)) }
        waiter.wake()
    }
}
