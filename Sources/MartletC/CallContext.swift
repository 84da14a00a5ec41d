// SPDX-License-Identifier: Apache-2.0

internal import Martlet
internal import MartletMessages
internal import MartletPosix

/// A command while its handler runs.
final class CallContext: Sendable {
    private let arguments: [CommandValue]
    private let added = Guarded<[CommandValue]>([])

    init(_ arguments: [CommandValue]) { self.arguments = arguments }

    /// For the receipt.
    var results: [CommandValue] { added.with { $0 } }

    func argument(_ index: Int) throws(Failure) -> CommandValue {
        guard arguments.indices.contains(index) else { throw .argument("the command has no argument of this index") }
        return arguments[index]
    }

    func add(_ value: CommandValue) throws(Failure) {
        let hasRoom = added.with { added in
            if added.count == Command.maximumArguments { return false }
            added.append(value)
            return true
        }
        if !hasRoom { throw .argument("a receipt has at most 8 values") }
    }
}
