// SPDX-License-Identifier: Apache-2.0

extension UInt8 {
    static var tab: UInt8 { 0x09 }
    static var lineFeed: UInt8 { 0x0a }
    static var carriageReturn: UInt8 { 0x0d }

    var isBlank: Bool { self == UInt8(ascii: " ") || self == .tab }
    /// ASCII that leaves ink.
    var isVisible: Bool { self > 0x20 && self < 0x7f }
}

extension Span<UInt8> {
    /// Without the spaces and tabs around it.
    var trimmed: Span<UInt8> {
        @_lifetime(copy self)
        get {
            var start = 0
            var end = count
            while start < end, self[start].isBlank { start += 1 }
            while start < end, self[end - 1].isBlank { end -= 1 }
            return extracting(start..<end)
        }
    }

    var array: [UInt8] {
        [UInt8](capacity: count) { output in
            for i in indices { output.append(self[i]) }
        }
    }
}

extension StaticString {
    /// Equality of bytes: that of String needs the tables of Unicode.
    @inline(never)
    func matches(_ bytes: [UInt8]) -> Bool {
        withUTF8Buffer { $0.elementsEqual(bytes) }
    }
}
