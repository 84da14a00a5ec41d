// SPDX-License-Identifier: Apache-2.0

/// The frames of one segment, one after the other.
public final class SegmentFrames {
    private var reader: SegmentReader

    init(_ reader: SegmentReader) { self.reader = reader }

    /// Gives the records of the next frame that can be read to `record`; false if there is none.
    ///
    /// `isFirst`: the record is the segment's first one, where the snapshot begins.
    public func next(_ record: (_ bytes: Span<UInt8>, _ isFirst: Bool) -> Void) -> Bool {
        guard reader.next() else { return false }
        let plaintext = reader.plaintext
        let isFirstFrame = reader.nextIndex == 1
        _ = FrameRecords.read(plaintext.span) { bytes, place in record(bytes, isFirstFrame && place == 0) }
        return true
    }
}
