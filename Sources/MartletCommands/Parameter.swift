// SPDX-License-Identifier: Apache-2.0

internal import MartletEnvelope
internal import MartletMessages

/// What a handler declares of one of its arguments. An argument that does not fit is refused before the handler
/// is called.
public enum Parameter: Sendable {
    case integer(ClosedRange<Int64>)
    /// Accepts integers too: whoever sends 5 means 5.0.
    case number(ClosedRange<Double>)
    case boolean
    /// UTF-8 of at most so many bytes.
    case text(maximumLength: Int)
    /// One of these texts.
    case choice([StaticString])
    /// At most so many bytes.
    case data(maximumLength: Int)

    /// `value` as the handler gets it; nil if it does not fit.
    func accept(_ value: CommandValue) -> CommandValue? {
        switch (self, value) {
        case (.integer(let range), .integer(let integer)): range.contains(integer) ? value : nil
        case (.number(let range), .number(let number)): range.contains(number) ? value : nil
        case (.number(let range), .integer(let integer)):
            range.contains(Double(integer)) ? .number(Double(integer)) : nil
        case (.boolean, .boolean): value
        case (.text(let limit), .text(let text)): text.count <= limit ? value : nil
        case (.choice(let texts), .text(let text)): texts.contains { text.span.isEqual(to: $0) } ? value : nil
        case (.data(let limit), .data(let data)): data.count <= limit ? value : nil
        default: nil
        }
    }
}

/// A command that the device has.
public struct CommandDeclaration: Sendable {
    public let name: [UInt8]
    public let parameters: [Parameter]
    /// Whether carrying it out twice does no more than once: after a restart it is run again instead of being told as
    /// interrupted.
    public let isIdempotent: Bool
    /// Whether the library carries it out at once: it needs no place among those that wait for a handler.
    public let isBuiltIn: Bool

    /// nil unless `name` obeys `Command.isValidName` and there are at most `Command.maximumArguments` parameters.
    public init?(name: [UInt8], parameters: [Parameter], isIdempotent: Bool = false, isBuiltIn: Bool = false) {
        guard Command.isValidName(name.span), parameters.count <= Command.maximumArguments else { return nil }
        self.name = name
        self.parameters = parameters
        self.isIdempotent = isIdempotent
        self.isBuiltIn = isBuiltIn
    }

    /// The arguments as the handler gets them; nil if their number or one of them does not fit.
    func accept(_ arguments: [CommandValue]) -> [CommandValue]? {
        if arguments.count != parameters.count { return nil }
        var accepted: [CommandValue] = []
        for index in arguments.indices {
            guard let value = parameters[index].accept(arguments[index]) else { return nil }
            accepted.append(value)
        }
        return accepted
    }
}
