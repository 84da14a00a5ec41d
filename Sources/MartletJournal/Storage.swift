// SPDX-License-Identifier: Apache-2.0

/// Names one segment file. Numbers grow with each segment of a stream, and none is used twice.
public struct SegmentName: Hashable, Sendable {
    public let stream: UInt8
    public let number: UInt64

    public init(stream: UInt8, number: UInt64) {
        self.stream = stream
        self.number = number
    }
}

/// Why the storage did not do what it was asked for.
public enum StorageError: Error, Equatable {
    /// No space or no more files on the device.
    case full
    /// This file cannot be read, and trying again will not help: a bad medium, or not a private file.
    case unreadable
    /// Any other failure, with its errno.
    case failed(Int32)
}

/// The files of one journal. Not safe for concurrent use.
public protocol Storage: AnyObject {
    /// All segments that are there, in any order.
    func segments() throws(StorageError) -> [SegmentName]

    /// Bytes that are free on the file system, and that it has; nil if that is not known.
    func space() -> (free: UInt64, total: UInt64)?

    /// The whole content of a segment, but no more than its first `limit` bytes.
    func read(_ name: SegmentName, limit: Int) throws(StorageError) -> [UInt8]

    /// Makes a segment with `size` bytes that read as zero, and whose space is reserved. When this returns, name and
    /// size survive a power cut. An existing segment is an error.
    func create(_ name: SegmentName, size: Int) throws(StorageError) -> any SegmentFile

    /// Makes durable what an earlier run of the program may have left in the cache of a segment.
    func sync(_ name: SegmentName) throws(StorageError)

    /// Shortens a segment that nobody writes to. A power cut may undo it.
    func trim(_ name: SegmentName, to size: Int) throws(StorageError)

    /// When this returns, the segment is gone for good. A missing one is no error.
    func remove(_ name: SegmentName) throws(StorageError)
}

/// A segment that is being written; closed when it is released.
public protocol SegmentFile: AnyObject {
    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    func write(_ bytes: Span<UInt8>, at offset: Int) throws(StorageError)

    /// When this returns, everything that was written survives a power cut. After an error nobody knows, and a second
    /// call proves nothing: the kernel may have dropped the pages.
    func sync() throws(StorageError)
}
