// SPDX-License-Identifier: Apache-2.0

/// Writes deterministic CBOR (RFC 8949 section 4.2.1) into the caller's buffer. Never allocates.
///
/// A write that does not fit writes nothing, nor does any later one; `finish` then throws `noSpace`. So calls need
/// no check of their own. Counts must not be negative; that the announced children follow, and that map keys come in
/// the order of their encoded bytes, is the caller's promise.
public struct CBORWriter: ~Copyable, ~Escapable {
    private var buffer: MutableSpan<UInt8>
    /// Where the buffer ends; -1 once something did not fit, so that nothing does any more.
    private var end: Int

    /// Where the next byte goes: bytes written so far, if writing began at 0.
    public private(set) var count: Int

    /// Writes from `offset` on.
    @_lifetime(copy buffer)
    public init(_ buffer: consuming MutableSpan<UInt8>, from offset: Int = 0) {
        end = buffer.count
        count = offset < 0 || offset > buffer.count ? buffer.count : offset
        self.buffer = buffer
    }

    /// What `body` writes, in fresh bytes, after `first` if there is one. `limit` bounds what `body` writes; nil if that
    /// was too little.
    @inline(never)
    package static func encode(
        limit: Int, after first: UInt8? = nil, _ body: (inout CBORWriter) -> Void
    ) -> [UInt8]? {
        let start = first == nil ? 0 : 1
        var bytes = [UInt8](repeating: first ?? 0, count: start + limit)
        var writer = CBORWriter(bytes.mutableSpan, from: start)
        body(&writer)
        guard let end = try? writer.finish() else { return nil }
        bytes.removeLast(bytes.count - end)
        return bytes
    }

    public mutating func unsigned(_ value: UInt64) {
        head(0x00, value)
    }

    /// A key of a map, and its value.
    @inline(never)
    public mutating func unsigned(_ key: UInt64, _ value: UInt64) {
        unsigned(key)
        unsigned(value)
    }

    /// The integer -1 - `value`.
    public mutating func negative(_ value: UInt64) {
        head(0x20, value)
    }

    public mutating func integer(_ value: Int64) {
        if value < 0 {
            head(0x20, UInt64(bitPattern: ~value))
        } else {
            head(0x00, UInt64(bitPattern: value))
        }
    }

    /// An integer from -24 to 23 as the byte that it is encoded in.
    @inline(never)
    package mutating func shortInteger(_ encoded: UInt8) {
        put(encoded)
    }

    public mutating func bytes(_ value: Span<UInt8>) {
        string(0x40, value)
    }

    /// Begins a byte string; `count` bytes must follow through `raw`.
    public mutating func bytes(count: Int) {
        head(0x40, UInt64(count))
    }

    /// `value` must be UTF-8.
    public mutating func text(_ value: Span<UInt8>) {
        string(0x60, value)
    }

    @inline(never)
    public mutating func text(_ value: StaticString) {
        text(Span(_unsafeStart: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    public mutating func array(_ count: Int) {
        head(0x80, UInt64(count))
    }

    public mutating func map(_ count: Int) {
        head(0xa0, UInt64(count))
    }

    public mutating func tag(_ number: UInt64) {
        head(0xc0, number)
    }

    public mutating func bool(_ value: Bool) {
        put(value ? 0xf5 : 0xf4)
    }

    public mutating func null() {
        put(0xf6)
    }

    /// In the shortest of half, single and double precision that keeps the value. Every NaN is written as f97e00.
    @inline(never)
    public mutating func double(_ value: Double) {
        if let single = FloatBits.single(exactly: value) {
            if let half = FloatBits.half(exactly: single) {
                put(0xf9, half)
            } else {
                put(0xfa, single.bitPattern)
            }
        } else if value.isNaN {
            put(0xf9, FloatBits.nan)
        } else {
            put(0xfb, value.bitPattern)
        }
    }

    /// Bytes as they are: the content of a string begun with `bytes(count:)`, or items encoded elsewhere.
    @inline(never)
    public mutating func raw(_ encoded: Span<UInt8>) {
        copy(encoded)
    }

    @inline(never)
    private mutating func string(_ major: UInt8, _ content: Span<UInt8>) {
        if content.count < 24 {
            put(major | UInt8(truncatingIfNeeded: content.count))
        } else {
            head(major, UInt64(content.count))
        }
        copy(content)
    }

    @inline(__always)
    private mutating func copy(_ encoded: Span<UInt8>) {
        let start = count
        guard reserve(encoded.count) else { return }
        buffer.withUnsafeMutableBytes { (buffer) in
            encoded.withUnsafeBytes { (encoded) in
                guard let room = buffer.baseAddress, let bytes = encoded.baseAddress else { return }
                (room + start).copyMemory(from: bytes, byteCount: encoded.count)
            }
        }
    }

    /// Where the last byte ends: the number of bytes written, if writing began at 0. Throws `noSpace` if any write did not fit.
    public consuming func finish() throws(CBORError) -> Int {
        guard end >= 0 else { throw .noSpace }
        return count
    }

    @inline(never)
    private mutating func head(_ major: UInt8, _ value: UInt64) {
        if value < 24 {
            put(major | UInt8(truncatingIfNeeded: value))
        } else if value <= 0xff {
            put(major | 24, UInt8(truncatingIfNeeded: value))
        } else if value <= 0xffff {
            put(major | 25, UInt16(truncatingIfNeeded: value))
        } else if value <= 0xffff_ffff {
            put(major | 26, UInt32(truncatingIfNeeded: value))
        } else {
            put(major | 27, value)
        }
    }

    @inline(__always)
    private mutating func put(_ initial: UInt8) {
        let start = count
        guard reserve(1) else { return }
        buffer.withUnsafeMutableBytes { $0[start] = initial }
    }

    /// The initial byte, then the argument, most significant byte first.
    @inline(__always)
    private mutating func put<Argument: FixedWidthInteger & BitwiseCopyable>(_ initial: UInt8, _ argument: Argument) {
        let start = count
        guard reserve(1 &+ MemoryLayout<Argument>.size) else { return }
        buffer.withUnsafeMutableBytes {
            $0[start] = initial
            $0.storeBytes(of: argument.bigEndian, toByteOffset: start &+ 1, as: Argument.self)
        }
    }

    /// Moves `count` over `length` bytes, if they fit: whoever writes them need not look again.
    @inline(__always)
    private mutating func reserve(_ length: Int) -> Bool {
        guard length <= end &- count else {
            end = -1
            return false
        }
        count &+= length
        return true
    }
}
