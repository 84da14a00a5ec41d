// SPDX-License-Identifier: Apache-2.0

public import MartletJournal

/// A disk with a write cache, and a power cord that a test pulls where it wants.
///
/// What is written stays in the cache until it is synced. At a power cut each sector of 512 bytes in the cache is kept
/// or lost on its own, as the seed says, whatever was written first.
public final class SimulatedDisk: Storage {
    /// What happens to the cache at a power cut.
    public enum Cut: CaseIterable, Sendable {
        case keepsAll, losesAll, random
    }

    /// An error of the `number`th operation, counted from 1, or of all from that one on.
    public struct Fault: Sendable {
        public var number: Int
        public var error: StorageError
        public var isSticky: Bool

        public init(_ number: Int, _ error: StorageError, isSticky: Bool) {
            self.number = number
            self.error = error
            self.isSticky = isSticky
        }
    }

    /// Segments as a program reads them.
    public typealias Image = [(name: SegmentName, bytes: [UInt8])]

    private var files: [SimulatedFile] = []
    private let random: SeededEntropy

    /// Steps after which the power goes: each write of a sector, and before and after each other change.
    public var cutAfter: Int?
    public private(set) var steps = 0
    /// Whether the power is gone: everything fails until `restart`.
    public private(set) var isOff = false

    public var fault: Fault?
    /// Calls so far.
    public private(set) var operations = 0

    /// Bytes that all files may have; nil for no bound.
    public var capacity: Int?
    /// False for a disk, or a program, that lies: a sync does nothing.
    public var syncsContent = true
    /// Of which files a sync takes effect only with the next one of their stream: what follows it, happens before it.
    var delaysSync: (SegmentName) -> Bool = { _ in false }
    private var delayed: [SimulatedFile] = []
    /// False for a program that does not sync the directory: a power cut may undo that a file was made.
    public var syncsNames = true

    /// All bytes that were ever written.
    public private(set) var written: [[UInt8]] = []
    /// Syncs of a file after one that failed: they look good, and prove nothing.
    public private(set) var vainSyncs = 0

    public init(seed: UInt64) { random = SeededEntropy(seed: seed) }

    /// Pulls the power cord, if that has not happened, and switches on again. Files that are open are dead.
    public func restart(_ cut: Cut = .random) {
        var left: [SimulatedFile] = []
        for file in files where !file.isNameUncertain || survives(cut) { left.append(file.afterCut { survives(cut) }) }
        files = left
        switchOn()
    }

    public var image: Image { files.map { (name: $0.name, bytes: $0.content) } }

    /// Puts an image in the place of everything, durably, and switches on.
    public func restore(_ image: Image) {
        files = image.map { SimulatedFile($0.name, $0.bytes) }
        switchOn()
    }

    private func switchOn() {
        cutAfter = nil
        isOff = false
        delayed = []
    }

    private func survives(_ cut: Cut) -> Bool {
        switch cut {
        case .keepsAll: true
        case .losesAll: false
        case .random: random.oneIn(2)
        }
    }

    private var used: Int { files.reduce(0) { $0 + $1.content.count } }

    public func space() -> (free: UInt64, total: UInt64)? {
        capacity.map { (UInt64(clamping: $0 - used), UInt64(clamping: $0)) }
    }

    public func segments() throws(StorageError) -> [SegmentName] {
        if let error = try operation() { throw error }
        return files.reversed().map { $0.name }
    }

    public func read(_ name: SegmentName, limit: Int) throws(StorageError) -> [UInt8] {
        if let error = try operation() { throw error }
        let content = try file(name).content
        return [UInt8](content.prefix(limit))
    }

    public func create(_ name: SegmentName, size: Int) throws(StorageError) -> any SegmentFile {
        let error = try operation()
        try step()
        if files.contains(where: { $0.name == name }) { throw .failed(17) }
        if let capacity, used + size > capacity { throw .full }
        let file = SimulatedFile(name, [UInt8](repeating: 0, count: size))
        file.isNameUncertain = true
        if let error {
            if random.oneIn(2) { files.append(file) }
            throw error
        }
        files.append(file)
        try step()
        file.isNameUncertain = !syncsNames
        try step()
        return SimulatedSegment(self, file)
    }

    public func sync(_ name: SegmentName) throws(StorageError) { try sync(file(name)) }

    public func trim(_ name: SegmentName, to size: Int) throws(StorageError) {
        if let error = try operation() { throw error }
        try step()
        try file(name).truncate(size)
        try step()
    }

    public func remove(_ name: SegmentName) throws(StorageError) {
        if let error = try operation() { throw error }
        try step()
        for file in files where file.name == name { file.isNameUncertain = true }
        try step()
        files.removeAll { $0.name == name }
        try step()
    }

    func write(_ bytes: Span<UInt8>, at offset: Int, to file: SimulatedFile) throws(StorageError) {
        let error = try operation()
        var copy: [UInt8] = []
        for index in bytes.indices { copy.append(bytes[index]) }
        written.append(copy)
        var start = 0
        while start < copy.count {
            if let error, random.oneIn(3) { throw error }
            let sector = SimulatedFile.sectorSize
            let end = min(copy.count, ((offset + start) / sector + 1) * sector - offset)
            try step()
            file.put([UInt8](copy[start..<end]), at: offset + start)
            start = end
        }
        if let error { throw error }
    }

    func sync(_ file: SimulatedFile) throws(StorageError) {
        let error = try operation()
        if file.hasFailedSync { vainSyncs += 1 }
        try step()
        if let error {
            file.failSync { random.oneIn(2) }
            throw error
        }
        if syncsContent { settle(file) }
        try step()
    }

    private func settle(_ file: SimulatedFile) {
        for late in delayed where late.name.stream == file.name.stream { late.sync() }
        delayed.removeAll { $0.name.stream == file.name.stream }
        if delaysSync(file.name) { delayed.append(file) } else { file.sync() }
    }

    /// Bytes of all files of some streams.
    func size(_ streams: ClosedRange<UInt8>) -> Int {
        files.reduce(0) { streams.contains($1.name.stream) ? $0 + $1.content.count : $0 }
    }

    private func file(_ name: SegmentName) throws(StorageError) -> SimulatedFile {
        guard let file = files.first(where: { $0.name == name }) else { throw .unreadable }
        return file
    }

    /// Counts a call. Its error, if it is to have one, after what it may leave behind.
    private func operation() throws(StorageError) -> StorageError? {
        if isOff { throw .failed(5) }
        operations += 1
        guard let fault else { return nil }
        return operations == fault.number || fault.isSticky && operations > fault.number ? fault.error : nil
    }

    private func step() throws(StorageError) {
        if isOff || steps == cutAfter {
            isOff = true
            throw .failed(5)
        }
        steps += 1
    }
}

/// Gives what is written to the disk.
private final class SimulatedSegment: SegmentFile {
    private let disk: SimulatedDisk
    private let file: SimulatedFile

    init(_ disk: SimulatedDisk, _ file: SimulatedFile) {
        self.disk = disk
        self.file = file
    }

    func write(_ bytes: Span<UInt8>, at offset: Int) throws(StorageError) {
        try disk.write(bytes, at: offset, to: file)
    }

    func sync() throws(StorageError) { try disk.sync(file) }
}
