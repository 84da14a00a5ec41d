// SPDX-License-Identifier: Apache-2.0

extension Span<UInt8> {
    /// The byte at `offset`; nil if it lies outside.
    @inline(__always)
    func byte(at offset: Int) -> UInt8? {
        UInt(bitPattern: offset) < UInt(bitPattern: count) ? self[offset] : nil
    }

    /// Whether `rule` holds for all bytes in `range`, which must lie inside. It gets eight at a time as a number, the
    /// first one lowest; a byte may come twice, and those that are missing are the `filler`.
    @inline(__always)
    package func allWords(in range: Range<Int>, filler: UInt8, _ rule: (UInt64) -> Bool) -> Bool {
        var offset = range.lowerBound
        let length = range.upperBound &- offset
        guard offset >= 0, range.upperBound <= count else { return false }
        guard length >= 8 else {
            var word = UInt64(filler) &* 0x0101_0101_0101_0101
            for index in range.reversed() { word = word &<< 8 | UInt64(self[index]) }
            return rule(word)
        }
        let last = range.upperBound &- 8
        while rule(word(at: offset)) {
            if offset == last { return true }
            offset = Swift.min(offset &+ 8, last)
        }
        return false
    }

    package func isUTF8(in range: Range<Int>) -> Bool {
        (try? UTF8Span(validating: extracting(range))) != nil
    }

    /// Eight bytes. Only this file asks for them, with 0 <= offset <= count - 8.
    @inline(__always)
    private func word(at offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
    }
}

extension Span<UInt8> {
    /// Whether these are the same bytes, eight at a time.
    @inline(never)
    package func equals(_ other: Span<UInt8>) -> Bool {
        let length = count
        guard length == other.count else { return false }
        var offset = 0
        while length &- offset >= 8 {
            guard word(at: offset) == other.word(at: offset) else { return false }
            offset &+= 8
        }
        while offset < length {
            guard self[offset] == other[offset] else { return false }
            offset &+= 1
        }
        return true
    }
}

extension MutableSpan<UInt8> {
    /// Fills it with `bytes`, of which there must not be more.
    @inline(never)
    package mutating func fill(_ bytes: Span<UInt8>) {
        withUnsafeMutableBytes { copy in bytes.withUnsafeBytes { copy.copyMemory(from: $0) } }
    }
}
