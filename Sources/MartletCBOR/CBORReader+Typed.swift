// SPDX-License-Identifier: Apache-2.0

/// Reading items whose type the format prescribes: another type, length or count is `unexpected`.
extension CBORReader {
    @inline(never)
    public mutating func unsigned() throws(CBORError) -> UInt64 {
        let start = offset
        guard case .unsigned(let value) = try next() else { throw .unexpected(at: start) }
        return value
    }

    /// An integer outside the range of Int64 is `unexpected`.
    @inline(never)
    public mutating func integer() throws(CBORError) -> Int64 {
        let start = offset
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
        guard case .bytes(let content) = try next() else { throw .unexpected(at: start) }
        return content
    }

    @inline(never)
    public mutating func bytes(exactly count: Int) throws(CBORError) -> Range<Int> {
        let start = offset
        guard case .bytes(let content) = try next(), content.count == count else { throw .unexpected(at: start) }
        return content
    }

    /// Where the content of a text string lies in the input; it is valid UTF-8.
    @inline(never)
    public mutating func text() throws(CBORError) -> Range<Int> {
        let start = offset
        guard case .text(let content) = try next() else { throw .unexpected(at: start) }
        return content
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
        guard case .array(count) = try next() else { throw .unexpected(at: start) }
    }

    /// The number of pairs that follow: never more than half of the bytes that remain.
    @inline(never)
    public mutating func map() throws(CBORError) -> Int {
        let start = offset
        guard case .map(let count) = try next() else { throw .unexpected(at: start) }
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
    @inline(never)
    public mutating func number() throws(CBORError) -> Double {
        let start = offset
        switch try next() {
        case .unsigned(let value): return Double(value)
        case .negative(let value): return -1 - Double(value)
        case .float(let value): return value
        default: throw .unexpected(at: start)
        }
    }
}
