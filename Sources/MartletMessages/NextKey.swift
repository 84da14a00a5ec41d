// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE

/// The event by which a device's key announces the one that follows it.
extension Event {
    /// `digest`: SHA-256 of the next key's DER SubjectPublicKeyInfo.
    public static func nextKey(_ digest: Digest) -> Event {
        var event = Event(kind: .nextKey)
        for code in 0..<4 {
            var number: UInt64 = 0
            for index in 0..<8 { number = number << 8 | UInt64(digest.bytes[code * 8 + index]) }
            event.values.append(Value(code: UInt64(code), number: number))
        }
        return event
    }

    /// The key that it announces; nil if it is no announcement.
    public var nextKey: Digest? {
        guard kind == .nextKey, values.count == 4 else { return nil }
        var bytes = InlineArray<32, UInt8>(repeating: 0)
        for code in 0..<4 {
            if values[code].code != UInt64(code) { return nil }
            for index in 0..<8 {
                bytes[code * 8 + index] = UInt8(truncatingIfNeeded: values[code].number >> UInt64(56 - index * 8))
            }
        }
        return Digest(bytes)
    }
}
