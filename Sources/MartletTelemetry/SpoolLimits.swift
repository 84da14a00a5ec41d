// SPDX-License-Identifier: Apache-2.0

/// What the lanes' spools may hold, together. Where there is more, the oldest file of the least urgent lane is given up:
/// so they may have one file more for each lane.
public struct SpoolLimits: Equatable, Sendable {
    /// Bytes on the disk.
    public var bytes = 16 * 1024 * 1024
    public var readings = UInt64.max
    /// Seconds that readings may wait, by trusted time; 0: for ever.
    public var age: UInt64 = 0
    /// Bytes of one lane's envelopes that do not wait for more to be made durable together with them; at most half a
    /// segment.
    public var commitSize = 4096

    public init() {}
}
