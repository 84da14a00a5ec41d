// SPDX-License-Identifier: Apache-2.0

internal import MartletMessages

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
    /// Entries were given up before the back end had them. Values: first and last index.
    case givenUp = 12

    /// The types of its values, and how many there are at least.
    private var values: (types: StaticString, least: Int) {
        switch self {
        case .started, .clock, .damaged, .lifecycle: ("n", 1)
        case .connection, .rolledBack, .givenUp: ("nn", 2)
        case .accepted: ("niht", 4)
        case .refused, .ended: ("nihn", 4)
        case .refusals: ("nnnnnnnnn", 1)
        case .trusted: ("nh", 2)
        }
    }

    /// Whether an entry of this kind has such values.
    @inline(never)
    func allows(_ values: [AuditValue]) -> Bool {
        let (types, least) = self.values
        guard values.count >= least, values.count <= types.utf8CodeUnitCount else { return false }
        for index in values.indices where values[index].type != types.utf8Start[index] { return false }
        return true
    }
}

/// A value of an audit entry.
public enum AuditValue: Equatable, Sendable {
    case number(UInt64)
    /// At most 32.
    case bytes([UInt8])
    /// UTF-8, at most 32 bytes.
    case text([UInt8])

    /// The most bytes that it takes in an entry.
    var size: Int {
        switch self {
        case .number: 9
        case .bytes(let bytes), .text(let bytes): 3 + bytes.count
        }
    }

    /// n: number, i: 16 bytes, h: 32 bytes, t: text of 1 to 32 bytes; 0 for what no entry has.
    fileprivate var type: UInt8 {
        switch self {
        case .number: UInt8(ascii: "n")
        case .bytes(let bytes): bytes.count == 16 ? UInt8(ascii: "i") : bytes.count == 32 ? UInt8(ascii: "h") : 0
        case .text(let text): !text.isEmpty && text.isText(limit: 32) ? UInt8(ascii: "t") : 0
        }
    }
}
