// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletEnvelope

/// What an entry of the audit log is about. Codes are part of the protocol.
public enum AuditKind: UInt8, CaseIterable, Sendable {
    /// A run began. Values: run.
    case started = 1
    /// A command was accepted. Values: kid of the controller, command id, hash of the command, name of the command.
    case accepted = 2
    /// A verified command was refused. Values: kid, command id, hash, outcome.
    case refused = 3
    /// An accepted command ended. Values: kid, command id, hash, outcome.
    case ended = 4
    /// Messages refused before or at their signature. Values: refusal code and count, in turn, at most 4 pairs; then
    /// the count of all others, if there are any.
    case refusals = 5
    /// Another trust document holds. Values: version, hash of its payload.
    case trusted = 6
    /// Time became trusted. Values: Unix seconds.
    case clock = 7
    /// The connection began (1) or ended (0). Values: that, number of the connection in its run.
    case connection = 8
    /// The back end knew more than the device. Values: 0 and the log's own last index, or 1 + lane and the lane's own
    /// next number.
    case rolledBack = 9
    /// State was lost or damaged. Values: damaged places of the journal.
    case damaged = 10
    /// The device was suspended (0) or activated (1). Values: that.
    case lifecycle = 11
}

/// A value of an audit entry.
public enum AuditValue: Equatable, Sendable {
    case number(UInt64)
    /// At most 32.
    case bytes([UInt8])
    /// UTF-8, at most 32 bytes.
    case text([UInt8])
}

/// When something happened, as far as the device knows.
public struct AuditTime: Equatable, Sendable {
    public var run: UInt64
    /// CLOCK_BOOTTIME in milliseconds.
    public var boot: UInt64
    /// Unix seconds; nil while the clock is untrusted.
    public var seconds: UInt64?
    public var clock: ClockState

    public init(run: UInt64, boot: UInt64, seconds: UInt64?, clock: ClockState) {
        self.run = run
        self.boot = boot
        self.seconds = seconds
        self.clock = clock
    }
}

/// One entry of the audit log: deterministic CBOR
/// `[index, previous, kind, [run, boot ms, seconds or null, clock state], [value, …]]`.
/// Its hash, SHA-256 of these bytes, is what the next one names as `previous`.
public struct AuditEntry: Equatable, Sendable {
    public static let maximumValues = 9
    /// The most bytes of an encoded entry.
    public static let maximumSize = 448

    /// Counts from 1 and never skips, but where the device was rolled back.
    public var index: UInt64
    /// Hash of the entry before; 32 zero bytes if there is none.
    public var previous: Digest
    public var kind: AuditKind
    public var time: AuditTime
    public var values: [AuditValue]

    public init(index: UInt64, previous: Digest, kind: AuditKind, time: AuditTime, values: [AuditValue]) {
        self.index = index
        self.previous = previous
        self.kind = kind
        self.time = time
        self.values = values
    }
}
