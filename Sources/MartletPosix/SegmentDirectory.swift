// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// The segment files of a journal in a private directory: `journal-`, the stream in decimal, `-`, the segment's number
/// in 16 hexadecimal digits. Other files are left alone.
public final class SegmentDirectory {
    private let directory: PrivateDirectory

    public init(_ directory: PrivateDirectory) { self.directory = directory }

    /// Stream and number of each segment, in no order.
    public func names() throws(PosixError) -> [(stream: UInt8, number: UInt64)] {
        let list = NameList()
        let result = withExtendedLifetime(list) {
            CPosix_list(directory.descriptor.number, addName, Unmanaged.passUnretained(list).toOpaque())
        }
        _ = try check(result, "readdir")
        return list.names
    }

    /// Bytes of the file system that are free, and all; nil if that is not known.
    public func space() -> (free: UInt64, total: UInt64)? {
        var (free, total): (UInt64, UInt64) = (0, 0)
        return CPosix_space(directory.descriptor.number, &free, &total) ? (free, total) : nil
    }

    /// The first `limit` bytes of a segment.
    public func read(stream: UInt8, number: UInt64, limit: Int) throws(PosixError) -> [UInt8] {
        let name = segmentName(stream, number)
        let file = try directory.file(CPosix_open_at(directory.descriptor.number, name))
        let size = CPosix_size(file.number)
        if size < 0 { throw .system("fstat", code: Int32(truncatingIfNeeded: -size)) }
        return try file.readFirst(Int(min(Int64(limit), size)))
    }

    /// Makes a segment of `size` zeros, 0600, written to the disk. Name and size are durable on return.
    public func create(stream: UInt8, number: UInt64, size: Int) throws(PosixError) -> OpenSegment {
        let name = segmentName(stream, number)
        let file = Descriptor(try check(CPosix_create_at(directory.descriptor.number, name), "create"))
        do throws(PosixError) {
            // Not every file system can.
            let result = CPosix_reserve(file.number, Int64(size))
            if result != -EOPNOTSUPP { _ = try check(result, "fallocate") }
            // Space that is only reserved is marked as unwritten: where a block is first written to, the sync would
            // also have to write that mark, which takes ext4 three blocks more.
            _ = try check(CPosix_write_zeros(file.number, Int64(size)), "pwrite")
            try file.sync()
            try directory.descriptor.sync()
        } catch {
            CPosix_unlink_at(directory.descriptor.number, name)
            throw error
        }
        return OpenSegment(file)
    }

    /// Makes durable what a segment holds.
    public func sync(stream: UInt8, number: UInt64) throws(PosixError) {
        let name = segmentName(stream, number)
        let file = try directory.file(CPosix_open_at(directory.descriptor.number, name))
        _ = try check(CPosix_sync_data(file.number), "fdatasync")
    }

    /// Shortens a segment that nobody writes to.
    public func trim(stream: UInt8, number: UInt64, size: Int) throws(PosixError) {
        let name = segmentName(stream, number)
        let file = try directory.file(CPosix_open_write_at(directory.descriptor.number, name))
        _ = try check(CPosix_truncate(file.number, Int64(size)), "ftruncate")
    }

    /// Removes a segment, if it is there; durable on return.
    public func remove(stream: UInt8, number: UInt64) throws(PosixError) {
        let result = CPosix_unlink_at(directory.descriptor.number, segmentName(stream, number))
        if result != -ENOENT { _ = try check(result, "unlink") }
        try directory.descriptor.sync()
    }
}

/// A segment that is open for writing.
public final class OpenSegment {
    private let file: Descriptor

    init(_ file: Descriptor) { self.file = file }

    public func write(_ bytes: Span<UInt8>, at offset: Int) throws(PosixError) {
        let result = bytes.withUnsafeBufferPointer {
            CPosix_write_at(file.number, $0.baseAddress, $0.count, Int64(offset))
        }
        _ = try check(result, "pwrite")
    }

    public func sync() throws(PosixError) {
        _ = try check(CPosix_sync_data(file.number), "fdatasync")
    }
}

private final class NameList {
    var names: [(stream: UInt8, number: UInt64)] = []
}

private func addName(_ context: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?) {
    var segment: (stream: UInt8, number: UInt64) = (0, 0)
    guard let context, let name, CPosix_segment_named(name, &segment.stream, &segment.number) else { return }
    Unmanaged<NameList>.fromOpaque(context).takeUnretainedValue().names.append(segment)
}

private func segmentName(_ stream: UInt8, _ number: UInt64) -> [CChar] {
    var name = [CChar](repeating: 0, count: Int(CPOSIX_SEGMENT_NAME_SIZE))
    CPosix_segment_name(&name, stream, number)
    return name
}
