// SPDX-License-Identifier: Apache-2.0

public import MartletAudit
internal import MartletCBOR
public import MartletCOSE
public import MartletCommands
public import MartletEnvelope
public import MartletJournal
internal import MartletMessages

/// What survives the program: the control stream of the journal.
///
/// Changes are put down in memory, in order, and become durable together by `flush`: one frame, one fdatasync. Nothing
/// may follow from a change before `flush` said true. Not safe for concurrent use.
public final class DeviceState {
    /// The journal's stream.
    public static let stream: UInt8 = 1
    /// Bytes of a segment: a snapshot has at most some 55 KiB, and the largest record 12 KiB.
    public static let segmentSize = 96 * 1024
    /// Bytes of changes that may wait for a flush; more are flushed at once.
    public static let flushSize = 4096
    /// Bytes of changes that one frame takes beside a snapshot.
    static let maximumFrame = 24 * 1024
    /// Audit entries of which a copy is kept in memory, for the next checkpoint, and the most that one takes.
    static let recentCapacity = 64
    /// Changes that may wait while the disk takes none; more audit entries are only counted.
    static let maximumPending = 256

    /// How far numbers go on above what a damaged journal knows of.
    public static let damageMargin: UInt64 = 1 << 24

    /// All but the ledger.
    struct Values {
        var settings = Settings()
        /// The end of the audit log, waiting entries included, but for the one below.
        var chain = AuditChain()
        /// The record of the last entry, while its hash has not been taken; empty if there is none.
        var unlinked: [UInt8] = []
    }

    /// What seldom changes. Replaced as a whole, so that a mark costs little.
    final class Settings {
        var run: RunState?
        /// The trust document as it was received; empty if there is none.
        var trust: [UInt8] = []
        /// The pinned root that it goes back to, as SHA-256 of the key; empty before the first run.
        var root: [UInt8] = []
        /// Milliseconds since 1970.
        var floor: Int64?
        var isSuspended = false
        /// What was used of the quotas, at most; nil if there never were any.
        var usage: Usage?
        /// The highest audit entry that the back end has.
        var told: UInt64 = 0

        init() {}

        init(_ other: Settings) {
            (run, trust, root) = (other.run, other.trust, other.root)
            (floor, isSuspended, usage, told) = (other.floor, other.isSuspended, other.usage, other.told)
        }
    }

    /// A point to go back to.
    public struct Mark {
        fileprivate let values: Values
        /// Records that were put before, flushed ones included.
        fileprivate let count: Int
        fileprivate let lost: UInt64
    }

    /// What the commands of all runs came to.
    public let ledger = Ledger()
    /// Places of the journal that could not be read.
    public let damage: Int

    private let journal: Journal
    private let hashing: any Hashing
    private var values = Values()
    private var pending: [[UInt8]] = []
    private var pendingSize = 0
    /// Records that were put and flushed.
    private var flushed = 0
    /// The last durable audit entry when the journal was read.
    private let recoveredHead: ChainHead?
    /// The record of the last one since then; empty if there was none.
    private var newestEntry: [UInt8] = []
    /// The records of the newest durable entries: a ring once it has `recentCapacity`; the oldest is at `oldest`.
    private var recent: [[UInt8]] = []
    private var oldest = 0
    /// Records of the newest flush, whose entries are not among these yet.
    private var unfiled: [[UInt8]] = []
    /// Entries that were not written down since too many waited.
    private var lost: UInt64 = 0

    /// Reads what is there. Whatever is damaged is left out; `journal` was not used before.
    public init(_ journal: Journal, hashing: any Hashing) throws(JournalError) {
        self.journal = journal
        self.hashing = hashing
        let reading = Reading(ledger: ledger, hashing: hashing)
        let recovery = try journal.recover { reading.take($0, isFirst: $1) }
        values = reading.values
        damage = recovery.damage + reading.damage
        recoveredHead = values.chain.head
        recent = reading.recent
        ledger.endRecovery()
        if damage > 0, let head = recoveredHead {
            // The newest entries may be what was damaged, and the back end may have them.
            values.chain = AuditChain(
                after: ChainHead(sequence: head.sequence &+ Self.damageMargin, digest: head.digest))
        }
    }

    // MARK: What holds

    public var run: RunState? { values.settings.run }
    public var trust: [UInt8] { values.settings.trust }
    public var root: [UInt8] { values.settings.root }
    public var floor: Int64? { values.settings.floor }
    public var isSuspended: Bool { values.settings.isSuspended }
    public var usage: Usage? { values.settings.usage }
    /// The highest audit entry that the back end has.
    public var told: UInt64 { values.settings.told }

    // MARK: Changes

    public func put(_ run: RunState) {
        change { $0.run = run }
        put(RecordKind.run.record(run.encoded() ?? []))
    }

    /// An entry of the ledger that changed.
    public func put(_ entry: Ledger.Entry) { put(ledger.encode(entry, after: RecordKind.ledger.rawValue)) }

