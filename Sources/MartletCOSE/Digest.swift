// SPDX-License-Identifier: Apache-2.0

/// 32 bytes of SHA-256.
public struct Digest: Hashable, Sendable {
    public let bytes: InlineArray<32, UInt8>

    public init(_ bytes: InlineArray<32, UInt8>) { self.bytes = bytes }

    /// nil unless `bytes` has 32 bytes.
    @inline(never)
    public init?(copying bytes: Span<UInt8>) {
        if bytes.count != 32 { return nil }
        var copy = InlineArray<32, UInt8>(repeating: 0)
        for index in copy.indices { copy[index] = bytes[index] }
        self.bytes = copy
    }

    public static func == (a: Digest, b: Digest) -> Bool {
        for index in a.bytes.indices where a.bytes[index] != b.bytes[index] { return false }
        return true
    }

    public func hash(into hasher: inout Hasher) {
        for index in bytes.indices { hasher.combine(bytes[index]) }
    }
}
