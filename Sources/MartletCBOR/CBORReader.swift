// SPDX-License-Identifier: Apache-2.0

/// Reads deterministic CBOR (RFC 8949 section 4.2.1), one item head at a time; anything else is an error.
///
/// Total on any input: it never traps, recurses or allocates. Nesting, counts of children, and order and uniqueness
/// of map keys are checked as the items are read, so what was read and `finish`ed is deterministic throughout.
/// At the top level items may follow each other (RFC 8742). After an error the reader is of no further use.
public struct CBORReader: ~Copyable, ~Escapable {
    /// An open array, map or tag; at depth 0 the top level, which has no end.
    private struct Container {
        /// Twice the number of children to come, and 1 in a map, whose keys and values are its children.
        var state: UInt
        /// Where the container that was opened in it last starts.
        var child = 0
        /// One more than where the last key starts; 0 if there is none.
        var lastKey = 0

        static var topLevel: Container { Container(state: .max - 1) }

        var isEmpty: Bool { state < 2 }
        var awaitsKey: Bool { state & 3 == 1 }
    }

    let input: Span<UInt8>
    private var innermost = Container.topLevel
    private var outer = InlineArray<16, Container>(repeating: .topLevel)
    private var depth = 0

    /// The offset of the next item head.
    public internal(set) var offset = 0

