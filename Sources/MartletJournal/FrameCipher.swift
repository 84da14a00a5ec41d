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
        additional = bytes
    }

    /// Appends a frame. False if the cipher failed; the index is spent all the same.
    mutating func seal(_ plaintext: [UInt8], index: UInt32, into bytes: inout [UInt8]) -> Bool {
        let frame = FrameHeader(index: index, length: plaintext.count + FrameHeader.tagCount)
        bytes.reserveCapacity(bytes.count + FrameHeader.count + frame.length)
        frame.append(to: &bytes)
        let authenticated = authenticated(frame)
        return cipher.seal(plaintext.span, index: UInt64(index), additional: authenticated.span, into: &bytes)
    }

    /// Replaces `plaintext` by the content of the frame at `offset`; false, and it is empty, if the tag is wrong.
    mutating func open(
        _ frame: FrameHeader, in content: Span<UInt8>, at offset: Int, into plaintext: inout [UInt8]
    ) -> Bool {
        let start = offset + FrameHeader.count
        let authenticated = authenticated(frame)
        return cipher.open(
            content.extracting(start..<start + frame.length), index: UInt64(frame.index),
            additional: authenticated.span, into: &plaintext)
    }

    private mutating func authenticated(_ frame: FrameHeader) -> [UInt8] {
        additional.removeLast(additional.count - SegmentHeader.count)
        additional.append(UInt64(frame.index), width: 4)
        additional.append(UInt64(frame.length), width: 4)
        return additional
    }
}
