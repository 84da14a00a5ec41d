// SPDX-License-Identifier: Apache-2.0

import MartletJournal

/// What a test must find out.
enum Fault {
    /// Nothing is ever synced.
    case noSync
    /// What an earlier run left in the kernel's cache is taken for durable.
    case noRecoverySync
    /// A sync that failed is tried again, on the same file.
    case retrySync
}

final class BrokenStorage: Storage {
    private let storage: any Storage
    private let fault: Fault

    init(_ storage: any Storage, _ fault: Fault) {
        self.storage = storage
        self.fault = fault
    }

    func space() -> (free: UInt64, total: UInt64)? { storage.space() }

    func segments() throws(StorageError) -> [SegmentName] { try storage.segments() }

    func read(_ name: SegmentName, limit: Int) throws(StorageError) -> [UInt8] {
        try storage.read(name, limit: limit)
    }

    func create(_ name: SegmentName, size: Int) throws(StorageError) -> any SegmentFile {
        BrokenFile(try storage.create(name, size: size), fault)
    }

    func sync(_ name: SegmentName) throws(StorageError) {
        if fault == .retrySync { try storage.sync(name) }
    }

    func trim(_ name: SegmentName, to size: Int) throws(StorageError) { try storage.trim(name, to: size) }

    func remove(_ name: SegmentName) throws(StorageError) { try storage.remove(name) }
}

final class BrokenFile: SegmentFile {
    private let file: any SegmentFile
    private let fault: Fault

    init(_ file: any SegmentFile, _ fault: Fault) {
        self.file = file
        self.fault = fault
    }

    func write(_ bytes: Span<UInt8>, at offset: Int) throws(StorageError) { try file.write(bytes, at: offset) }

    func sync() throws(StorageError) {
        switch fault {
        case .noSync: return
        case .noRecoverySync: try file.sync()
        case .retrySync:
            do throws(StorageError) { try file.sync() } catch { try file.sync() }
        }
    }
}

/// The same salt for every segment, as if uniqueness rested on something that a restored image brings back.
final class BrokenKeys: SegmentKeys {
    private let keys: any SegmentKeys

    init(_ keys: any SegmentKeys) { self.keys = keys }

    func salt() -> InlineArray<32, UInt8>? { InlineArray(repeating: 7) }

    func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)? { keys.cipher(salt: salt, info: info) }
}
