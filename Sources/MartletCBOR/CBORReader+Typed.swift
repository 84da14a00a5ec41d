// SPDX-License-Identifier: Apache-2.0

/// Reading items whose type the format prescribes: another type, length or count is `unexpected`.
extension CBORReader {
    @inline(never)
    public mutating func unsigned() throws(CBORError) -> UInt64 {
        let start = offset
        let value: UInt64
        if let initial = nextByte, initial < 24 {
            offset = start &+ 1
            value = UInt64(initial)
        } else {
            value = try argument(of: 0)
        }
        try close(start)
        return value
    }

    /// An integer outside the range of Int64 is `unexpected`.
    @inline(never)
    public mutating func integer() throws(CBORError) -> Int64 {
        let start = offset
        if let initial = nextByte, initial < 24 { return Int64(try unsigned()) }
        switch try next() {
        case .unsigned(let value) where value <= UInt64(Int64.max): return Int64(value)
        case .negative(let value) where value <= UInt64(Int64.max): return ~Int64(value)
        default: throw .unexpected(at: start)
        }
    }

    /// Where the content of a byte string lies in the input.
    @inline(never)
    public mutating func bytes() throws(CBORError) -> Range<Int> {
        let start = offset
        let content = try string(try argument(of: 2), at: start)
        try close(start)
        return content
    }

    @inline(never)
    public mutating func bytes(exactly count: Int) throws(CBORError) -> Range<Int> {
        let start = offset
        let content = try bytes()
        guard content.count == count else { throw .unexpected(at: start) }
        return content
    }

    /// Where the content of a text string lies in the input; it is valid UTF-8.
    @inline(never)
    public mutating func text() throws(CBORError) -> Range<Int> {
        let start = offset
        guard case .text(let content) = try next() else { throw .unexpected(at: start) }
        return content
    }

    /// Where the content of a text string lies that may be no UTF-8: for a caller who allows less than that.
    @inline(__always)
    package mutating func unvalidatedText() throws(CBORError) -> Range<Int> {
        let start = offset
        let content: Range<Int>
        // The most frequent ones have less than 24 bytes.
        if let initial = nextByte, case 0x60..<0x78 = initial {
            offset = start &+ 1
            content = try string(UInt64(initial &- 0x60), at: start)
        } else {
            content = try longText(at: start)
        }
        try end(start)
        return content
    }

    @inline(never)
    private mutating func longText(at start: Int) throws(CBORError) -> Range<Int> {
        let (initial, length) = try head()
        guard initial >> 5 == 3 else { throw unexpected(at: start) }
        return try string(length, at: start)
    }

    /// The number of elements that follow: never more than bytes remain.
    @inline(never)
    public mutating func array() throws(CBORError) -> Int {
        let start = offset
        guard case .array(let count) = try next() else { throw .unexpected(at: start) }
        return count
    }

    @inline(never)
    public mutating func array(exactly count: Int) throws(CBORError) {
        let start = offset
        guard try array() == count else { throw .unexpected(at: start) }
    }

    /// The number of pairs that follow: never more than half of the bytes that remain.
    @inline(never)
    public mutating func map() throws(CBORError) -> Int {
        let start = offset
        guard case .map(let count) = try next() else { throw .unexpected(at: start) }
        return count
    }

    /// `map`, without a call if it has 1 to 23 pairs.
    @inline(__always)
    package mutating func shortMap() throws(CBORError) -> Int {
        if let count = try openShort(0xa0, isMap: true) { return count }
        return try map()
    }

    /// `array`, without a call if it has 1 to 23 elements.
    @inline(__always)
    package mutating func shortArray() throws(CBORError) -> Int {
        if let count = try openShort(0x80, isMap: false) { return count }
        return try array()
    }

    @inline(__always)
    private mutating func openShort(_ major: UInt8, isMap: Bool) throws(CBORError) -> Int? {
        let start = offset
        guard let initial = nextByte, case 1..<24 = initial &- major else { return nil }
        offset = start &+ 1
        let count = Int(initial &- major)
        let children = isMap ? count &* 2 : count
        guard children <= input.count &- offset else { throw .truncated(at: start) }
        try open(children: children, isMap: isMap, at: start)
        return count
    }

    @inline(never)
    public mutating func tag() throws(CBORError) -> UInt64 {
        let start = offset
        guard case .tag(let number) = try next() else { throw .unexpected(at: start) }
        return number
    }

    @inline(never)
    public mutating func bool() throws(CBORError) -> Bool {
        let start = offset
        guard case .bool(let value) = try next() else { throw .unexpected(at: start) }
        return value
    }

    public mutating func null() throws(CBORError) {
        let start = offset
        guard case .null = try next() else { throw .unexpected(at: start) }
    }

    /// An integer or a float. An integer that a Double cannot hold is rounded to the nearest.
    @inline(__always)
    public mutating func number() throws(CBORError) -> Double {
        let start = offset
        let number: Double
        if nextByte == 0xfb {
            number = try Self.double(Double(bitPattern: bigEndian(UInt64.self, at: start)), at: start)
        } else {
            number = try shortNumber(at: start)
        }
        try end(start)
        return number
    }

    /// A number that is no double precision float.
    @inline(never)
    private mutating func shortNumber(at start: Int) throws(CBORError) -> Double {
        let (initial, argument) = try head()
        switch initial {
        case 0x00..<0x20: return Double(argument)
        case 0x20..<0x40: return -1 - Double(argument)
        case 0xf9...0xfa: return try Self.float(initial, argument, at: start)
        default: throw unexpected(at: start)
        }
    }

    /// Reads the head of an item of this major type.
    @inline(never)
    private mutating func argument(of major: UInt8) throws(CBORError) -> UInt64 {
        let start = offset
        let (initial, value) = try head()
        guard initial >> 5 == major else { throw unexpected(at: start) }
        return value
    }

    /// Why the item at `start` is refused where one of another type is asked for: what is wrong with the item itself
    /// comes first.
    @inline(never)
    private mutating func unexpected(at start: Int) -> CBORError {
        offset = start
        do throws(CBORError) { _ = try next() } catch { return error }
        return .unexpected(at: start)
    }
}
