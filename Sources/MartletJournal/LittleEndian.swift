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

    /// Appends so many zeros at once; at least one, or it would write to the storage that all empty arrays share.
    @inline(never)
    mutating func append(zeros count: Int) {
        append(addingCapacity: Swift.max(1, count)) { room in
            room.withUnsafeMutableBufferPointer { room, initialized in
                UnsafeMutableRawBufferPointer(room).initializeMemory(as: UInt8.self, repeating: 0)
                initialized = count
            }
        }
    }
}
