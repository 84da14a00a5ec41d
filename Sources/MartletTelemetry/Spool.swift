// SPDX-License-Identifier: Apache-2.0

public import MartletEnvelope
public import MartletCOSE
public import MartletJournal
public import MartletMessages

/// Signed envelopes of one lane, in order, from signing until the back end has them: one stream of the journal, whose
/// records SPOOL.md describes. Their bytes never change; they are sent again exactly as they are.
///
/// What was appended waits in memory for `commit`, and no link sees it before. In memory is, besides, what is on its way,
/// what was read for that, and a copy of what was committed last. Not safe for concurrent use.
public final class Spool {
    /// Bytes of a segment for spools that have so many bytes together: an eighth, 64 to 128 KiB.
    public static func segmentSize(_ limit: Int) -> Int {
        min(max(limit / 8, 65_536), maximumSegmentSize) / 4096 * 4096
    }

    /// No file of a spool is larger.
    private static let maximumSegmentSize = 131_072

    /// Bytes of a block.
    private static let blockSize = 4096

    /// Bytes of envelopes that were committed and are kept in memory, too, unless the last commit had more.
    static let maximumCopied = 32 * 1024
    /// Bytes of memory that are kept for later envelopes.
    private static let maximumSpare = 16 * 1024

    /// The journal's stream of a lane.
    public static func stream(_ lane: Lane) -> UInt8 { 2 + lane.rawValue }

    struct Entry {
        enum State { case unsent, sent, done }

        var state = State.unsent
        let readings: UInt32
        /// nil if it was read from the disk.
        let digest: Digest?
        /// Record kind 2.
        var record: [UInt8]
        /// The place behind it.
        let end: SpoolPosition

        var sequence: UInt64 { end.sequence &- 1 }
    }

    struct Segment {
        let number: UInt64
        /// The lane where the segment begins; nil if it was not read yet.
        var start: SpoolState?
    }

    let journal: Journal
    /// Bytes of one file.
    public let segmentSize: Int
    /// Oldest first.
    var segments: [Segment] = []
    /// What is durable.
    var state = SpoolState()
    /// What will be, with the next commit.
    private var end = SpoolState()
    /// Everything before this place is done.
    var released = SpoolPosition()
    /// Places before this one are in `front` or released.
    var loaded = SpoolPosition()
    /// The oldest envelopes, of which the first one is not done.
    var front = EntryQueue()
    /// How many of them are unsent, and done.
    var unsentCount = 0
    var doneCount = 0
    /// The newest durable envelopes, without a hole.
    var newest = EntryQueue()
    var newestSize = 0
    /// What waits for a commit: the envelopes, and all records.
    private var uncommitted: [Entry] = []
    private var records: [[UInt8]] = []
    /// The last of them, while they are written.
    private var endRecord: [UInt8] = []
    /// Memory of envelopes that are gone, so that a steady flow allocates nothing.
    private var spare: [[UInt8]] = []
    private var spareSize = 0
    /// Bytes of envelopes that wait for a commit.
    public private(set) var uncommittedSize = 0
    /// How often something became durable.
    var commits = 0
    var reading: Reading?
    /// Whether the last try to read did not fail for want of memory or descriptors. If it did, what is unsent is worth
    /// another try later.
    public internal(set) var isReadable = true
    /// What was committed and cannot be read any more, and was not told yet.
    public internal(set) var losses: [Gap] = []

    /// What the journal's last run left; nil if there was nothing. `head` is nil if nothing can be linked to it.
    public let recovered: (next: UInt64, head: ChainHead?)?
    /// Places of the newest segment that could not be read: `recovered` may be behind what was sent.
    public let damage: Int

    /// Reads the newest segment, and where the oldest begins. `journal` was not used before, and keeps all segments
    /// (`historySize` is nil).
    public init(_ journal: Journal) throws(JournalError) {
        self.journal = journal
        segmentSize = journal.segmentSize
        let newest = Newest()
        let recovery = try journal.recover { newest.take($0, isFirst: $1) }
        damage = recovery.damage + newest.damage
        recovered = newest.last.map { ($0.end.sequence, $0.head) }
        for number in journal.segments { segments.append(Segment(number: number, start: nil)) }
        if let last = newest.last { state = last }
        end = state
        released = state.released
        if segments.isEmpty {
            loaded = released
            return
        }
        let last = segments.count - 1
        if damage == 0 { segments[last].start = newest.start } else { _ = try readStart(of: last) }
        // What is gone from the begin was released, or told as a gap, and no commit has said so yet.
        if let first = try readStart(of: 0)?.end, first.sequence > released.sequence { released = first }
        loaded = released
    }

