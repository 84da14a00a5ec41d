// SPDX-License-Identifier: Apache-2.0

/// The segment that is being written.
final class SegmentWriter {
    let number: UInt64
    private let size: Int
    private let file: any SegmentFile
    private var cipher: FrameCipher
    private var nextIndex: UInt32 = 1
    /// Memory of the last frame, for the next one.
    private var buffer: [UInt8] = []
    /// Bytes of it that are kept.
    private static let maximumBuffer = 8192
    /// Where the last durable frame ends.
    private(set) var end: Int

    /// Makes a segment whose first frame holds `records`; durable on return. After an error its file may be there.
    init(
        _ name: SegmentName, size: Int, records: [[UInt8]], storage: any Storage, keys: any SegmentKeys,
        device: [UInt8]
    ) throws(JournalError) {
        guard let salt = keys.salt() else { throw .noKeys }
        let header = SegmentHeader(name, size: size, salt: salt.span)
        guard var cipher = FrameCipher(keys, device: device, stream: name.stream, header: header) else {
            throw .noKeys
        }
        var bytes: [UInt8] = []
        FrameRecords.write(records, after: header.bytes, to: &bytes)
        guard cipher.seal(&bytes, at: SegmentHeader.count, index: 0) else { throw .noKeys }
        do throws(StorageError) {
            file = try storage.create(name, size: size)
            try file.write(bytes.span, at: 0)
            try file.sync()
        } catch {
            throw .storage(error)
        }
        number = name.number
        self.size = size
        self.cipher = cipher
        end = bytes.count
    }

    func hasRoom(for count: Int) -> Bool { count <= size - end }

    /// Appends one frame; durable on return. After an error this segment must not be written to again: nobody knows
    /// what of the frame is on the disk, and its index is spent.
    func append(_ records: [[UInt8]]) throws(JournalError) {
        // Taken out for the time of the call, not copied.
        var bytes: [UInt8] = []
        swap(&bytes, &buffer)
        defer { if bytes.capacity <= Self.maximumBuffer { swap(&bytes, &buffer) } }
        FrameRecords.write(records, after: [], to: &bytes)
        guard cipher.seal(&bytes, at: 0, index: nextIndex) else { throw .noKeys }
        do throws(StorageError) {
            try file.write(bytes.span, at: end)
            try file.sync()
        } catch {
            throw .storage(error)
        }
        nextIndex += 1
        end += bytes.count
    }
}
