// SPDX-License-Identifier: Apache-2.0

public import MartletEnvelope

/// How a telemetry envelope stands to the others of its lane. Hash links judge completeness; sequence numbers only
/// order and de-duplicate: numbers that were skipped while the link is intact are no loss.
public enum LaneVerdict: Hashable, Sendable {
    /// Its predecessor is here.
    case linked
    /// It names no predecessor: the device's first, or the first after the device lost track of its lane. What came
    /// between this and earlier envelopes of the lane, if anything, cannot be told.
    case first
    /// The first of its lane that this back end has; nothing before it is judged.
    case beginning
    /// This very envelope was here before.
    case duplicate
    /// Another envelope, or a gap record, has this sequence number or this predecessor and another hash: the device's
    /// state was copied or restored, or its key is used elsewhere. The number is that of the rival.
    case fork(rival: UInt64)
    /// Its predecessor is not here yet.
    case waiting
    /// Its predecessor will never come, which the device said in a signed gap record. `uncovered`: sequence numbers
    /// below it that neither arrived nor stand in a gap record; not 0 only if the device lost track in between.
    case explained(uncovered: UInt64)
    /// Its predecessor did not come in time and no gap record tells of it: something is missing.
    case hole
    /// Older than everything that is remembered: it cannot be told from a duplicate.
    case tooOld
}

/// A later verdict on an envelope that was waiting, or stood after a hole.
public struct LaneChange: Hashable, Sendable {
    public let lane: Lane
    public let sequence: UInt64
    public let verdict: LaneVerdict
}
