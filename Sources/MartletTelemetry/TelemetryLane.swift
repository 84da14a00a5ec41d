// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
public import MartletEnvelope
public import MartletJournal
internal import MartletMessages

/// One lane: closes batches into envelopes, numbers, links and signs them, and puts them into the spool.
///
/// Sequence numbers come from a reservation that its owner made durable before: a number is never used twice, even
/// if the spool is damaged.
public struct TelemetryLane {
    public let lane: Lane
    public let spool: Spool
    /// What was given up and not told yet.
    public var gaps: GapList
    /// The last envelope.
    public private(set) var head: ChainHead?
    /// The last one that a power cut cannot take back.
    public private(set) var durableHead: ChainHead?
    /// The next sequence number.
    public private(set) var next: UInt64
    /// Envelopes below this number were durable, and may have been sent.
    public private(set) var durableNext: UInt64
    /// Numbers below this one may be used.
    public var reservedUntil: UInt64
    /// Boot time at which what was closed must be made durable; nil if nothing waits for that.
    public var commitDue: UInt64?
    /// Readings that were closed in this run, and those of them that are durable.
    public private(set) var closed: UInt64 = 0
    public private(set) var durable: UInt64 = 0
    private var payload: [UInt8]
    private let commitSize: Int

    /// `least`: numbers below this one were used; `reserved`: no number from there on was.
    ///
    /// If the spool is damaged, or knows less than was used, numbers above what it knows of may have been used, and what
    /// they were is lost. It knows less after a disk failed to write and then told of success: what the next run read
    /// and sent was in the system's memory alone.
    public init(
        lane: Lane, spool: Spool, least: UInt64, reserved: UInt64, gaps: GapList, limits: ReadingBatch.Limits,
        spoolLimits: SpoolLimits = SpoolLimits()
    ) {
        self.lane = lane
        self.spool = spool
        self.gaps = gaps
        payload = [UInt8](repeating: 0, count: ReadingBatch.packSize(limits))
        commitSize = spoolLimits.commitSize
        if let (next, head) = spool.recovered, spool.damage == 0 && next >= least || next >= reserved {
            self.next = next
            self.head = head
            durableHead = head
            durableNext = next
            reservedUntil = max(reserved, next)
            return
        }
        let first = spool.recovered?.next ?? 0
        let isDamaged = spool.damage > 0 || spool.recovered != nil || least > 0
        if isDamaged, first < reserved {
            self.gaps.add(Gap(first: first, last: reserved - 1, readings: 0, reason: .corrupt, digest: nil))
        }
        next = reserved
        durableNext = max(least, first)
        reservedUntil = reserved
        spool.begin(at: reserved, after: nil)
        // So that the next start does not find and tell the same damage.
        if isDamaged { commitDue = 0 }
    }

    /// Closes `batch` into one signed envelope. False, and nothing was done, if there is no reserved number, or too much
    /// waits for the disk.
    ///
    /// `claims`: what they say of the moment; here they get what they say of the lane. `wallClock`: see
    /// `ReadingBatch.encode`. If it throws, the readings are still in the batch and no number was used.
    public mutating func close(
        _ batch: inout ReadingBatch, claims: inout Claims, now: UInt64, wallClock: Int64?, sealer: EnvelopeSealer
    ) throws(EnvelopeError) -> Bool {
        guard let due = batch.due else { return true }
        if next >= reservedUntil { return false }
        let size = batch.encode(into: &payload, now: now, wallClock: wallClock)
        claims.purpose = .telemetry
        claims.lane = lane
        claims.sequence = next
        claims.previous = head
        var digest: Digest?
        let pack = payload
        let isAppended = try spool.append(sequence: next, readings: batch.count) {
            (envelope) throws(EnvelopeError) in
            let sealed = try sealer.seal(
                claims, contentType: ContentFormat.senML, payload: pack.span.extracting(first: size), into: &envelope)
            digest = sealed
            return sealed
        }
        guard isAppended else { return false }
        if let digest { head = ChainHead(sequence: next, digest: digest) }
        next += 1
        closed += UInt64(clamping: batch.count)
        batch.removeAll()
        let isWaiting = spool.uncommittedSize < commitSize
        commitDue = min(commitDue ?? .max, isWaiting ? min(due, now &+ Self.commitInterval) : now)
        return true
    }

    /// Milliseconds that envelopes wait for more at most.
    public static let commitInterval: UInt64 = 10_000

    /// Makes durable what was closed. `time`: trusted time in seconds since 1970; 0 if that is not known.
    public mutating func commit(at time: UInt64) throws(JournalError) {
        try spool.commit(at: time)
        commitDue = nil
        durable = closed
        durableHead = head
        durableNext = next
    }

    /// The back end has seen more of this lane than this device knows of: its state was rolled back. Goes on above,
    /// with a link to what the back end saw.
    public mutating func skip(to head: ChainHead) {
        guard head.sequence >= next else { return }
        self.head = head
        durableHead = head
        next = head.sequence &+ 1
        reservedUntil = next
        spool.begin(at: next, after: head)
    }
}
