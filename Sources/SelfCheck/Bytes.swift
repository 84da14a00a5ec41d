// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCOSE
import MartletEnvelope

/// The bytes of hex digits; white space is ignored.
func bytes(hex digits: StaticString) -> [UInt8] {
    var bytes: [UInt8] = []
    var high: UInt8?
    for index in 0..<digits.utf8CodeUnitCount {
        let nibble: UInt8
        switch digits.utf8Start[index] {
        case let digit where digit >= UInt8(ascii: "0") && digit <= UInt8(ascii: "9"):
            nibble = digit - UInt8(ascii: "0")
        case let digit where digit >= UInt8(ascii: "a") && digit <= UInt8(ascii: "f"):
            nibble = digit - UInt8(ascii: "a") + 10
        default: continue
        }
        if let first = high {
            bytes.append(first << 4 | nibble)
            high = nil
        } else {
            high = nibble
        }
    }
    return bytes
}

func bytes(_ text: StaticString) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}

func array(_ signature: SignatureBytes) -> [UInt8] { signature.indices.map { signature[$0] } }

func array(_ digest: Digest) -> [UInt8] { digest.bytes.indices.map { digest.bytes[$0] } }

/// The first 64 of `bytes`.
func signature(_ bytes: [UInt8]) -> SignatureBytes {
    var signature = SignatureBytes(repeating: 0)
    for index in signature.indices where index < bytes.count { signature[index] = bytes[index] }
    return signature
}

/// 16 times the same byte.
func bytes16(_ byte: UInt8) -> Bytes16 { Bytes16(InlineArray(repeating: byte)) }

/// `value` in 8 bytes, as the head of a long CBOR item has it.
func bigEndian(_ value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * $0)) }
}

/// Where a 32-bit Int, a signed or an unsigned number ends, and next to it.
let edges: [UInt64] = [
    0, 1, 23, 24, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 1 << 40,
    0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_ffff_ffff,
]

func hashing() throws(Failure) -> OpenSSLHashing { try require(try? OpenSSLHashing(), "no SHA-256") }

func sha256(_ bytes: [UInt8]) throws(Failure) -> Digest { try hashing().sha256(bytes.span) }

extension ByteVector {
    /// The bytes of one row of a table.
    static func named(_ name: StaticString, in table: [ByteVector]) throws(Failure) -> [UInt8] {
        let wanted = bytes(name)
        return bytes(hex: try require(table.first { bytes($0.name) == wanted }, "no vector", name: name).digits)
    }
}
