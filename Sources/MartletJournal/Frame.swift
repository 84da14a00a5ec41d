// SPDX-License-Identifier: Apache-2.0

/// Where a frame's ciphertext is; FORMAT.md has the layout.
struct FrameHeader {
    static let count = 16
    static let magic: UInt64 = 0x4d52_464a  // "JFRM"
    static let tagCount = 16
    /// A frame without records: header, one word of plaintext, tag.
    static let minimumCount = count + 8 + tagCount

    let index: UInt32
    /// Bytes of ciphertext and tag.
    let length: Int

    init(index: UInt32, length: Int) {
        self.index = index
        self.length = length
    }

    /// nil unless a frame that ends within `content` begins at `offset`. Its tag has not been looked at.
    init?(_ content: Span<UInt8>, at offset: Int) {
        guard offset >= 0, content.count - offset >= Self.minimumCount,
            content.number(at: offset, width: 4) == Self.magic
        else { return nil }
        let length = content.number(at: offset + 8, width: 4)
        guard content.number(at: offset + 12, width: 4) == ~length & 0xffff_ffff, length % 8 == 0,
            length >= UInt64(Self.minimumCount - Self.count), length <= UInt64(content.count - offset - Self.count)
        else { return nil }
        self.init(index: UInt32(truncatingIfNeeded: content.number(at: offset + 4, width: 4)), length: Int(length))
    }

    /// Writes the header to `bytes`, which have room for it at `offset`.
    func write(to bytes: inout [UInt8], at offset: Int) {
        let length = UInt32(truncatingIfNeeded: length)
        bytes.put(UInt32(truncatingIfNeeded: Self.magic), at: offset)
        bytes.put(index, at: offset + 4)
        bytes.put(length, at: offset + 8)
        bytes.put(~length, at: offset + 12)
    }
}

/// The plaintext of a frame: how many records, then each with its length, then zeros up to a multiple of 8 bytes.
enum FrameRecords {
    /// Bytes of the frame that holds `records`. More than any segment has if they are that long.
    static func frameCount(_ records: [[UInt8]]) -> Int {
        var count = 4
        for record in records {
            guard record.count < SegmentHeader.sizes.upperBound, count < SegmentHeader.sizes.upperBound else {
                return .max
            }
            count += 4 + record.count
        }
        return FrameHeader.count + (count + 7) / 8 * 8 + FrameHeader.tagCount
    }

    /// Replaces what is in `bytes`, whose memory is used again, by `header` and a frame with `records` that is not sealed
    /// yet: its header has no value until then.
    static func write(_ records: [[UInt8]], after header: [UInt8], to bytes: inout [UInt8]) {
        bytes.removeAll(keepingCapacity: true)
        let end = header.count + frameCount(records)
        bytes.append(unset: end)
        bytes.put(header.span, at: 0)
        var offset = header.count + FrameHeader.count
        bytes.put(UInt32(truncatingIfNeeded: records.count), at: offset)
        offset += 4
        for record in records {
            bytes.put(UInt32(truncatingIfNeeded: record.count), at: offset)
            bytes.put(record.span, at: offset + 4)
            offset += 4 + record.count
        }
        bytes.putZeros(offset..<end)
    }

    /// Gives each record to `body`, with its place; false if something else than records is there.
    static func read(_ plaintext: Span<UInt8>, _ body: (Span<UInt8>, Int) -> Void) -> Bool {
        guard plaintext.count >= 4 else { return false }
        let count = plaintext.number(at: 0, width: 4)
        var offset = 4
        var place = 0
        while place < count {
            guard plaintext.count - offset >= 4 else { return false }
            let length = plaintext.number(at: offset, width: 4)
            offset += 4
            guard length <= UInt64(plaintext.count - offset) else { return false }
            body(plaintext.extracting(offset..<offset + Int(length)), place)
            offset += Int(length)
            place += 1
        }
        return plaintext.count - offset < 8 && plaintext.isZero(offset..<plaintext.count)
    }
}
