// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

/// 32 bytes of SHA-256.
public struct Digest: Hashable, Sendable {
    public let bytes: InlineArray<32, UInt8>

    public init(_ bytes: InlineArray<32, UInt8>) { self.bytes = bytes }

    /// nil unless `bytes` has 32 bytes.
    @inline(never)
    public init?(copying bytes: Span<UInt8>) {
        if bytes.count != 32 { return nil }
        var copy = InlineArray<32, UInt8>(repeating: 0)
        var span = copy.mutableSpan
        span.fill(bytes)
        self.bytes = copy
    }

    /// nil unless `digits` are 64 hex digits, of either case.
    @inline(never)
    public init?(hexDigits digits: Span<UInt8>) {
        if digits.count != 64 { return nil }
        var bytes = InlineArray<32, UInt8>(repeating: 0)
        for index in digits.indices {
            let value: UInt8
            switch digits[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digits[index] - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digits[index] - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = digits[index] - UInt8(ascii: "A") + 10
            default: return nil
            }
            bytes[index / 2] = bytes[index / 2] << 4 | value
        }
        self.bytes = bytes
    }

    public static func == (a: Digest, b: Digest) -> Bool {
        let (a, b) = (a.bytes.span, b.bytes.span)
        return a.equals(b)
    }

    public func hash(into hasher: inout Hasher) {
        for index in bytes.indices { hasher.combine(bytes[index]) }
    }
}
