// SPDX-License-Identifier: Apache-2.0

import MartletCBOR

/// Rules for the characters of names and units, checked for eight at a time.
extension SenML {
    /// Letters, digits and - . / : _ (section 4.5.1), of which the first character of a name is not checked here.
    @inline(never)
    static func hasNameCharactersOnly(_ bytes: Span<UInt8>, in range: Range<Int>) -> Bool {
        bytes.allWords(in: range, filler: UInt8(ascii: "a")) { word in
            guard word & UInt64.highBits == 0 else { return false }
            let marks =
                (word | 0x2020_2020_2020_2020).bytes(from: 0x61, to: 0x7a) | word.bytes(from: 0x2d, to: 0x3a)
                | word.bytes(from: 0x5f, to: 0x5f)
            return ~marks & UInt64.highBits == 0
        }
    }

    /// 1 to 16 visible ASCII characters.
    @inline(__always)
    static func isUnit(_ bytes: Span<UInt8>, in range: Range<Int>) -> Bool {
        guard (1...16).contains(range.upperBound &- range.lowerBound) else { return false }
        for index in range where !(0x21...0x7e).contains(bytes[index]) { return false }
        return true
    }
}

extension UInt64 {
    /// The highest bit of each byte.
    fileprivate static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// Sets the highest bit of each byte that is from `first` to `last`; other bits mean nothing. All bytes must be
    /// below 0x80: so no sum of theirs carries into the next one.
    fileprivate func bytes(from first: UInt64, to last: UInt64) -> UInt64 {
        let each: UInt64 = 0x0101_0101_0101_0101
        return (self &+ (0x80 - first) &* each) ^ (self &+ (0x7f - last) &* each)
    }
}
