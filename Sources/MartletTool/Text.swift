// SPDX-License-Identifier: Apache-2.0

/// Text is put together as bytes: String's concatenation costs more code than the program.
extension [UInt8] {
    init(decimal number: UInt32) {
        self = []
        add(number)
    }

    /// Of seconds since 1970.
    init(date seconds: Int64) {
        self = []
        add(date: seconds)
    }

    init(_ text: StaticString) { self = text.withUTF8Buffer { [UInt8]($0) } }

    mutating func add(_ text: StaticString) { text.withUTF8Buffer { append(contentsOf: $0) } }

    mutating func add(_ number: UInt16) { add(UInt32(number)) }

    mutating func add(_ number: UInt32) {
        var digits: [UInt8] = []
        var rest = number
        repeat {
            digits.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        append(contentsOf: digits.reversed())
    }

    /// A time of the years 1970 to 9999 in UTC (RFC 3339), given in seconds since 1970.
    mutating func add(date seconds: Int64) {
        let second = Swift.min(Swift.max(seconds, 0), 253_402_300_799)
        // In years that begin in March, so that a leap day is the last: 153 days are five months.
        let days = second / 86_400 + 719_468
        let (era, dayOfEra) = days.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        add(UInt32(era * 400 + yearOfEra + (month < 10 ? 0 : 1)))
        for (mark, number): (UInt8, Int64) in [
            (UInt8(ascii: "-"), month < 10 ? month + 3 : month - 9), (UInt8(ascii: "-"), day),
            (UInt8(ascii: "T"), second / 3600 % 24), (UInt8(ascii: ":"), second / 60 % 60),
            (UInt8(ascii: ":"), second % 60),
        ] {
            append(mark)
            append(UInt8(ascii: "0") + UInt8(number / 10))
            append(UInt8(ascii: "0") + UInt8(number % 10))
        }
        append(UInt8(ascii: "Z"))
    }

    mutating func add(hex bytes: some Collection<UInt8>) {
        for byte in bytes {
            append(Self.digit(byte >> 4))
            append(Self.digit(byte & 15))
        }
    }

    /// A JSON string of text without controls.
    mutating func add(quoting text: [UInt8]) {
        append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { append(UInt8(ascii: "\\")) }
            append(byte)
        }
        append(UInt8(ascii: "\""))
    }

    /// The number that it is in decimal; nil unless it is digits and nothing else, at most five.
    var number: UInt32? {
        guard !isEmpty, count <= 5 else { return nil }
        var value: UInt32 = 0
        for byte in self {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + UInt32(byte - UInt8(ascii: "0"))
        }
        return value
    }

    func equals(_ text: StaticString) -> Bool { text.withUTF8Buffer { $0.elementsEqual(self) } }

    /// Bytes from outside, for a terminal, a log line or a JSON string: UTF-8 that leaves ink, and single blanks inside,
    /// as they are; a backslash doubled; every other byte as `\xNN`. So controls, what changes the direction of text,
    /// what is invisible and what is not UTF-8 can neither steer a terminal nor pass for something else, and nothing
    /// looks like the next column of a table.
    @inline(never)
    mutating func add(escaping text: [UInt8]) {
        var at = 0
        while at < text.count {
            let isGap = text[at] == UInt8(ascii: " ") && (at == 0 || text[at - 1] == text[at] || at == text.count - 1)
            let length = isGap ? 0 : Self.visibleLength(text, at)
            if text[at] == UInt8(ascii: "\\") {
                add("\\\\")
            } else if length > 0 {
                append(contentsOf: text[at..<(at + length)])
            } else {
                add("\\x")
                add(hex: text[at...at])
            }
            at += Swift.max(1, length)
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// The bytes of the scalar at `at`, if it is valid UTF-8 (RFC 3629 section 4) and leaves ink; otherwise 0.
    private static func visibleLength(_ text: [UInt8], _ at: Int) -> Int {
        let first = text[at]
        if first < 0x80 { return first >= 0x20 && first != 0x7f ? 1 : 0 }
        let length: Int
        var scalar: UInt32
        switch first {
        case 0xc2...0xdf: (length, scalar) = (2, UInt32(first & 0x1f))
        case 0xe0...0xef: (length, scalar) = (3, UInt32(first & 0x0f))
        case 0xf0...0xf4: (length, scalar) = (4, UInt32(first & 0x07))
        default: return 0
        }
        guard length <= text.count - at else { return 0 }
        for index in (at + 1)..<(at + length) {
            guard text[index] & 0xc0 == 0x80 else { return 0 }
            scalar = scalar << 6 | UInt32(text[index] & 0x3f)
        }
        let least: UInt32 = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x1_0000
        guard scalar >= least, scalar <= 0x10_ffff, !(0xd800...0xdfff).contains(scalar) else { return 0 }
        return invisible.contains { $0.contains(scalar) } ? 0 : length
    }

    /// Unicode's controls, format characters, separators, fillers, variation selectors, private use and noncharacters.
    private static var invisible: [ClosedRange<UInt32>] {
        [
            0x80...0xa0, 0xad...0xad, 0x34f...0x34f, 0x600...0x605, 0x61c...0x61c, 0x6dd...0x6dd, 0x70f...0x70f,
            0x890...0x891, 0x8e2...0x8e2, 0x115f...0x1160, 0x1680...0x1680, 0x17b4...0x17b5, 0x180b...0x180f,
            0x2000...0x200f, 0x2028...0x202f, 0x205f...0x206f, 0x2800...0x2800, 0x3000...0x3000, 0x3164...0x3164,
            0xe000...0xf8ff, 0xfdd0...0xfdef, 0xfe00...0xfe0f, 0xfeff...0xfeff, 0xffa0...0xffa0, 0xfff0...0xffff,
            0x1_10bd...0x1_10bd, 0x1_10cd...0x1_10cd, 0x1_3430...0x1_345f, 0x1_bca0...0x1_bca3,
            0x1_d173...0x1_d17a, 0xe_0000...0x10_ffff,
        ]
    }

    /// Columns on a terminal, if each scalar takes one.
    var width: Int { reduce(0) { $1 & 0xc0 == 0x80 ? $0 : $0 + 1 } }
}
