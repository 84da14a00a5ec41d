// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

/// Something that the back end should know. Codes are part of the protocol.
public enum EventKind: UInt8, CaseIterable, Sendable {
    /// Messages refused before or at their signature. Values: refusal code, count since the last such event.
    case refusals = 1
    /// The back end has seen more of a lane than the device knows of. Values: lane, sequence that it goes on with.
    case rolledBack = 2
    /// The state file was damaged. Values: 0, run that it goes on with.
    case stateLost = 3
    /// Time became trusted in this boot: the claims hold boot time and time at once. No values.
    case clockTrusted = 4
    /// The device goes on with another key. Values: 0 to 3, the SHA-256 of its DER SubjectPublicKeyInfo as four
    /// big-endian numbers.
    case nextKey = 5
    /// Most of a quota is used. Values: which (0 connections in an hour, 1 bytes in a day, 2 bytes in a month), percent.
    case quota = 6
}

public struct Event: Equatable, Sendable {
    public static let maximumValues = 32

    public struct Value: Equatable, Sendable {
        public var code: UInt64
        public var number: UInt64

        public init(code: UInt64, number: UInt64) {
            self.code = code
            self.number = number
        }
    }

    public var kind: EventKind
    public var values: [Value]

    public init(kind: EventKind, values: [Value] = []) {
        self.kind = kind
        self.values = values
    }

    /// nil if there are too many values.
    public func encoded() -> [UInt8]? {
        if values.count > Self.maximumValues { return nil }
        return CBORWriter.encode(limit: 1024) { writer in
            writer.map(2)
            writer.unsigned(0, UInt64(kind.rawValue))
            writer.unsigned(1)
            writer.array(values.count)
            for value in values {
                writer.array(2)
                writer.unsigned(value.code)
                writer.unsigned(value.number)
            }
        }
    }

    public init(decoding payload: Span<UInt8>) throws(MessageError) {
        var kind: UInt64?
        var values: [Value] = []
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: kind = try reader.unsigned()
            case 1:
                let at = reader.offset
                let count = try reader.array()
                if count > Self.maximumValues { throw .unexpected(at: at) }
                for _ in 0..<count {
                    try reader.array(exactly: 2)
                    let code = try reader.unsigned()
                    values.append(Value(code: code, number: try reader.unsigned()))
                }
            default: return false
            }
            return true
        }
        guard let kind else { throw .missing(0) }
        guard let kind = EventKind(rawValue: UInt8(clamping: kind)) else { throw .badValue(0) }
        self.init(kind: kind, values: values)
    }
}
