// SPDX-License-Identifier: Apache-2.0

import MartletJournal

/// Counts what is written to segments, and how often one is synced.
final class CountingStorage: Storage {
    var syncs = 0
    var writes = 0
    /// Segments.
    var created = 0
    private let storage: any Storage

    init(_ storage: any Storage) { self.storage = storage }

    func space() -> (free: UInt64, total: UInt64)? { storage.space() }

    func segments() throws(StorageError) -> [SegmentName] { try storage.segments() }

    func read(_ name: SegmentName, limit: Int) throws(StorageError) -> [UInt8] {
        try storage.read(name, limit: limit)
    }

    func create(_ name: SegmentName, size: Int) throws(StorageError) -> any SegmentFile {
        created += 1
        return CountingFile(try storage.create(name, size: size), self)
    }

    func sync(_ name: SegmentName) throws(StorageError) {
        syncs += 1
        try storage.sync(name)
    }

    func trim(_ name: SegmentName, to size: Int) throws(StorageError) { try storage.trim(name, to: size) }

    func remove(_ name: SegmentName) throws(StorageError) { try storage.remove(name) }
}

private final class CountingFile: SegmentFile {
    private let file: any SegmentFile
    private let storage: CountingStorage

    init(_ file: any SegmentFile, _ storage: CountingStorage) {
        self.file = file
        self.storage = storage
    }

    func write(_ bytes: Span<UInt8>, at offset: Int) throws(StorageError) {
        storage.writes += 1
        try file.write(bytes, at: offset)
    }

    func sync() throws(StorageError) {
        storage.syncs += 1
        try file.sync()
    }
}