    /// Reads `bytes` from `offset` on; ranges and errors count from the beginning of `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>, from offset: Int = 0) {
        self.input = bytes
        self.offset = max(0, offset)
    }

    /// Reads one item head. The content of a string is read with it; children of a container or tag come next.
    @inline(never)
    public mutating func next() throws(CBORError) -> CBORItem {
        let start = offset
        let (initial, value) = try head()
        let item: CBORItem
        switch initial >> 5 {
        case 0: item = .unsigned(value)
        case 1: item = .negative(value)
        case 2: item = .bytes(try string(value, at: start))
        case 3:
            let content = try string(value, at: start)
            guard input.isUTF8(in: content) else { throw .notUTF8(at: start) }
            item = .text(content)
        case 4: return .array(try open(value, isMap: false, at: start))
        case 5: return .map(try open(value, isMap: true, at: start))
        case 6:
            try open(children: 1, isMap: false, at: start)
            return .tag(value)
        default: item = try Self.simpleOrFloat(initial, value, at: start)
        }
        try close(start)
        return item
    }

    /// Skips one whole item with its children, checked as strictly as `next`.
    @inline(never)
    public mutating func skip() throws(CBORError) {
        let level = depth
        repeat {
            _ = try next()
        } while depth > level
    }

    /// Everything that was opened must be read to its end, and no byte may follow.
    public mutating func finish() throws(CBORError) {
        guard depth == 0 else { throw .unfinished(at: offset) }
        guard offset == input.count else { throw .trailingBytes(at: offset) }
    }

    /// Whether the next item is null, which is then consumed; otherwise nothing is.
    @inline(never)
    public mutating func isNull() throws(CBORError) -> Bool {
        let start = offset
        guard nextByte == 0xf6 else { return false }
        offset = start &+ 1
        try close(start)
        return true
    }

    /// The initial byte of the next item.
    var nextByte: UInt8? {
        @inline(__always) get { input.byte(at: offset) }
    }

    /// Reads an integer from -24 to 23 and gives the byte that it is encoded in; nil, and nothing is read, if another
    /// item is next.
    @inline(__always)
    package mutating func shortInteger() throws(CBORError) -> UInt8? {
        let start = offset
        guard let initial = input.byte(at: start), initial & 0xdf < 24 else { return nil }
        offset = start &+ 1
        try end(start)
        return initial
    }

    /// Reads the next item's initial byte and argument.
    @inline(__always)
    mutating func head() throws(CBORError) -> (initial: UInt8, argument: UInt64) {
        let start = offset
        guard let initial = input.byte(at: start) else { throw .truncated(at: start) }
        if initial & 31 < 24 {
            offset = start &+ 1
            return (initial, UInt64(initial & 31))
        }
        return (initial, try argument(initial, at: start))
    }

    /// The argument in the bytes that follow the initial one, in its shortest form: what has room in half of the bytes,
    /// or in the initial byte, must not have more. In major type 7 other rules decide.
    @inline(never)
    private mutating func argument(_ initial: UInt8, at start: Int) throws(CBORError) -> UInt64 {
        let value: UInt64
        let least: UInt64
        switch initial & 31 {
        case 24: (value, least) = (UInt64(try bigEndian(UInt8.self, at: start)), 24)
        case 25: (value, least) = (UInt64(try bigEndian(UInt16.self, at: start)), 1 << 8)
        case 26: (value, least) = (UInt64(try bigEndian(UInt32.self, at: start)), 1 << 16)
        case 27: (value, least) = (try bigEndian(UInt64.self, at: start), 1 << 32)
        // Strings, arrays and maps have an indefinite form; in major type 7 it is the break.
        case 31 where initial >= 0x40 && initial >> 5 != 6: throw .indefiniteLength(at: start)
        default: throw .reserved(at: start)
        }
        guard value >= least || initial >= 0xe0 else { throw .notShortest(at: start) }
        return value
    }

    /// The integer that follows the initial byte at `start`, most significant byte first. `start` is not negative, and
    /// the guard sees to it that the integer ends inside the input: the load needs no further check.
    @inline(__always)
    mutating func bigEndian<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, at start: Int
    ) throws(CBORError) -> Value {
        guard MemoryLayout<Value>.size < input.count &- start else { throw .truncated(at: start) }
        offset = start &+ 1 &+ MemoryLayout<Value>.size
        return Value(bigEndian: input.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: start &+ 1, as: type))
    }

    /// Where the content of the string lies whose head was read; it is skipped.
    @inline(__always)
    mutating func string(_ length: UInt64, at start: Int) throws(CBORError) -> Range<Int> {
        let first = offset
        guard length <= UInt64(truncatingIfNeeded: input.count &- first) else { throw .truncated(at: start) }
        offset = first &+ Int(truncatingIfNeeded: length)
        return Range(uncheckedBounds: (first, offset))
    }

    /// Begins the array or map whose head was read; gives its number of elements or pairs.
    @inline(never)
    mutating func open(_ count: UInt64, isMap: Bool, at start: Int) throws(CBORError) -> Int {
        let left = UInt64(truncatingIfNeeded: input.count &- offset)
        guard count <= (isMap ? left / 2 : left) else { throw .truncated(at: start) }
        let count = Int(truncatingIfNeeded: count)
        if count == 0 {
            try close(start)
        } else {
            try open(children: isMap ? count &* 2 : count, isMap: isMap, at: start)
        }
        return count
    }

    @inline(__always)
    mutating func open(children: Int, isMap: Bool, at start: Int) throws(CBORError) {
        guard depth < outer.count else { throw .tooDeep(at: start) }
        innermost.child = start
        outer[depth] = innermost
        innermost = Container(state: UInt(bitPattern: children) &* 2 | (isMap ? 1 : 0))
        depth &+= 1
    }

    /// Ends the item that starts at `start`, and every container of which it is the last child.
    @inline(never)
    mutating func close(_ start: Int) throws(CBORError) {
        try end(start)
    }

    /// `close` without a call, for the items that are most frequent. A map does not end with a key.
    @inline(__always)
    mutating func end(_ start: Int) throws(CBORError) {
        if innermost.awaitsKey {
            try endKey(start)
        } else {
            innermost.state &-= 2
            if innermost.isEmpty { try closeContainers() }
        }
    }

    @inline(never)
    private mutating func closeContainers() throws(CBORError) {
        repeat {
            guard depth > 0 else { return }
            depth &-= 1
            innermost = outer[depth]
            if innermost.awaitsKey { return try closeKey() }
            innermost.state &-= 2
        } while innermost.isEmpty
    }

    /// The key that ends here is a container.
    @inline(never)
    private mutating func closeKey() throws(CBORError) {
        try endKey(innermost.child)
    }

    /// The key that ends here must sort after the one before, by the bytes of their encoding.
    @inline(__always)
    private mutating func endKey(_ start: Int) throws(CBORError) {
        let last = innermost.lastKey &- 1
        innermost.lastKey = start &+ 1
        innermost.state &-= 2
        if let first = input.byte(at: last), first >= input[start] {
            try Self.compareKeys(input.extracting(first: offset), last, start)
        }
    }

    /// Encoded items are never prefixes of each other, so keys that differ do so before either of them ends.
    @inline(never)
    private static func compareKeys(_ input: Span<UInt8>, _ last: Int, _ start: Int) throws(CBORError) {
        var distance = 0
        while let byte = input.byte(at: start &+ distance) {
            let other = input[last &+ distance]
            guard other <= byte else { throw .keyOrder(at: start) }
            if other < byte { return }
            distance &+= 1
        }
        throw .duplicateKey(at: start)
    }

    private static func simpleOrFloat(
        _ initial: UInt8, _ argument: UInt64, at start: Int
    ) throws(CBORError) -> CBORItem {
        switch initial {
        case 0xf4: return .bool(false)
        case 0xf5: return .bool(true)
        case 0xf6: return .null
        case 0xf7: return .undefined
        case 0xf9...0xfb: return .float(try float(initial, argument, at: start))
        default:
            guard initial < 0xf8 || argument >= 32 else { throw .reserved(at: start) }
            return .simple(UInt8(truncatingIfNeeded: argument))
        }
    }

    /// The value of a half, single or double, which must be the shortest form of it.
    @inline(__always)
    static func float(_ initial: UInt8, _ argument: UInt64, at start: Int) throws(CBORError) -> Double {
        switch initial {
        case 0xf9:
            let half = UInt16(truncatingIfNeeded: argument)
            let single = FloatBits.single(fromHalf: half)
            guard !single.isNaN || half == FloatBits.nan else { throw .notShortest(at: start) }
            return Double(single)
        case 0xfa:
            let single = Float(bitPattern: UInt32(truncatingIfNeeded: argument))
            guard !single.isNaN, FloatBits.half(exactly: single) == nil else { throw .notShortest(at: start) }
            return Double(single)
        default:
            return try double(Double(bitPattern: argument), at: start)
        }
    }

    /// A double precision float must not have the value of a shorter one. A NaN is not less and not greater either.
    @inline(__always)
    static func double(_ value: Double, at start: Int) throws(CBORError) -> Double {
        let single = Double(Float(value))
        guard single < value || single > value else { throw .notShortest(at: start) }
        return value
    }
}
