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

    /// Whether `value` fits.
    func accepts(_ value: CommandValue) -> Bool {
        switch (self, value) {
        case (.integer(let range), .integer(let integer)): range.contains(integer)
        case (.number(let range), .number(let number)): range.contains(number)
        case (.number(let range), .integer(let integer)): range.contains(Double(integer))
        case (.boolean, .boolean): true
        case (.text(let limit), .text(let text)): text.count <= limit
        case (.choice(let texts), .text(let text)): texts.contains { text.span.isEqual(to: $0) }
        case (.data(let limit), .data(let data)): data.count <= limit
        default: false
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
        var accepted = arguments
        for index in arguments.indices {
            if !parameters[index].accepts(arguments[index]) { return nil }
            if case (.number, .integer(let integer)) = (parameters[index], arguments[index]) {
                accepted[index] = .number(Double(integer))
            }
        }
        return accepted
    }
}
