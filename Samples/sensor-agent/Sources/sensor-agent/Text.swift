// SPDX-License-Identifier: Apache-2.0

/// Bytes of a line for people, put together without String, whose concatenation costs more code than the agent.
struct Text {
    private(set) var bytes: [UInt8] = []

    init(_ text: StaticString = "") {
        add(text)
    }

    /// A text from outside; see `add(quoting:)`.
    init(quoting text: String) {
        add(quoting: text.bytes)
    }

    @inline(never)
    mutating func add(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    mutating func add(_ text: Text) {
        bytes.append(contentsOf: text.bytes)
    }

    /// Bytes from outside: what is not visible ASCII becomes `?`, so that they cannot forge lines or steer a terminal.
    @inline(never)
    mutating func add(quoting text: [UInt8]) {
        for byte in text {
            bytes.append(byte >= 0x20 && byte < 0x7f ? byte : UInt8(ascii: "?"))
        }
    }

    mutating func add(_ path: Path) {
        add(quoting: path.bytes)
    }

    @inline(never)
    mutating func add(_ name: String) {
        bytes.append(contentsOf: name.bytes)
    }

    mutating func add(_ number: Int) {
        add(System.format(Double(number)))
    }

    @inline(never)
    mutating func add(_ number: Double) {
        add(System.format(number))
    }

    mutating func add(blanks count: Int) {
        for _ in 0..<max(0, count) { bytes.append(UInt8(ascii: " ")) }
    }
}

extension String {
    /// `?` if `bytes` are not UTF-8: to repair them takes much of String's code.
    init(text bytes: [UInt8]) {
        guard let text = try? UTF8Span(validating: bytes.span) else {
            self = "?"
            return
        }
        self.init(copying: text)
    }

    /// Its UTF-8; on Linux every String has it in one piece. Not by `utf8Span`: of a short text, which has no memory of
    /// its own, Swift 6.3.1 may give the stack away while the span is in use.
    var bytes: [UInt8] { utf8.withContiguousStorageIfAvailable { [UInt8]($0) } ?? [] }
}

extension StaticString {
    var bytes: [UInt8] { withUTF8Buffer { [UInt8]($0) } }
}