    /// What recovery makes of the records of the newest segment.
    private final class Newest {
        var start: SpoolState?
        var last: SpoolState?
        var damage = 0

        func take(_ record: Span<UInt8>, isFirst: Bool) {
            guard record.count > 0 else {
                damage += 1
                return
            }
            if let state = SpoolState(record: record) {
                if isFirst { start = state }
                last = state
            } else if record[0] != SpooledEnvelope.kind {
                damage += 1
            }
        }
    }

    // MARK: What is there

    /// Envelopes that the back end does not have.
    public var count: Int {
        let waiting = state.end.envelopes - min(released.envelopes, state.end.envelopes)
        return Int(clamping: waiting + UInt64(uncommitted.count)) - doneCount
    }

    /// Whether there is an envelope that no link has and that is durable.
    public var hasUnsent: Bool { unsentCount > 0 || loaded.envelopes < state.end.envelopes }

    /// Readings that are durable and that the back end does not have.
    public var readings: UInt64 { state.end.readings - min(released.readings, state.end.readings) }

    /// Whether another file would take what is kept free for others.
    public var isShortOfSpace: Bool { journal.isShortOfSpace }

    /// Trusted time, in seconds since 1970, at which all of the oldest segment was durable at the latest. nil if that is
    /// not known, or there is no other segment.
    public var oldestTime: UInt64? {
        // A look reads no more than so many.
        for place in 1..<max(1, min(segments.count, 17)) {
            if let time = start(of: place)?.time, time > 0 { return time }
        }
        return nil
    }

    /// Bytes on the disk, which has whole blocks: more than an Int of 32 bits has, if many segments were not read.
    public var size: UInt64 {
        guard var begin = segments.first?.start?.bytes, segments.last?.start != nil else {
            return UInt64(clamping: segments.count) * UInt64(clamping: segmentSize)
        }
        var size = UInt64(clamping: segmentSize)
        // Segments since `begin`, which is not known of all.
        var count: UInt64 = 0
        for segment in segments.dropFirst() {
            count += 1
            guard let end = segment.start?.bytes else { continue }
            let most = count * UInt64(Self.maximumSegmentSize)
            let used = min(end - min(begin, end), most) + count * UInt64(Self.blockSize - 1)
            size += min(used / UInt64(Self.blockSize) * UInt64(Self.blockSize), most)
            begin = end
            count = 0
        }
        return size
    }

    // MARK: Appending

    /// The lane goes on at `next`, and its next envelope is linked to `head`.
    public func begin(at next: UInt64, after head: ChainHead?) {
        if loaded == end.end && uncommitted.isEmpty {
            // Nothing is between: nobody has to read the record.
            loaded.sequence = next
            advance()
        }
        end.end.sequence = next
        end.head = head
        records.append(end.record)
    }

    /// Takes what `write` appends to a buffer, for the next commit. False, and nothing was done, if too much
    /// waits for it. If it throws, nothing was appended.
    ///
    /// `sequence` is where the lane goes on: what is left out without `begin` counts as lost.
    public func append(
        sequence: UInt64, readings: Int, _ write: (inout [UInt8]) throws(EnvelopeError) -> Digest
    ) throws(EnvelopeError) -> Bool {
        // Half a segment, and one envelope more, fits into a segment.
        guard uncommittedSize < segmentSize / 2 else { return false }
        var record = spare.popLast() ?? []
        spareSize -= record.capacity
        SpooledEnvelope.begin(&record, sequence: sequence, readings: readings)
        let digest = try write(&record)
        end.end.sequence = sequence &+ 1
        end.end.envelopes += 1
        end.end.readings += UInt64(clamping: readings)
        end.head = ChainHead(sequence: sequence, digest: digest)
        uncommittedSize += record.count
        uncommitted.append(
            Entry(readings: UInt32(clamping: readings), digest: digest, record: record, end: end.end))
        records.append(record)
        return true
    }

    /// Makes durable what was appended, in one frame, with how far the back end has what was there before. If it throws,
    /// everything still waits.
    ///
    /// `time`: trusted time in seconds since 1970; 0 if that is not known.
    public func commit(at time: UInt64) throws(JournalError) {
        guard !records.isEmpty || state.released != released else { return }
        let before = journal.newest
        var snapshot = state
        snapshot.released = released
        snapshot.time = time
        snapshot.bytes = (segments.last?.start?.bytes ?? state.bytes) + UInt64(journal.newestEnd)
        end.released = released
        end.time = time
        end.write(to: &endRecord)
        records.append(endRecord)
        do throws(JournalError) {
            try journal.commit(records) { [snapshot.record] }
        } catch {
            records.removeLast()
            throw error
        }
        if let newest = journal.newest, newest != before {
            segments.append(Segment(number: newest, start: snapshot))
        }
        commits += 1
        let isNext = unsentCount == 0 && loaded == state.end
        state = end
        records.removeAll(keepingCapacity: true)
        if isNext { showNext() } else { keepCopies() }
        uncommitted.removeAll(keepingCapacity: true)
        uncommittedSize = 0
        removeReleased()
    }

