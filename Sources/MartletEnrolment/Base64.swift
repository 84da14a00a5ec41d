// SPDX-License-Identifier: Apache-2.0

/// Base 64 (RFC 4648 §4) as servers for enrolment write it: in lines of any length, or in one (RFC 8951 §3.1).
public enum Base64 {
    /// In lines of 64 characters, each with LF at its end.
    public static func encoded(_ bytes: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        var column = 0
        var start = 0
        while start < bytes.count {
            let count = min(3, bytes.count - start)
            var bits: UInt32 = 0
            for index in 0..<3 { bits = bits << 8 | (index < count ? UInt32(bytes[start + index]) : 0) }
            for index in 0..<4 {
                text.append(index <= count ? letter(UInt8(bits >> UInt32(18 - 6 * index) & 63)) : UInt8(ascii: "="))
            }
            start += 3
            column += 4
            if column == 64 || start >= bytes.count {
                text.append(UInt8(ascii: "\n"))
                column = 0
            }
        }
        return text
    }

    /// nil unless `text` is the encoding of some bytes, white space aside: with its padding, and with nothing in the bits
    /// that stand for no byte.
    public static func decoded(_ text: Span<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var letters = 0
        var padding = 0
        var isOver = false
        for index in text.indices where !isBlank(text[index]) {
            if isOver { return nil }
            if text[index] == UInt8(ascii: "=") {
                padding += 1
                bits <<= 6
            } else {
                guard padding == 0, let value = value(of: text[index]) else { return nil }
                bits = bits << 6 | UInt32(value)
            }
            letters += 1
            if letters < 4 { continue }
            guard padding <= 2, bits & (1 << UInt32(8 * padding) - 1) == 0 else { return nil }
            for place in 0..<3 - padding { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(16 - 8 * place))) }
            isOver = padding > 0
            bits = 0
            letters = 0
        }
        return letters == 0 ? bytes : nil
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func letter(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + value - 26
        case 52..<62: UInt8(ascii: "0") + value - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    private static func value(of letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): letter - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): letter - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): letter - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
