// SPDX-License-Identifier: Apache-2.0

/// The cipher of one segment, with what each frame authenticates beside its content.
struct FrameCipher {
    private let cipher: any SegmentCipher
    /// The segment's header, then index and length of the frame.
    private var additional: [UInt8]

    /// nil if the cipher cannot be set up.
    init?(_ keys: any SegmentKeys, device: [UInt8], stream: UInt8, header: SegmentHeader) {
        let purpose: StaticString = "martlet/1/segment"
        var info: [UInt8] = []
        for index in 0..<purpose.utf8CodeUnitCount { info.append(purpose.utf8Start[index]) }
        info.append(0)
        info.append(contentsOf: device)
        info.append(0)
        info.append(stream)
        let bytes = header.bytes
        let span = bytes.span
        guard let cipher = keys.cipher(salt: span.extracting(32..<64), info: info.span) else { return nil }
        self.cipher = cipher
        additional = bytes + [0, 0, 0, 0, 0, 0, 0, 0]
    }

    /// Seals in place the frame that begins at `offset` and ends with `bytes`. False if the cipher failed; the index is
    /// spent all the same.
    mutating func seal(_ bytes: inout [UInt8], at offset: Int, index: UInt32) -> Bool {
        let start = offset + FrameHeader.count
        let frame = FrameHeader(index: index, length: bytes.count - start)
        frame.write(to: &bytes, at: offset)
        authenticate(frame)
        return cipher.seal(&bytes, from: start, index: UInt64(index), additional: additional.span)
    }

    /// Replaces `plaintext` by the content of the frame at `offset`; false, and it is empty, if the tag is wrong.
    mutating func open(
        _ frame: FrameHeader, in content: Span<UInt8>, at offset: Int, into plaintext: inout [UInt8]
    ) -> Bool {
        let start = offset + FrameHeader.count
        authenticate(frame)
        return cipher.open(
            content.extracting(start..<start + frame.length), index: UInt64(frame.index),
            additional: additional.span, into: &plaintext)
    }

    private mutating func authenticate(_ frame: FrameHeader) {
        additional.put(frame.index, at: SegmentHeader.count)
        additional.put(UInt32(truncatingIfNeeded: frame.length), at: SegmentHeader.count + 4)
    }
}
