// SPDX-License-Identifier: Apache-2.0

/// How important a log line is.
public enum LogLevel: UInt8, CaseIterable, Comparable, Sendable {
    case error = 0
    case warning = 1
    case info = 2
    case debug = 3

    public var name: StaticString {
        switch self {
        case .error: "error"
        case .warning: "warning"
        case .info: "info"
        case .debug: "debug"
        }
    }

    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// Builds one log line. Whatever came from outside is escaped, so that no byte from the network or from a file can
/// forge a line, move a terminal's cursor or reverse its text.
public struct LogLine {
    /// Bytes of an outside text that are shown.
    public static let maximumUntrusted = 96

    public private(set) var bytes: [UInt8] = []

    public init() {}

    @inline(never)
    public mutating func text(_ text: StaticString) {
        for index in 0..<text.utf8CodeUnitCount { bytes.append(text.utf8Start[index]) }
    }

    @inline(never)
    public mutating func number(_ value: UInt64) {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var rest = value
        var start = 20
        repeat {
            start -= 1
            digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        while start < 20 {
            bytes.append(digits[start])
            start += 1
        }
    }

    /// Printable ASCII as it is, any other byte as `\xNN`; what is too long ends in `…`.
    @inline(never)
    public mutating func untrusted(_ text: Span<UInt8>) {
        for index in 0..<min(text.count, Self.maximumUntrusted) {
            let byte = text[index]
            if (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\\") {
                bytes.append(byte)
            } else {
                self.text("\\x")
                hexDigit(byte >> 4)
                hexDigit(byte & 15)
            }
        }
        if text.count > Self.maximumUntrusted { self.text("…") }
    }

    /// The same for bytes that are kept in an array.
    public mutating func untrusted(_ text: [UInt8]) { untrusted(text.span) }

    private mutating func hexDigit(_ value: UInt8) {
        bytes.append(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10)
    }
}
