// SPDX-License-Identifier: Apache-2.0

/// Reads deterministic CBOR (RFC 8949 section 4.2.1), one item head at a time; anything else is an error.
///
/// Total on any input: it never traps, recurses or allocates. Nesting, counts of children, and order and uniqueness
/// of map keys are checked as the items are read, so what was read and `finish`ed is deterministic throughout.
/// At the top level items may follow each other (RFC 8742). After an error the reader is of no further use.
public struct CBORReader: ~Copyable, ~Escapable {
    /// An open array, map or tag; at depth 0 the top level, which has no end.
    private struct Container {
        var remaining = 0
        var isMap = false
        /// Where the key that is being read starts.
        var keyStart = 0
        /// Where the key before it starts; -1 if there is none.
        var previousKey = -1

        var awaitsKey: Bool { isMap && remaining & 1 == 0 }
    }

    private let input: Span<UInt8>
    private var innermost = Container()
    private var outer = InlineArray<16, Container>(repeating: Container())
    private var depth = 0

    /// The offset of the next item head.
    public private(set) var offset = 0

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
        guard start < input.count else { throw .truncated(at: start) }
        let initial = input[start]
        let information = initial & 31
        offset = start + 1
        if innermost.awaitsKey {
            innermost.keyStart = start
        }
        let value = information < 24 ? UInt64(information) : try argument(initial, at: start)
        let left = UInt64(input.count - offset)

        let item: CBORItem
        switch initial >> 5 {
        case 0:
            item = .unsigned(value)
        case 1:
            item = .negative(value)
        case 2, 3:
            guard value <= left else { throw .truncated(at: start) }
            let content = offset..<offset + Int(value)
            offset = content.upperBound
            item = initial < 0x60 ? .bytes(content) : .text(content)
            guard initial < 0x60 || Self.isUTF8(input.extracting(content)) else { throw .notUTF8(at: start) }
        case 4:
            guard value <= left else { throw .truncated(at: start) }
            item = .array(Int(value))
            if value > 0 {
                try open(children: Int(value), isMap: false, at: start)
                return item
            }
        case 5:
            guard value <= left / 2 else { throw .truncated(at: start) }
            item = .map(Int(value))
            if value > 0 {
                try open(children: Int(value) * 2, isMap: true, at: start)
                return item
            }
        case 6:
            try open(children: 1, isMap: false, at: start)
            return .tag(value)
        default:
            item = try Self.simpleOrFloat(information, value, at: start)
        }
        try close()
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
        guard offset < input.count, input[offset] == 0xf6 else { return false }
        _ = try next()
        return true
    }

    /// The argument in the bytes that follow the initial one. In major type 7 other rules decide what is shortest.
    private mutating func argument(_ initial: UInt8, at start: Int) throws(CBORError) -> UInt64 {
        let width: Int
        switch initial & 31 {
        case 24: width = 1
        case 25: width = 2
        case 26: width = 4
        case 27: width = 8
        case 31: throw Self.hasIndefiniteForm(initial >> 5) ? .indefiniteLength(at: start) : .reserved(at: start)
        default: throw .reserved(at: start)
        }
        guard width <= input.count - offset else { throw .truncated(at: start) }
        var value: UInt64 = 0
        for index in offset..<offset + width {
            value = value << 8 | UInt64(input[index])
        }
        offset += width
        if initial < 0xe0 {
            // Half of the width must not suffice; one byte must not fit into the initial one.
            guard width == 1 ? value >= 24 : value >> UInt64(width * 4) != 0 else { throw .notShortest(at: start) }
        }
        return value
    }

    /// Strings, arrays and maps have one; in major type 7 it is the break.
    private static func hasIndefiniteForm(_ major: UInt8) -> Bool {
        major >= 2 && major != 6
    }

    private static func simpleOrFloat(
        _ information: UInt8, _ value: UInt64, at start: Int
    ) throws(CBORError) -> CBORItem {
        switch information {
        case 20: return .bool(false)
        case 21: return .bool(true)
        case 22: return .null
        case 23: return .undefined
        case 25:
            let half = UInt16(truncatingIfNeeded: value)
            let single = FloatBits.single(fromHalf: half)
            guard !single.isNaN || half == FloatBits.nan else { throw .notShortest(at: start) }
            return .float(Double(single))
        case 26:
            let single = Float(bitPattern: UInt32(truncatingIfNeeded: value))
            guard !single.isNaN, FloatBits.half(exactly: single) == nil else { throw .notShortest(at: start) }
            return .float(Double(single))
        case 27:
            let double = Double(bitPattern: value)
            guard !double.isNaN, FloatBits.single(exactly: double) == nil else { throw .notShortest(at: start) }
            return .float(double)
        default:
            guard information < 20 || value >= 32 else { throw .reserved(at: start) }
            return .simple(UInt8(truncatingIfNeeded: value))
        }
    }

    private static func isUTF8(_ text: Span<UInt8>) -> Bool {
        for index in text.indices where text[index] >= 0x80 {
            return (try? UTF8Span(validating: text)) != nil
        }
        return true
    }

    private mutating func open(children: Int, isMap: Bool, at start: Int) throws(CBORError) {
        guard depth < outer.count else { throw .tooDeep(at: start) }
        outer[depth] = innermost
        innermost = Container(remaining: children, isMap: isMap)
        depth += 1
    }

    /// Ends an item, and every container of which it is the last child.
    private mutating func close() throws(CBORError) {
        while depth > 0 {
            if innermost.awaitsKey {
                try checkKey()
            }
            innermost.remaining -= 1
            guard innermost.remaining == 0 else { return }
            depth -= 1
            innermost = outer[depth]
        }
    }

    /// The key that ends here must sort after the previous one. Encoded items are never prefixes of each other, so
    /// keys that differ do so before either of them ends.
    private mutating func checkKey() throws(CBORError) {
        let start = innermost.keyStart
        let previous = innermost.previousKey
        innermost.previousKey = start
        guard previous >= 0 else { return }
        var index = start
        while input[index] == input[previous + index - start] {
            index += 1
            guard index < offset else { throw .duplicateKey(at: start) }
        }
        guard input[index] > input[previous + index - start] else { throw .keyOrder(at: start) }
    }
}
