// SPDX-License-Identifier: Apache-2.0

/// A stream of records that survives power cuts: encrypted, append-only segments on a `Storage`. FORMAT.md beside this
/// file describes what is on the disk.
///
/// Each segment begins with a snapshot of what its owner still needs, so that older ones are history. A commit is one
/// frame: it is written, damaged and recovered as a whole. Not safe for concurrent use.
public final class Journal {
    /// No segment has this number or a higher one.
    static let endOfNumbers: UInt64 = 1 << 63
    /// Older segments that are kept, at most.
    private static let maximumHistoryCount = 64
    /// Segments that failed and cannot be removed, at most.
    private static let maximumAbandonedCount = 8
    private static let maximumReserve: UInt64 = 4 * 1024 * 1024

    let storage: any Storage
    let keys: any SegmentKeys
    let device: [UInt8]
    let stream: UInt8
    /// Bytes of a segment.
    public let segmentSize: Int
    /// nil: the owner removes segments.
    let historySize: Int?

    private var current: SegmentWriter?
    /// Closed segments, oldest first.
    var closed: [ClosedSegment] = []
    /// Segments that never had a durable frame.
    var abandoned: [UInt64] = []
    /// Above the number of every segment that was ever there.
    var nextNumber: UInt64 = 1
    /// The newest segment that is known to be durable: what is older is history.
    var newestDurable: UInt64 = 0
    var isRecovered = false

    /// A journal has one `Storage` directory, and nobody else uses its stream there.
    ///
    /// - Parameters:
    ///   - device: id of the device; segments of another one are not read.
    ///   - segmentSize: bytes of a segment, 4 KiB to 1 MiB. A snapshot should need less than half of it.
    ///   - historySize: bytes of older segments that are kept, at most 64 segments; nil: all, until the owner removes
    ///     them, as they hold what no snapshot stands for.
    public init(
        storage: any Storage, keys: any SegmentKeys, device: [UInt8], stream: UInt8, segmentSize: Int = 65_536,
        historySize: Int? = 262_144
    ) {
        self.storage = storage
        self.keys = keys
        self.device = device
        self.stream = stream
        let sizes = SegmentHeader.sizes
        self.segmentSize = min(max(segmentSize, sizes.lowerBound), sizes.upperBound) / 8 * 8
        self.historySize = historySize
    }

    /// Makes `records` durable, all or none: one frame and, but for the first of a segment, one sync.
    ///
    /// A new segment is begun by the first commit, when there is no room, and after any failure, as what a failed write
    /// left behind is unknown; `snapshot` gives what its owner still needs, as of before `records`. What fails is tried
    /// once more in a new segment. If that fails too it throws: the records may turn up after a restart, but not once a
    /// later commit has succeeded.
    public func commit(_ records: [[UInt8]], snapshot: () -> [[UInt8]]) throws(JournalError) {
        guard isRecovered else { throw .outOfOrder }
        var isSecondTry = false
        if let current, current.hasRoom(for: FrameRecords.frameCount(records)) {
            do throws(JournalError) { return try current.append(records) } catch { isSecondTry = true }
            close()
        }
        let all = snapshot() + records
        guard FrameRecords.frameCount(all) <= segmentSize - SegmentHeader.count else { throw .tooLarge }
        // From here on a newer segment may be on the disk, which would hide what is appended to this one.
        close()
        // Also before, so that power cuts at every start do not add up to files without end.
        trim()
        dropHistory()
        do throws(JournalError) {
            try begin(all)
        } catch {
            if isSecondTry { throw error }
            if error == .storage(.full) && historySize != nil { try beginInPlaceOfHistory(all) } else { try begin(all) }
        }
        trim()
        dropHistory()
    }

    /// Gives all records of all segments that are kept, oldest first, to `record`. Snapshots are among them, so a
    /// record may come again; what cannot be read for good is left out.
    public func history(_ record: (_ bytes: Span<UInt8>) -> Void) throws(JournalError) {
        guard isRecovered else { throw .outOfOrder }
        for segment in closed { try read(segment.number, end: segment.end, record) }
        if let current { try read(current.number, end: current.end, record) }
    }

    /// The numbers of all segments that are kept, oldest first.
    public var segments: [UInt64] {
        var numbers: [UInt64] = []
        for segment in closed { numbers.append(segment.number) }
        if let current { numbers.append(current.number) }
        return numbers
    }

    /// The newest segment, of this run or of the one before; nil if there is none.
    public var newest: UInt64? { current?.number ?? closed.last?.number }

    /// Bytes of the newest segment that hold something.
    public var newestEnd: Int { current?.end ?? closed.last?.end ?? 0 }

