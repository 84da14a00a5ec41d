// SPDX-License-Identifier: Apache-2.0

extension Span<UInt8> {
    /// The number in the `width` bytes at `offset`, which must be there.
    @inline(never)
    func number(at offset: Int, width: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<width { value |= UInt64(self[offset + index]) << UInt64(8 * index) }
        return value
    }

    /// Whether all bytes in `range`, which must be there, are zero.
    func isZero(_ range: Range<Int>) -> Bool {
        for index in range where self[index] != 0 { return false }
        return true
    }
}

extension [UInt8] {
    /// Writes the 4 bytes of `value` at `offset`, where they must have room.
    @inline(never)
    mutating func put(_ value: UInt32, at offset: Int) {
        var span = mutableSpan
        var bytes = span.mutableBytes
        bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// Writes `bytes` at `offset`, where they must have room.
    @inline(never)
    mutating func put(_ bytes: Span<UInt8>, at offset: Int) {
        withUnsafeMutableBytes { buffer in
            bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[offset...]).copyMemory(from: $0) }
        }
    }

    /// Writes zeros to `range`, which must be there.
    @inline(never)
    mutating func putZeros(_ range: Range<Int>) {
        for offset in range { self[offset] = 0 }
    }

    /// Appends so many bytes, at least one, that have no value until the caller writes it.
    @inline(never)
    mutating func append(unset count: Int) {
        append(addingCapacity: count) { room in room.withUnsafeMutableBufferPointer { $1 = count } }
    }
}
