// SPDX-License-Identifier: Apache-2.0

import MartletJournal

/// A file with its write cache.
final class SimulatedFile {
    static let sectorSize = 512

    let name: SegmentName
    /// What a program reads.
    private(set) var content: [UInt8]
    /// What the medium holds.
    private var durable: [UInt8]
    /// Sectors as they were after each write since the last sync.
    private var dirty: [(start: Int, bytes: [UInt8])] = []
    /// Whether a power cut may undo that the file was made, or that it was removed.
    var isNameUncertain = false
    /// Whether a sync failed: the cache is clean now, so that a later one does nothing.
    private(set) var hasFailedSync = false

    init(_ name: SegmentName, _ content: [UInt8]) {
        self.name = name
        self.content = content
        durable = content
    }

    /// Writes bytes that lie in one sector.
    func put(_ bytes: [UInt8], at offset: Int) {
        for index in bytes.indices where offset + index < content.count { content[offset + index] = bytes[index] }
        let start = offset / Self.sectorSize * Self.sectorSize
        let end = min(start + Self.sectorSize, content.count)
        if start < end { dirty.append((start, [UInt8](content[start..<end]))) }
    }

    func truncate(_ size: Int) {
        if size < content.count { content.removeLast(content.count - size) }
    }

    func sync() {
        settle { _ in true }
    }

    /// As a kernel does: it writes what it can, and forgets that the rest was not written.
    func failSync(_ survives: () -> Bool) {
        settle { _ in survives() }
        hasFailedSync = true
    }

    /// The file after a power cut.
    func afterCut(_ survives: () -> Bool) -> SimulatedFile {
        settle { _ in survives() }
        if content.count < durable.count, survives() { durable.removeLast(durable.count - content.count) }
        return SimulatedFile(name, durable)
    }

    private func settle(_ survives: (Int) -> Bool) {
        for (start, bytes) in dirty where survives(start) {
            for index in bytes.indices where start + index < durable.count { durable[start + index] = bytes[index] }
        }
        dirty = []
    }
}
