// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletCOSE

/// A device's name: common name of its certificate, topic level and MQTT client id at once.
public enum DeviceID {
    /// The most bytes of an id.
    public static let maximumLength = 64

    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`: nothing that means something in a topic, a path or a shell.
    public static func isValid(_ id: Span<UInt8>) -> Bool {
        guard (1...maximumLength).contains(id.count) else { return false }
        for index in id.indices {
            switch id[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"):
                continue
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                if index == 0 { return false }
            default: return false
            }
        }
        return true
    }
}

/// The name of a party in the claims `iss` and `aud`: a URN, of a device `urn:dev:…` (RFC 9039).
public enum PartyName {
    /// The most bytes of a name.
    public static let maximumLength = 128

    /// `urn:` and then visible ASCII.
    public static func isValid(_ name: Span<UInt8>) -> Bool {
        guard (5...maximumLength).contains(name.count), name.starts(with: "urn:") else { return false }
        return name.allWords(in: name.indices, filler: UInt8(ascii: "a")) { word in
            // Below 0x80; with 1 added too; and at least 0x21. No sum carries into the next byte.
            let each: UInt64 = 0x0101_0101_0101_0101
            let high = each &* 0x80
            return word & high == 0 && (word &+ each | ~(word &+ each &* (0x80 - 0x21))) & high == 0
        }
    }
}

/// A hint which key signed: the first 8 bytes of SHA-256 of its SubjectPublicKeyInfo. Never a proof.
public struct KeyID: Hashable, Sendable {
    public let value: UInt64

    public init(_ value: UInt64) { self.value = value }

    public init(ofKey digest: Digest) {
        var value: UInt64 = 0
        for index in 0..<8 { value = value << 8 | UInt64(digest.bytes[index]) }
        self.value = value
    }
}

/// 16 bytes: a challenge, a command id, a boot id.
public struct Bytes16: Hashable, Sendable {
    public let bytes: InlineArray<16, UInt8>

    public init(_ bytes: InlineArray<16, UInt8>) { self.bytes = bytes }

    /// nil unless `bytes` has 16 bytes.
    @inline(never)
    public init?(copying bytes: Span<UInt8>) {
        if bytes.count != 16 { return nil }
        var copy = InlineArray<16, UInt8>(repeating: 0)
        var span = copy.mutableSpan
        span.fill(bytes)
        self.bytes = copy
    }

    public static func == (a: Bytes16, b: Bytes16) -> Bool {
        let (a, b) = (a.bytes.span.bytes, b.bytes.span.bytes)
        return a.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self)
            == b.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self)
            && a.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self)
                == b.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }

    public func hash(into hasher: inout Hasher) {
        for index in bytes.indices { hasher.combine(bytes[index]) }
    }
}

extension [UInt8] {
    /// Byte-wise comparison.
    public func isEqual(to other: Span<UInt8>) -> Bool { span.equals(other) }
}

extension Span where Element == UInt8 {
    /// Byte-wise comparison; no Unicode rules, which texts of the protocol do not need.
    public func isEqual(to other: Span<UInt8>) -> Bool { equals(other) }

    public func isEqual(to text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && starts(with: text)
    }

    public func starts(with text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        if count < length { return false }
        for index in 0..<length where self[index] != text.utf8Start[index] { return false }
        return true
    }
}