    /// Whether the next commit begins a segment, so that `size` grows by one.
    public var needsSegment: Bool {
        !records.isEmpty && journal.needsSegment(for: records, and: SpoolState.capacity)
    }

    /// What was just committed is to be sent next: everything before it was.
    private func showNext() {
        guard let last = uncommitted.last else { return }
        loaded = last.end
        front.append(contentsOf: uncommitted)
        unsentCount = uncommitted.count
    }

    /// What was just committed stays in memory, and of what was before as much as there is room for.
    private func keepCopies() {
        let most = max(Self.maximumCopied, uncommittedSize)
        newest.append(contentsOf: uncommitted)
        newestSize += uncommittedSize
        while newestSize > most, !newest.isEmpty { removeCopy() }
    }

    // MARK: Sending

    /// Shows the oldest unsent envelope to `send`, which says whether a link took it. False if there is none or it
    /// was not taken.
    public func sendNext(_ send: (_ sequence: UInt64, _ readings: Int, _ envelope: Span<UInt8>) -> Bool) -> Bool {
        while unsentCount == 0 { guard hasUnsent, load() else { return false } }
        guard let place = front.firstUnsent() else { return false }
        let (sequence, readings, record) = (front[place].sequence, front[place].readings, front.record(place))
        guard
            send(
                sequence, Int(clamping: readings),
                record.span.extracting(droppingFirst: SpooledEnvelope.headCount))
        else { return false }
        front[place].state = .sent
        unsentCount -= 1
        return true
    }

    /// Brings the next envelopes into `front`; false if there are none that can be read now.
    private func load() -> Bool {
        while loaded.sequence < copiesBegin {
            guard readFrame() else { return false }
            if unsentCount > 0 { return true }
        }
        if newest.isEmpty { return false }
        loaded = newest[0].end
        front.append(newest[0])
        removeCopy()
        unsentCount += 1
        return true
    }

    func removeCopy() {
        newestSize -= newest[0].record.count
        newest.removeFirst()
    }

    /// The back end has it.
    public func release(_ sequence: UInt64) {
        if let place = place(of: sequence) { finish(place) }
    }

    /// The link gave it back: it is unsent again.
    public func restore(_ sequence: UInt64) {
        if let place = place(of: sequence), front[place].state == .sent {
            front.restore(place)
            unsentCount += 1
        }
    }

    /// What would be given up with one envelope that is in memory, by `release`.
    public func gap(of sequence: UInt64, _ reason: GapReason) -> Gap? {
        guard let place = place(of: sequence), front[place].state != .done else { return nil }
        let entry = front[place]
        return Gap(
            first: sequence, last: sequence, readings: UInt64(entry.readings), reason: reason, digest: entry.digest)
    }

    private func place(of sequence: UInt64) -> Int? { front.firstPlace { $0.sequence == sequence } }

    /// The envelope at `place` of `front` is done.
    private func finish(_ place: Int) {
        if front[place].state == .done { return }
        if front[place].state == .unsent { unsentCount -= 1 }
        front[place].state = .done
        doneCount += 1
        advance()
    }

    /// What is done at the begin of `front` is released. Not what is behind a loss that nobody was told of.
    func advance() {
        guard losses.isEmpty else { return }
        while !front.isEmpty, front[0].state == .done {
            released = front[0].end
            keepMemory(of: &front[0].record)
            front.removeFirst()
            doneCount -= 1
        }
        if front.isEmpty { released = loaded }
        removeReleased()
    }

    private func keepMemory(of record: inout [UInt8]) {
        if spareSize + record.capacity > Self.maximumSpare { return }
        spareSize += record.capacity
        spare.append([])
        swap(&spare[spare.count - 1], &record)
    }

    /// Removes segments of which nothing is needed. What cannot be removed is tried again with the next one.
    func removeReleased() {
        while segments.count > 1, let next = segments[1].start, next.end.sequence <= released.sequence {
            guard journal.remove(segment: segments[0].number) else { return }
            segments.removeFirst()
        }
    }
}
