// SPDX-License-Identifier: Apache-2.0

/// Cuts text of the kernel into lines and words. Total: on garbage there is just no next piece, or no number in it.
struct Scanner: ~Escapable {
    private var rest: Span<UInt8>

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) {
        rest = bytes
    }

    /// What stands before the next line feed, or at the end without one; nil when nothing is left.
    @_lifetime(self: copy self)
    @_lifetime(copy self)
    mutating func line() -> Span<UInt8>? {
        guard !rest.isEmpty else { return nil }
        if let line = cut(at: UInt8(ascii: "\n")) { return line }
        let line = rest
        rest = rest.extracting(rest.count...)
        return line
    }

    /// The next run of bytes that are neither blank, tab nor line feed.
    @_lifetime(self: copy self)
    @_lifetime(copy self)
    mutating func word() -> Span<UInt8>? {
        var start = 0
        while start < rest.count, rest[start].isSpace { start += 1 }
        var end = start
        while end < rest.count, !rest[end].isSpace { end += 1 }
        let word = rest.extracting(start..<end)
        rest = rest.extracting(end...)
        return word.isEmpty ? nil : word
    }

    /// What stands before the next `separator`, which is skipped; nil if there is none.
    @_lifetime(self: copy self)
    @_lifetime(copy self)
    mutating func cut(at separator: UInt8) -> Span<UInt8>? {
        for i in rest.indices where rest[i] == separator {
            let piece = rest.extracting(..<i)
            rest = rest.extracting((i + 1)...)
            return piece
        }
        return nil
    }
}

extension UInt8 {
    fileprivate var isSpace: Bool {
        self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") || self == UInt8(ascii: "\n")
    }
    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
}

extension Span<UInt8> {
    var array: [UInt8] {
        [UInt8](capacity: count) { output in
            for i in indices { output.append(self[i]) }
        }
    }

    @inline(never)
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { buffer in indices.allSatisfy { self[$0] == buffer[$0] } }
    }

    @inline(never)
    func ends(with text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        return count >= length && extracting((count - length)...).equals(text)
    }

    /// Digits and nothing else, at most UInt64.max.
    var unsigned: UInt64? {
        guard !isEmpty else { return nil }
        var result: UInt64 = 0
        for i in indices {
            guard self[i].isDigit else { return nil }
            let (tens, overflow) = result.multipliedReportingOverflow(by: 10)
            let (sum, overflowOfSum) = tens.addingReportingOverflow(UInt64(self[i] - UInt8(ascii: "0")))
            guard !overflow, !overflowOfSum else { return nil }
            result = sum
        }
        return result
    }

    /// `-12.5`: digits with perhaps a sign before and a fraction behind them, at most 19 digits or so. Finite.
    var decimal: Double? {
        var digits = self
        var isNegative = false
        if !digits.isEmpty, digits[0] == UInt8(ascii: "-") {
            isNegative = true
            digits = digits.extracting(1...)
        }
        var magnitude: UInt64 = 0
        var divisor = 1.0
        var hasPoint = false
        var last = UInt8(ascii: ".")
        for i in digits.indices {
            if digits[i] == UInt8(ascii: "."), i > 0, !hasPoint {
                hasPoint = true
            } else {
                guard digits[i].isDigit else { return nil }
                let (tens, overflow) = magnitude.multipliedReportingOverflow(by: 10)
                let (sum, overflowOfSum) = tens.addingReportingOverflow(UInt64(digits[i] - UInt8(ascii: "0")))
                guard !overflow, !overflowOfSum else { return nil }
                magnitude = sum
                if hasPoint { divisor *= 10 }
            }
            last = digits[i]
        }
        guard last != UInt8(ascii: ".") else { return nil }
        let value = Double(magnitude) / divisor
        return isNegative ? -value : value
    }
}

extension [UInt8] {
    @inline(never)
    func equals(_ text: StaticString) -> Bool { span.equals(text) }
}
