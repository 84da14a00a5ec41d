// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import MartletOpenSSL
import Testing

@Suite struct SymmetricTests {
    func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8).map { UInt8(String(UnicodeScalar($0)), radix: 16) ?? 0 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    func derived(_ secret: [UInt8], salt: [UInt8], info: [UInt8], count: Int) throws -> [UInt8] {
        var key = [UInt8](repeating: 0, count: count)
        var span = key.mutableSpan
        try HKDF(secret: secret.span).derive(salt: salt.span, info: info.span, into: &span)
        return key
    }

    @Test func `HKDF gives what RFC 5869 A.1 and A.3 say`() throws {
        let secret = [UInt8](repeating: 0x0b, count: 22)
        let salt = bytes("000102030405060708090a0b0c")
        let info = bytes("f0f1f2f3f4f5f6f7f8f9")
        let first = try derived(secret, salt: salt, info: info, count: 42)
        #expect(
            first
                == bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
        let third = try derived(secret, salt: [], info: [], count: 42)
        #expect(
            third
                == bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
    }

    /// Test cases 13, 14 and 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", which NIST took over.
    struct Vector: Sendable {
        var key: String
        var nonce: String
        var plaintext: String
        var additional: String
        var sealed: String
    }
    static let vectors = [
        Vector(
            key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12), plaintext: "",
            additional: "", sealed: "530f8afbc74536b9a963b4f1c4cb738b"),
        Vector(
            key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12),
            plaintext: String(repeating: "00", count: 16), additional: "",
            sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
        Vector(
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            nonce: "cafebabefacedbaddecaf888",
            plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            additional: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"),
    ]

    @Test(arguments: vectors)
    func `AES-256-GCM gives what NIST's vectors say, again and again`(_ vector: Vector) throws {
        let cipher = try AESGCM(key: bytes(vector.key).span)
        let nonce = InlineArray<12, UInt8>(bytes(vector.nonce))
        let plaintext = bytes(vector.plaintext)
        let additional = bytes(vector.additional)
        for _ in 0..<3 {
            var sealed = [1, 2, 3] + plaintext + [UInt8](repeating: 9, count: AESGCM.tagCount)
            try cipher.seal(&sealed, from: 3, nonce: nonce, additional: additional.span)
            #expect(sealed == [1, 2, 3] + bytes(vector.sealed))
            var opened: [UInt8] = [9]
            let content = bytes(vector.sealed)
            try cipher.open(content.span, nonce: nonce, additional: additional.span, into: &opened)
            #expect(opened == plaintext)
        }
    }

    @Test func `a changed bit or a missing byte is refused, leaves nothing and no OpenSSL error`() throws {
        let cipher = try AESGCM(key: bytes(Self.vectors[2].key).span)
        let nonce = InlineArray<12, UInt8>(bytes(Self.vectors[2].nonce))
        let additional = bytes(Self.vectors[2].additional)
        let sealed = bytes(Self.vectors[2].sealed)
        func opens(_ sealed: [UInt8], _ nonce: InlineArray<12, UInt8>, _ additional: [UInt8]) -> Bool {
            var plaintext: [UInt8] = [9]
            do throws(OpenSSLError) {
                try cipher.open(sealed.span, nonce: nonce, additional: additional.span, into: &plaintext)
                return true
            } catch {
                #expect(plaintext.isEmpty)
                #expect(ERR_peek_error() == 0)
                return false
            }
        }
        #expect(opens(sealed, nonce, additional))
        for bit in 0..<sealed.count * 8 {
            var changed = sealed
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!opens(changed, nonce, additional))
        }
        for count in 0..<sealed.count { #expect(!opens(Array(sealed[..<count]), nonce, additional)) }
        for index in 0..<12 {
            var other = nonce
            other[index] ^= 1
            #expect(!opens(sealed, other, additional))
        }
        #expect(!opens(sealed, nonce, []))
        #expect(!opens(sealed, nonce, additional + [0]))
        #expect(opens(sealed, nonce, additional))
    }

    @Test func `a key that has not 32 bytes is refused`() {
        for count in [0, 16, 31, 33] {
            let key = [UInt8](repeating: 0, count: count)
            #expect(throws: OpenSSLError.malformed) { try AESGCM(key: key.span) }
        }
    }
}
