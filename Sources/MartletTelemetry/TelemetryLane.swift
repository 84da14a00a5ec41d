// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
public import MartletEnvelope
internal import MartletMessages

/// One lane: closes batches into envelopes, numbers, links and signs them, and puts them into the queue.
///
/// Sequence numbers come from a reservation that its owner made durable before: a number is never used twice, even
/// if the program dies between two envelopes.
public struct TelemetryLane {
    public let lane: Lane
    public let queue: any EnvelopeQueue
    /// What was given up and not told yet.
    public var gaps: GapList
    /// The last envelope.
    public private(set) var head: ChainHead?
    /// The next sequence number.
    public private(set) var next: UInt64
    /// Numbers below this one may be used.
    public var reservedUntil: UInt64
    private var payload: [UInt8]

    /// `head` is nil if the last envelope of the run before is not known.
    public init(
        lane: Lane, queue: any EnvelopeQueue, next: UInt64, reservedUntil: UInt64, head: ChainHead?, gaps: GapList,
        limits: ReadingBatch.Limits
    ) {
        self.lane = lane
        self.queue = queue
        self.next = next
        self.reservedUntil = reservedUntil
        self.head = head
        self.gaps = gaps
        payload = [UInt8](repeating: 0, count: ReadingBatch.packSize(limits))
    }

    /// Closes `batch` into one signed envelope. False, and nothing was done, if there is no reserved number or the
    /// queue has no room although it dropped all that it could.
    ///
    /// `time`: what the claims say of the moment. `wallClock`: see `ReadingBatch.encode`. If it throws, the readings
    /// are still in the batch and no number was used.
    public mutating func close(
        _ batch: inout ReadingBatch, claims time: Claims, now: UInt64, wallClock: Int64?, sealer: EnvelopeSealer
    ) throws(EnvelopeError) -> Bool {
        if batch.count == 0 { return true }
        if next >= reservedUntil { return false }
        let expected = payload.count + 512
        while !queue.hasRoom(for: expected) {
            guard let dropped = queue.dropOldest() else { return false }
            gaps.add(dropped, reason: .retention)
        }
        let readings = batch.count
        let size = batch.encode(into: &payload, now: now, wallClock: wallClock)
        var claims = time
        claims.purpose = .telemetry
        claims.lane = lane
        claims.sequence = next
        claims.previous = head
        var digest: Digest?
        let pack = payload
        try queue.append(sequence: next, readings: readings) { (envelope) throws(EnvelopeError) in
            let sealed = try sealer.seal(
                claims, contentType: ContentFormat.senML, payload: pack.span.extracting(first: size), into: &envelope)
            digest = sealed
            return sealed
        }
        if let digest { head = ChainHead(sequence: next, digest: digest) }
        next += 1
        batch.removeAll()
        return true
    }

    /// The back end has seen more of this lane than this device knows of: its state was rolled back. Goes on above,
    /// with a link to what the back end saw.
    public mutating func skip(to head: ChainHead) {
        guard head.sequence >= next else { return }
        self.head = head
        next = head.sequence &+ 1
        reservedUntil = next
    }

    /// Gives up everything that is queued, since the program ends.
    public mutating func abandon() {
        while let dropped = queue.dropOldest() { gaps.add(dropped, reason: .retention) }
    }
}
