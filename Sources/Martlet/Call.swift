// SPDX-License-Identifier: Apache-2.0

public import MartletMessages

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
