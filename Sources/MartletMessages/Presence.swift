// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

/// Online or offline. Unsigned (a last will is fixed when the connection begins): shown, never decided upon.
public struct Presence: Equatable, Sendable {
    public var isOnline: Bool
    public var run: UInt64
    public var connection: UInt64

    public init(isOnline: Bool, run: UInt64, connection: UInt64) {
        self.isOnline = isOnline
        self.run = run
        self.connection = connection
    }

    public func encoded() -> [UInt8] {
        CBORWriter.encode(limit: 32) { writer in
            writer.map(3)
            writer.unsigned(0)
            writer.bool(isOnline)
            writer.unsigned(1, run)
            writer.unsigned(2, connection)
        } ?? []
    }

    public init(decoding payload: Span<UInt8>) throws(MessageError) {
        var isOnline: Bool?
        var run: UInt64 = 0
        var connection: UInt64 = 0
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: isOnline = try reader.bool()
            case 1: run = try reader.unsigned()
            case 2: connection = try reader.unsigned()
            default: return false
            }
            return true
        }
        guard let isOnline else { throw .missing(0) }
        self.init(isOnline: isOnline, run: run, connection: connection)
    }
}
