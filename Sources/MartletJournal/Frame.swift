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

    func append(to bytes: inout [UInt8]) {
        bytes.append(Self.magic, width: 4)
        bytes.append(UInt64(index), width: 4)
        bytes.append(UInt64(length), width: 4)
        bytes.append(~UInt64(length), width: 4)
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

    static func plaintext(_ records: [[UInt8]]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(frameCount(records))
        bytes.append(UInt64(records.count), width: 4)
        for record in records {
            bytes.append(UInt64(record.count), width: 4)
            bytes.append(copying: record.span)
        }
        bytes.append(0, width: (8 - bytes.count % 8) % 8)
        return bytes
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
