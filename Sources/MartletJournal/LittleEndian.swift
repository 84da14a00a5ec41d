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
    /// Appends the `width` low bytes of `value`.
    @inline(never)
    mutating func append(_ value: UInt64, width: Int) {
        for index in 0..<width { append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
    }

    /// Appends `bytes` at once; `append(contentsOf:)` does it byte by byte in a program that is built for size.
    @inline(never)
    mutating func append(copying bytes: Span<UInt8>) {
        // With nothing to append it would write to the one storage that all empty arrays share.
        if bytes.isEmpty { return }
        append(addingCapacity: bytes.count) { room in
            room.withUnsafeMutableBufferPointer { room, count in
                bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(room).copyMemory(from: $0) }
                count = bytes.count
            }
        }
    }
}