    /// Whether the next commit, of `records` and one of `count` bytes, begins a segment.
    public func needsSegment(for records: [[UInt8]], and count: Int) -> Bool {
        guard let current else { return true }
        // Its length, and what rounding up takes.
        return !current.hasRoom(for: FrameRecords.frameCount(records) + 4 + (count + 7) / 8 * 8 + 8)
    }

    /// Whether another segment would leave less free space than is kept for others: a twentieth of the file system, but
    /// at most 4 MiB.
    public var isShortOfSpace: Bool {
        guard let (free, total) = storage.space() else { return false }
        return free < min(total / 20, Self.maximumReserve) + UInt64(segmentSize)
    }

    /// The frames of a segment, as they are at this moment. Nil if it cannot be read for good.
    public func frames(of number: UInt64) throws(JournalError) -> SegmentFrames? {
        guard isRecovered else { throw .outOfOrder }
        guard let content = try content(number), let reader = try reader(number, content) else { return nil }
        return SegmentFrames(reader)
    }

    /// Removes a segment that is not the newest. False if it is to be tried again.
    public func remove(segment number: UInt64) -> Bool {
        guard let index = closed.firstIndex(where: { $0.number == number }), number < newestDurable, remove(number)
        else { return false }
        closed.remove(at: index)
        return true
    }

    private func read(
        _ number: UInt64, end: Int, _ record: (_ bytes: Span<UInt8>) -> Void
    ) throws(JournalError) {
        guard var content = try content(number) else { return }
        content.removeLast(max(0, content.count - end))
        guard var reader = try reader(number, content) else { return }
        while reader.next() {
            let plaintext = reader.plaintext
            _ = FrameRecords.read(plaintext.span) { bytes, _ in record(bytes) }
        }
    }

    func name(_ number: UInt64) -> SegmentName { SegmentName(stream: stream, number: number) }

    /// nil if `content` does not begin with the header of the segment `number`.
    func reader(_ number: UInt64, _ content: [UInt8]) throws(JournalError) -> SegmentReader? {
        guard let header = SegmentHeader(name(number), content: content.span) else { return nil }
        guard let cipher = FrameCipher(keys, device: device, stream: stream, header: header) else { throw .noKeys }
        return SegmentReader(content, cipher, size: header.size)
    }

    private func close() {
        guard let writer = current else { return }
        closed.append(ClosedSegment(number: writer.number, size: segmentSize, end: writer.end))
        current = nil
    }

    /// Cuts off what closed segments do not need. Only when a newer one is durable: until then a short one means damage.
    private func trim() {
        for index in closed.indices where closed[index].end < closed[index].size {
            let segment = closed[index]
            if segment.number >= newestDurable { continue }
            if (try? storage.trim(name(segment.number), to: segment.end)) != nil { closed[index].size = segment.end }
        }
    }

    /// Removes the oldest segments until the history is within its bounds. What cannot be removed is tried again later.
    private func dropHistory() {
        removeAbandoned()
        guard let bytes = historySize else { return }
        var total = 0
        var count = 0
        for segment in closed where segment.number < newestDurable {
            total += segment.size
            count += 1
        }
        var rest: [ClosedSegment] = []
        for segment in closed {
            let isExcess = segment.number < newestDurable && (total > bytes || count > Self.maximumHistoryCount)
            if isExcess && remove(segment.number) {
                total -= segment.size
                count -= 1
            } else {
                rest.append(segment)
            }
        }
        closed = rest
    }

    /// Gives up history, the oldest segment first, until there is room.
    private func beginInPlaceOfHistory(_ records: [[UInt8]]) throws(JournalError) {
        while let oldest = closed.first, oldest.number < newestDurable, remove(oldest.number) {
            closed.removeFirst()
            do throws(JournalError) { return try begin(records) } catch {
                if error != .storage(.full) { throw error }
            }
        }
        try begin(records)
    }

    private func removeAbandoned() {
        var rest: [UInt64] = []
        for number in abandoned where !remove(number) { rest.append(number) }
        abandoned = rest
    }

    private func remove(_ number: UInt64) -> Bool { (try? storage.remove(name(number))) != nil }

    private func begin(_ records: [[UInt8]]) throws(JournalError) {
        removeAbandoned()
        guard nextNumber < Self.endOfNumbers, abandoned.count < Self.maximumAbandonedCount else {
            throw .storage(.full)
        }
        let number = nextNumber
        nextNumber += 1
        do throws(JournalError) {
            current = try SegmentWriter(
                name(number), size: segmentSize, records: records, storage: storage, keys: keys, device: device)
        } catch {
            abandoned.append(number)
            removeAbandoned()
            throw error
        }
        newestDurable = number
    }
}

/// A segment that nothing is appended to any longer.
struct ClosedSegment {
    let number: UInt64
    /// Bytes of the file.
    var size: Int
    /// Bytes of it that are worth keeping.
    let end: Int
}
