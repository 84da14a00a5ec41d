// SPDX-License-Identifier: Apache-2.0

/// The first 64 bytes of a segment; FORMAT.md has the layout.
struct SegmentHeader {
    static let count = 64
    static let sizes = 4096...(1 << 20)

    /// What every frame of the segment authenticates.
    let bytes: [UInt8]
    /// The bytes of the file, as it was created.
    let size: Int

    init(_ name: SegmentName, size: Int, salt: Span<UInt8>) {
        var bytes = [UInt8](repeating: 0, count: Self.count)
        let magic: StaticString = "MARTLETJ"
        bytes.put(Span(_unsafeStart: magic.utf8Start, count: 8), at: 0)
        bytes.put(1 | UInt32(name.stream) << 16, at: 8)
        bytes.put(UInt32(truncatingIfNeeded: name.number), at: 16)
        bytes.put(UInt32(truncatingIfNeeded: name.number >> 32), at: 20)
        bytes.put(UInt32(truncatingIfNeeded: size), at: 24)
        bytes.put(salt, at: 32)
        self.bytes = bytes
        self.size = size
    }

    /// nil unless `content` begins with the header that the segment `name` has.
    init?(_ name: SegmentName, content: Span<UInt8>) {
        guard content.count >= Self.count else { return nil }
        let size = content.number(at: 24, width: 8)
        guard size >= UInt64(Self.sizes.lowerBound), size <= UInt64(Self.sizes.upperBound), size % 8 == 0 else {
            return nil
        }
        self.init(name, size: Int(size), salt: content.extracting(32..<64))
        for index in 0..<Self.count where bytes[index] != content[index] { return nil }
    }
}