    /// `digest`: of the pinned root that the trust document goes back to.
    public func put(root digest: [UInt8]) {
        change { $0.root = digest }
        put(RecordKind.root.record(digest))
    }

    /// `message`: the trust document as it was received; empty if there is none any longer.
    public func put(trust message: [UInt8]) {
        change { $0.trust = message }
        put(RecordKind.trust.record(message))
    }

    /// Milliseconds since 1970.
    public func put(floor: Int64) {
        change { $0.floor = floor }
        putFacts()
    }

    public func put(isSuspended: Bool) {
        change { $0.isSuspended = isSuspended }
        putFacts()
    }

    /// The back end has the audit log up to this entry.
    public func put(told index: UInt64) {
        if index == told { return }
        change { $0.told = index }
        putFacts()
    }

    /// Whether what was used of the quotas waits for a flush.
    public var hasPendingUsage: Bool { pending.contains { $0.first == RecordKind.usage.rawValue } }

    public func put(_ usage: Usage) {
        change { $0.usage = usage }
        put(RecordKind.usage.record(usage.encoded() ?? []))
    }

    private func change(_ body: (Settings) -> Void) {
        let settings = Settings(values.settings)
        body(settings)
        values.settings = settings
    }

    /// Adds an entry to the audit log.
    ///
    /// False, and it is only counted, if too many wait for the disk already.
    @discardableResult
    public func note(_ kind: AuditKind, _ noted: [AuditValue], _ time: AuditTime) -> Bool {
        if pending.count >= Self.maximumPending {
            lost += 1
            return false
        }
        if lost > 0, append(.damaged, [.number(lost)], time) { lost = 0 }
        return append(kind, noted, time)
    }

    private func append(_ kind: AuditKind, _ noted: [AuditValue], _ time: AuditTime) -> Bool {
        linkEntry()
        guard let record = values.chain.next(kind, noted, at: time, after: RecordKind.entry.rawValue) else {
            return false
        }
        values.unlinked = record
        put(record)
        return true
    }

    /// Takes the hash of the last audit entry.
    private func linkEntry() {
        if values.unlinked.isEmpty { return }
        let record = values.unlinked
        values.chain.link(record.span.extracting(droppingFirst: 1), hashing: hashing)
        values.unlinked = []
    }

    /// The audit log goes on above `head`, which the back end has seen.
    public func skipAudit(to head: ChainHead) {
        linkEntry()
        if values.chain.skip(to: head) { putFacts() }
    }

    private func put(_ record: [UInt8]) {
        pendingSize += record.count
        pending.append(record)
    }

    private func putFacts() { put(RecordKind.facts.record(facts(head: auditEnd))) }

    // MARK: Durability

    /// Does what an audit entry and a flush leave to be done. Whoever needs it does so; to be called when nobody waits.
    public func settle() {
        linkEntry()
        fileRecords()
    }

    public var hasPending: Bool { !pending.isEmpty }
    /// Whether what waits should not wait any longer.
    public var mustFlush: Bool { pendingSize >= Self.flushSize }

    public var mark: Mark { Mark(values: values, count: flushed + pending.count, lost: lost) }

    /// Takes back what was put since `mark`, if it was not flushed. The ledger is the caller's.
    public func rollBack(to mark: Mark) {
        values = mark.values
        lost = mark.lost
        pending.removeLast(min(pending.count, max(0, flushed + pending.count - mark.count)))
        pendingSize = pending.reduce(0) { $0 + $1.count }
    }

    /// Makes everything durable that was put, in one frame but for what collected while the disk took nothing; what was
    /// put since `mark`, all of it or nothing. False, and what is left still waits, if that was not possible.
    public func flush(group mark: Mark? = nil) -> Bool {
        while !pending.isEmpty {
            let before = mark.map { max(0, $0.count - flushed) } ?? pending.count
            let isWhole = pendingSize <= Self.maximumFrame || before == 0
            var (count, size) = (0, 0)
            while count < pending.count,
                isWhole || count == 0 || count < before && size + pending[count].count <= Self.flushSize
            {
                size += pending[count].count
                count += 1
            }
            let records = count == pending.count ? pending : [[UInt8]](pending.prefix(count))
            do throws(JournalError) {
                try journal.commit(records) { self.snapshot() }
            } catch {
                return false
            }
            fileRecords()
            if count == pending.count {
                swap(&pending, &unfiled)
            } else {
                pending.removeFirst(count)
                unfiled = records
            }
            pendingSize -= size
            flushed += count
        }
        ledger.endedAreDurable()
        return true
    }

    private func fileRecords() {
        if unfiled.isEmpty { return }
        for entry in unfiled where entry.first == RecordKind.entry.rawValue {
            newestEntry = entry
            if recent.count < Self.recentCapacity {
                recent.append(entry)
            } else {
                recent[oldest] = entry
                oldest = (oldest + 1) % Self.recentCapacity
            }
        }
        unfiled.removeAll(keepingCapacity: true)
    }

