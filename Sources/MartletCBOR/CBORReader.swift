// SPDX-License-Identifier: Apache-2.0

/// Reads deterministic CBOR (RFC 8949 section 4.2.1), one item head at a time; anything else is an error.
///
/// Total on any input: it never traps, recurses or allocates. Nesting, counts of children, and order and uniqueness
/// of map keys are checked as the items are read, so what was read and `finish`ed is deterministic throughout.
/// At the top level items may follow each other (RFC 8742). After an error the reader is of no further use.
public struct CBORReader: ~Copyable, ~Escapable {
    /// An open array, map or tag.
    private struct Container {
        var remaining = 0
        var isMap = false
        var keyStart = 0
        var previousKey = 0..<0

        var awaitsKey: Bool { isMap && remaining & 1 == 0 }
    }

    private let input: Span<UInt8>
    private var containers = InlineArray<16, Container>(repeating: Container())
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
    public mutating func next() throws(CBORError) -> CBORItem {
        let start = offset
        guard start < input.count else { throw .truncated(at: start) }
        let initial = input[start]
        let information = initial & 31
        if depth > 0, containers[depth - 1].awaitsKey {
            containers[depth - 1].keyStart = start
        }
        offset = start + 1
        let value = try argument(information, majorSeven: initial >= 0xe0, isString: initial & 0xc0 == 0x40, at: start)
        let left = UInt64(input.count - offset)

        switch initial >> 5 {
        case 0:
            try close()
            return .unsigned(value)
        case 1:
            try close()
            return .negative(value)
        case 2, 3:
            guard value <= left else { throw .truncated(at: start) }
            let content = offset..<offset + Int(value)
            offset = content.upperBound
            if initial >= 0x60 {
                guard (try? UTF8Span(validating: input.extracting(content))) != nil else {
                    throw .notUTF8(at: start)
                }
                try close()
                return .text(content)
            }
            try close()
            return .bytes(content)
        case 4:
            guard value <= left else { throw .truncated(at: start) }
            try open(children: Int(value), isMap: false, at: start)
            return .array(Int(value))
        case 5:
            guard value <= left / 2 else { throw .truncated(at: start) }
            try open(children: Int(value) * 2, isMap: true, at: start)
            return .map(Int(value))
        case 6:
            try open(children: 1, isMap: false, at: start)
            return .tag(value)
        default:
            let item = try simpleOrFloat(information, value, at: start)
            try close()
            return item
        }
    }

    /// Skips one whole item with its children, checked as strictly as `next`.
    public mutating func skip() throws(CBORError) {
        let outer = depth
        repeat {
            _ = try next()
        } while depth > outer
    }

    /// Everything that was opened must be read to its end, and no byte may follow.
    public mutating func finish() throws(CBORError) {
        guard depth == 0 else { throw .unfinished(at: offset) }
        guard offset == input.count else { throw .trailingBytes(at: offset) }
    }

    /// Whether the next item is null, which is then consumed; otherwise nothing is.
    public mutating func isNull() throws(CBORError) -> Bool {
        guard offset < input.count, input[offset] == 0xf6 else { return false }
        _ = try next()
        return true
    }

    /// The argument that follows the initial byte; for major type 7 its bits, where other rules decide what is shortest.
    private mutating func argument(
        _ information: UInt8, majorSeven: Bool, isString: Bool, at start: Int
    ) throws(CBORError) -> UInt64 {
        let width: Int
        switch information {
        case 0..<24: return UInt64(information)
        case 24: width = 1
        case 25: width = 2
        case 26: width = 4
        case 27: width = 8
        case 31:
            let initial = input[start] >> 5
            throw initial < 2 || initial == 6 ? .reserved(at: start) : .indefiniteLength(at: start)
        default: throw .reserved(at: start)
        }
        guard width <= input.count - offset else { throw .truncated(at: start) }
        var value: UInt64 = 0
        for index in offset..<offset + width {
            value = value << 8 | UInt64(input[index])
        }
        offset += width
        if !majorSeven {
            // Half of the width must not suffice; one byte must not fit into the initial one.
            guard width == 1 ? value >= 24 : value >> UInt64(width * 4) != 0 else { throw .notShortest(at: start) }
        }
        return value
    }

    private func simpleOrFloat(
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

    private mutating func open(children: Int, isMap: Bool, at start: Int) throws(CBORError) {
        guard children > 0 else { return try close() }
        guard depth < containers.count else { throw .tooDeep(at: start) }
        containers[depth] = Container(remaining: children, isMap: isMap)
        depth += 1
    }

    /// Ends an item, and every container of which it is the last child.
    private mutating func close() throws(CBORError) {
        while depth > 0 {
            let top = depth - 1
            if containers[top].awaitsKey {
                try checkKey(of: containers[top])
                containers[top].previousKey = containers[top].keyStart..<offset
            }
            containers[top].remaining -= 1
            guard containers[top].remaining == 0 else { return }
            depth = top
        }
    }

    /// The key that ends here must sort after the previous one. Encoded items are never prefixes of each other.
    private func checkKey(of map: Container) throws(CBORError) {
        var current = map.keyStart
        for index in map.previousKey {
            guard current < offset, input[current] >= input[index] else { throw .keyOrder(at: map.keyStart) }
            guard input[current] == input[index] else { return }
            current += 1
        }
        guard map.previousKey.isEmpty else { throw .duplicateKey(at: map.keyStart) }
    }
}
