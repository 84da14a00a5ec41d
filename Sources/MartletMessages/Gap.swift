// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletCOSE
internal import MartletEnvelope

/// Why readings were given up. Codes are part of the protocol.
public enum GapReason: UInt8, CaseIterable, Sendable {
    case quota = 0
    case age = 1
    /// The broker said that it will never take the message.
    case refused = 2
    case corrupt = 3
    case consent = 4
    /// The spool, or the disk, was full.
    case retention = 5
}

/// Envelopes of one lane (that of the claims) that will never come, said by the device itself.
public struct Gap: Equatable, Sendable {
    public var first: UInt64
    public var last: UInt64
    public var readings: UInt64
    public var reason: GapReason
    /// The hash of the last one, to which the next envelope's link points; nil if it is lost.
    public var digest: Digest?

    public init(first: UInt64, last: UInt64, readings: UInt64, reason: GapReason, digest: Digest?) {
        self.first = first
        self.last = last
        self.readings = readings
        self.reason = reason
        self.digest = digest
    }

    public func encoded() -> [UInt8] {
        CBORWriter.encode(limit: 96) { writer in
            writer.map(5)
            writer.unsigned(0, first)
            writer.unsigned(1, last)
            writer.unsigned(2, readings)
            writer.unsigned(3, UInt64(reason.rawValue))
            writer.unsigned(4)
            if let digest { writer.bytes(digest.bytes.span) } else { writer.null() }
        } ?? []
    }

    public init(decoding payload: Span<UInt8>) throws(MessageError) {
        var first: UInt64?
        var last: UInt64?
        var readings: UInt64 = 0
        var reason: UInt64?
        var digest: Digest?
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: first = try reader.unsigned()
            case 1: last = try reader.unsigned()
            case 2: readings = try reader.unsigned()
            case 3: reason = try reader.unsigned()
            case 4: digest = try reader.isNull() ? nil : try reader.digest(payload)
            default: return false
            }
            return true
        }
        guard let first else { throw .missing(0) }
        guard let last else { throw .missing(1) }
        guard let reason else { throw .missing(3) }
        guard let reason = GapReason(rawValue: UInt8(clamping: reason)) else { throw .badValue(3) }
        if last < first { throw .badValue(1) }
        self.init(first: first, last: last, readings: readings, reason: reason, digest: digest)
    }
}
