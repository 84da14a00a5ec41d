// SPDX-License-Identifier: Apache-2.0

/// Reads the frames of one segment, in order, whatever its bytes are.
///
/// Where no frame is, it goes on 8 bytes further, until one opens whose index is higher than the last. Work is bounded
/// by the size of a segment and by 64 frames that do not open.
struct SegmentReader {
    /// The unit that a power cut leaves whole or unwritten.
    private static let sector = 512
    private static let maximumFailures = 64

    /// Whether the file is shorter than it was made.
    let isCutOff: Bool
    private let content: [UInt8]
    private var cipher: FrameCipher
    private var offset = SegmentHeader.count
    private var failures = 0
    /// One more than the index of the last frame that was read.
    private(set) var nextIndex: UInt32 = 0
    /// Where the last frame that was read ends.
    private(set) var end = SegmentHeader.count
    /// Places that held frames before one that was read.
    private(set) var gaps = 0
    /// Content of the frame that was read last.
    private(set) var plaintext: [UInt8] = []

    /// `size`: bytes that the file was made with.
    init(_ content: [UInt8], _ cipher: FrameCipher, size: Int) {
        var content = content
        if content.count > size { content.removeLast(content.count - size) }
        self.content = content
        isCutOff = content.count < size
        self.cipher = cipher
    }

    /// Reads on; false if there is no further frame.
    mutating func next() -> Bool {
        let content = content
        while failures < Self.maximumFailures, content.count - offset >= FrameHeader.minimumCount {
            if let frame = FrameHeader(content.span, at: offset), frame.index >= nextIndex {
                if cipher.open(frame, in: content.span, at: offset, into: &plaintext) {
                    if frame.index > nextIndex { gaps += 1 }
                    nextIndex = frame.index &+ 1
                    offset += FrameHeader.count + frame.length
                    end = offset
                    return true
                }
                failures += 1
            }
            offset += 8
        }
        return false
    }

    /// Whether the frame behind the last readable one was written completely, so that it may have been acknowledged.
    ///
    /// One that a power cut tore lacks a whole sector, which still reads as zero.
    func lostItsEnd() -> Bool {
        let content = content
        let bytes = content.span
        if failures == Self.maximumFailures { return true }
        guard content.count - end >= FrameHeader.count else { return !bytes.isZero(end..<content.count) }
        if bytes.isZero(end..<end + 8) { return false }
        if bytes.isZero(end + 8..<end + 16), (end + 8) % Self.sector == 0 { return false }
        guard let frame = FrameHeader(bytes, at: end), frame.index == nextIndex else { return true }
        let stop = end + FrameHeader.count + frame.length
        var start = end
        while start < stop {
            let next = min((start / Self.sector + 1) * Self.sector, stop)
            if bytes.isZero(start..<next) { return false }
            start = next
        }
        return true
    }
}
