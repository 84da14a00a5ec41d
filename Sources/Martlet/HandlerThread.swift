// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
public import MartletMessages
internal import MartletPosix

/// How a handler ended.
public enum CommandResult: Sendable {
    case done
    /// Done, with values for the receipt; at most `Command.maximumArguments`.
    case doneWith([CommandValue])
    case failed
}

/// A command as its handler sees it. The arguments have been checked against the declaration: there are as many, and
/// each is of the declared kind and within its bounds.
public struct Call: Sendable {
    public let arguments: [CommandValue]

    /// The argument declared as `.integer`; 0 if it was declared otherwise.
    public func integer(_ index: Int) -> Int64 {
        if arguments.indices.contains(index), case .integer(let value) = arguments[index] { value } else { 0 }
    }

    /// The argument declared as `.number`; 0 if it was declared otherwise.
    public func number(_ index: Int) -> Double {
        if arguments.indices.contains(index), case .number(let value) = arguments[index] { value } else { 0 }
    }

    /// The argument declared as `.boolean`; false if it was declared otherwise.
    public func boolean(_ index: Int) -> Bool {
        if arguments.indices.contains(index), case .boolean(let value) = arguments[index] { value } else { false }
    }

    /// The argument declared as `.text` or `.choice`; empty if it was declared otherwise.
    public func text(_ index: Int) -> String {
        guard arguments.indices.contains(index), case .text(let value) = arguments[index] else { return "" }
        return String(checked: value)
    }

    /// The argument declared as `.data`; empty if it was declared otherwise.
    public func data(_ index: Int) -> [UInt8] {
        if arguments.indices.contains(index), case .data(let value) = arguments[index] { value } else { [] }
    }
}

typealias Handler = @Sendable (Call) -> CommandResult

/// Runs handlers one after the other, off the link's thread, the most urgent first. A handler that hangs delays other
/// commands, and nothing else.
final class HandlerThread: Sendable {
    struct Finished {
        let key: CommandKey
        let outcome: Outcome
        let results: [CommandValue]
    }

    private struct State {
        var handlers: [Handler] = []
        var waiting: [AcceptedCommand] = []
        var finished: [Finished] = []
        var isEnding = false
        var thread: Thread?
    }

    private let state = Guarded(State())
    private let waiter: Waiter

    /// `waiter` is woken when a handler ended.
    init(waiter: Waiter) { self.waiter = waiter }

    /// The handler of the declaration with the next index.
    func add(_ handler: @escaping Handler) { state.with { $0.handlers.append(handler) } }

    func start() throws(PosixError) {
        let thread = try Thread { self.run() }
        state.with { $0.thread = thread }
    }

    func enqueue(_ command: AcceptedCommand) {
        state.with { $0.waiting.append(command) }
        state.notify()
    }

    func takeFinished() -> [Finished] {
        state.with { state in
            let finished = state.finished
            state.finished = []
            return finished
        }
    }

    /// Lets the running handler end, starts no other, and waits for it unless called from a handler.
    func end() {
        let thread = state.with { state in
            state.isEnding = true
            let thread = state.thread
            state.thread = nil
            return thread
        }
        state.notify()
        thread?.join()
    }

    private func run() {
        while let (command, handler) = next() {
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

    /// nil: the thread ends.
    private func next() -> (AcceptedCommand, Handler)? {
        enum Next { case run(AcceptedCommand, Handler), end }
        let next = state.wait { state -> Next? in
            if state.isEnding { return .end }
            guard let first = state.waiting.first else { return nil }
            // The highest priority, and of those the oldest.
            var (index, priority) = (0, first.priority)
            for candidate in state.waiting.indices where state.waiting[candidate].priority > priority {
                (index, priority) = (candidate, state.waiting[candidate].priority)
            }
            let command = state.waiting.remove(at: index)
            return .run(command, state.handlers[command.index])
        }
        if case .run(let command, let handler) = next { return (command, handler) }
        return nil
    }
}
