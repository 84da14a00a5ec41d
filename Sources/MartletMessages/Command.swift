// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

/// One argument or result of a command.
public enum CommandValue: Equatable, Sendable {
    case integer(Int64)
    case number(Double)
    case boolean(Bool)
    /// UTF-8
    case text([UInt8])
    case data([UInt8])
}

/// What a controller asks for.
public struct Command: Equatable, Sendable {
    public static let maximumNameLength = 32
    public static let maximumArguments = 8
    /// Bytes of a text or data argument.
    public static let maximumValueLength = 1024

    public var name: [UInt8]
    public var arguments: [CommandValue]
    /// Seconds from acceptance until the handler must have begun.
    public var deadline: UInt64?
    /// Higher goes first among accepted commands; 0 to 2.
    public var priority: UInt8

    public init(name: [UInt8], arguments: [CommandValue] = [], deadline: UInt64? = nil, priority: UInt8 = 1) {
        self.name = name
        self.arguments = arguments
        self.deadline = deadline
        self.priority = priority
    }

    /// nil if a reader would refuse it: a count, length or value out of bounds, a text that is not UTF-8.
    public func encoded() -> [UInt8]? {
        let bytes = CBORWriter.encode(limit: 12 * 1024) { writer in
            writer.map(deadline == nil ? 3 : 4)
            writer.unsigned(0)
            writer.text(name.span)
            writer.unsigned(1)
            writer.values(arguments)
            if let deadline {
                writer.unsigned(2, deadline)
            }
            writer.unsigned(3, UInt64(priority))
        }
        guard let bytes, (try? Command(decoding: bytes.span)) != nil else { return nil }
        return bytes
    }

    public init(decoding payload: Span<UInt8>) throws(MessageError) {
        var name: [UInt8]?
        var arguments: [CommandValue] = []
        var deadline: UInt64?
        var priority: UInt64 = 1
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: name = try reader.text(payload, limit: Self.maximumNameLength)
            case 1: arguments = try reader.values(payload)
            case 2: deadline = try reader.unsigned()
            case 3: priority = try reader.unsigned()
            default: return false
            }
            return true
        }
        guard let name else { throw .missing(0) }
        if !Self.isValidName(name.span) { throw .badValue(0) }
        if let deadline, deadline > 1 << 31 { throw .badValue(2) }
        if priority > 2 { throw .badValue(3) }
        self.init(name: name, arguments: arguments, deadline: deadline, priority: UInt8(clamping: priority))
    }

    /// `[a-z][a-z0-9-]{0,31}`
    public static func isValidName(_ name: Span<UInt8>) -> Bool {
        guard (1...maximumNameLength).contains(name.count) else { return false }
        for index in name.indices {
            switch name[index] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): continue
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): if index == 0 { return false }
            default: return false
            }
        }
        return true
    }
}

extension CBORWriter {
    mutating func values(_ values: [CommandValue]) {
        array(values.count)
        for value in values {
            switch value {
            case .integer(let value): integer(value)
            case .number(let value): double(value)
            case .boolean(let value): bool(value)
            case .text(let value): text(value.span)
            case .data(let value): bytes(value.span)
            }
        }
    }
}

extension CBORReader {
    mutating func values(_ payload: Span<UInt8>) throws(CBORError) -> [CommandValue] {
        let at = offset
        let count = try array()
        if count > Command.maximumArguments { throw .unexpected(at: at) }
        var values: [CommandValue] = []
        for _ in 0..<count {
            let at = offset
            switch try next() {
            case .unsigned(let value) where value <= UInt64(Int64.max): values.append(.integer(Int64(value)))
            case .negative(let value) where value <= UInt64(Int64.max): values.append(.integer(~Int64(value)))
            case .float(let value) where value.isFinite: values.append(.number(value))
            case .bool(let value): values.append(.boolean(value))
            case .text(let range) where range.count <= Command.maximumValueLength:
                values.append(.text([UInt8](copying: payload.extracting(range))))
            case .bytes(let range) where range.count <= Command.maximumValueLength:
                values.append(.data([UInt8](copying: payload.extracting(range))))
            default: throw .unexpected(at: at)
            }
        }
        return values
    }
}