    /// Everything that holds, in the order in which it is read. The audit log ends before the entries that wait.
    private func snapshot() -> [[UInt8]] {
        var records = [RecordKind.facts.record(facts(head: auditHead))]
        if let run, let bytes = run.encoded() { records.append(RecordKind.run.record(bytes)) }
        if !trust.isEmpty { records.append(RecordKind.trust.record(trust)) }
        if !root.isEmpty { records.append(RecordKind.root.record(root)) }
        if let bytes = usage?.encoded() { records.append(RecordKind.usage.record(bytes)) }
        for entry in ledger.entries { records.append(ledger.encode(entry, after: RecordKind.ledger.rawValue)) }
        return records
    }

    // MARK: The audit log

    /// The last durable entry. Its hash is taken when somebody asks: nobody does while commands come and go.
    public var auditHead: ChainHead? {
        fileRecords()
        return newestEntry.isEmpty ? recoveredHead : head(of: RecordKind.body(of: newestEntry))
    }

    /// Where the log ends, entries that wait included.
    public var auditEnd: ChainHead? {
        linkEntry()
        return values.chain.head
    }

    /// How many entries the back end does not have, those that wait included.
    public var untoldCount: UInt64 {
        let last = auditEnd?.sequence ?? 0
        return last - min(last, told)
    }

    /// The oldest durable entries that the back end does not have, at most `count` and so many bytes; nil if they cannot
    /// be read now, which does not mean that they are missing.
    public func untold(count: Int, size: Int) -> [[UInt8]]? {
        fileRecords()
        let told = self.told
        let recent = self.recent.indices.map { RecordKind.body(of: self.recent[(oldest + $0) % self.recent.count]) }
        if let oldest = recent.first.flatMap({ Self.index(of: $0.span) }), oldest > told &+ 1 {
            // Those before are on disk only, after some that a failed commit left there and others replaced.
            var older: [[UInt8]] = []
            do throws(JournalError) {
                try journal.history { record in
                    guard record.count > 1, record[0] == RecordKind.entry.rawValue,
                        let index = Self.index(of: record.extracting(droppingFirst: 1)), index > told
                    else { return }
                    // An entry that never counted may be followed by another in its place: that one holds.
                    while let last = older.last, Self.index(of: last.span) ?? 0 >= index { older.removeLast() }
                    if older.count < count { older.append([UInt8](copying: record.extracting(droppingFirst: 1))) }
                }
            } catch {
                return nil
            }
            if !older.isEmpty { return Self.fitting(older, after: told, count, size) }
        }
        return Self.fitting(recent, after: told, count, size)
    }

    /// First and last index of the entries that the back end never had and that gave way to newer ones; nil if there are
    /// none. `entries`: what `untold` gave.
    public func givenUp(before entries: [[UInt8]]) -> (first: UInt64, last: UInt64)? {
        guard let oldest = entries.first, let index = Self.index(of: oldest.span), index > told &+ 1,
            let kind = Self.kind(of: oldest.span), kind != .rolledBack, kind != .damaged
        else { return nil }
        return (told &+ 1, index &- 1)
    }

    /// Entries that one checkpoint tells: they follow each other, as far as the back end can see.
    private static func fitting(_ entries: [[UInt8]], after told: UInt64, _ count: Int, _ size: Int) -> [[UInt8]] {
        var fitting: [[UInt8]] = []
        var room = size
        var next: UInt64 = 0
        for bytes in entries {
            guard let index = index(of: bytes.span), index > told else { continue }
            room -= bytes.count + 3
            if fitting.count >= count || room < 0 { break }
            // A rollback skips to what the back end has seen. Any other skip is a loss, which the next checkpoint tells.
            if !fitting.isEmpty, index != next, kind(of: bytes.span) != .rolledBack { break }
            next = index &+ 1
            fitting.append(bytes)
        }
        return fitting
    }

    /// Index and hash of an entry.
    public func head(of entry: [UInt8]) -> ChainHead? {
        Self.index(of: entry.span).map { ChainHead(sequence: $0, digest: hashing.sha256(entry.span)) }
    }

    /// The first member of an entry that this object wrote.
    static func index(of entry: Span<UInt8>) -> UInt64? {
        var reader = CBORReader(entry)
        guard (try? reader.array(exactly: 5)) != nil else { return nil }
        return try? reader.unsigned()
    }

    /// The third one. The log skips numbers before an entry about a rollback or damage.
    private static func kind(of entry: Span<UInt8>) -> AuditKind? {
        var reader = CBORReader(entry)
        guard (try? reader.array(exactly: 5)) != nil, (try? reader.unsigned()) != nil, (try? reader.bytes()) != nil,
            let code = try? reader.unsigned()
        else { return nil }
        return AuditKind(rawValue: UInt8(clamping: code))
    }
}
