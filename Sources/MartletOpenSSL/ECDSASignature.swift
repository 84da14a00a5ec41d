// SPDX-License-Identifier: Apache-2.0

/// Between the two forms of a P-256 signature: DER (RFC 3279 §2.2.3), which OpenSSL makes and reads, and r ‖ s
/// (RFC 9053 §2.1), which COSE carries.
enum ECDSASignature {
    /// SEQUENCE and two INTEGERs of at most 33 bytes.
    static let maximumCount = 72

    /// r ‖ s of a DER signature, or nil if `der` is none with 1 ≤ r, s < 2^256.
    static func raw(_ der: Span<UInt8>) -> InlineArray<64, UInt8>? {
        guard der.count >= 2, der[0] == 0x30, Int(der[1]) == der.count - 2 else { return nil }
        var raw = InlineArray<64, UInt8>(repeating: 0)
        var output = raw.mutableSpan
        var at = 2
        for half in 1...2 {
            let end = half * 32
            guard der.count - at >= 2, der[at] == 0x02 else { return nil }
            var count = Int(der[at + 1])
            at += 2
            guard count >= 1, der.count - at >= count else { return nil }
            if der[at] == 0 {
                at += 1
                count -= 1
            }
            guard (1...32).contains(count) else { return nil }
            let integer = der.extracting(at..<at + count)
            output.withUnsafeMutableBytes { output in
                integer.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: output[(end - count)..<end]).copyMemory(from: $0)
                }
            }
            at += count
        }
        return at == der.count ? raw : nil
    }

    /// Writes the DER form of r ‖ s; returns its length.
    static func der(
        _ raw: borrowing InlineArray<64, UInt8>, into der: inout InlineArray<72, UInt8>
    ) -> Int {
        var at = 2
        for start in [0, 32] {
            var first = start
            while first < start + 31, raw[first] == 0 { first += 1 }
            let padding = raw[first] >= 0x80 ? 1 : 0
            let count = start + 32 - first + padding
            der[at] = 0x02
            der[at + 1] = UInt8(count)
            at += 2
            if padding == 1 {
                der[at] = 0
                at += 1
            }
            for index in first..<(start + 32) {
                der[at] = raw[index]
                at += 1
            }
        }
        der[0] = 0x30
        der[1] = UInt8(at - 2)
        return at
    }
}
