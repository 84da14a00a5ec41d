// SPDX-License-Identifier: Apache-2.0

/// A JSON value in one line of printable ASCII. Members keep their order.
enum JSON {
    case null
    case bool(Bool)
    case integer(UInt64)
    /// Finite.
    case number(Double)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    var text: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): decimal(value)
        case .string(let value): Self.quoted(value)
        case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0) + ":" + $1.text }.joined(separator: ",") + "}"
        }
    }

    /// Everything but printable ASCII is escaped (RFC 8259 section 7), also what may not be shown in a terminal:
    /// DEL, C1 controls, and characters that change the direction of text.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for unit in text.utf16 {
            switch unit {
            case UInt16(UInt8(ascii: "\"")): result += "\\\""
            case UInt16(UInt8(ascii: "\\")): result += "\\\\"
            case 0x20...0x7e: result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default: result += "\\u" + hex([UInt8(unit >> 8), UInt8(unit & 0xff)])
            }
        }
        return result + "\""
    }
}

extension JSON {
    /// Remote text: what is not UTF-8 becomes U+FFFD.
    static func bytes(_ bytes: [UInt8]) -> JSON { .string(String(decoding: bytes, as: UTF8.self)) }

    static func optional<Value>(_ value: Value?, _ make: (Value) -> JSON) -> JSON { value.map(make) ?? .null }
}
