// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

@Suite struct SignatureTests {
    let message: [UInt8]
    let digest: [UInt8]

    init() throws {
        let message = Array("set-interval 60".utf8)
        let digest = try SHA256().digest(message.span)
        self.message = message
        self.digest = digest.indices.map { digest[$0] }
    }

    /// The order of P-256 (SEC 2 §2.4.2).
    static let order: [UInt8] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6,
        0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ]

    func sign(_ key: PrivateKey) throws -> [UInt8] {
        let signature = try key.sign(message.span, digest: InlineArray(digest))
        return signature.indices.map { signature[$0] }
    }

    func verifies(_ signature: [UInt8], _ key: PublicKey) -> Bool {
        key.verifies(InlineArray(signature), message.span, digest: InlineArray(digest))
    }

    /// `order` − `number`.
    static func complement(_ number: ArraySlice<UInt8>) -> [UInt8] {
        var borrow = 0
        var result = order
        for (index, byte) in zip(result.indices, number).reversed() {
            let difference = Int(result[index]) - Int(byte) - borrow
            borrow = difference < 0 ? 1 : 0
            result[index] = UInt8(difference & 0xFF)
        }
        return result
    }

    @Test(arguments: [KeyKind.p256, .ed25519])
    func `a kept context signs and verifies again and again`(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let other = try PrivateKey.generate(kind)
        for _ in 0..<300 {
            let signature = try sign(key)
            #expect(verifies(signature, key.publicKey))
            #expect(!verifies(signature, other.publicKey))
            #expect(ERR_peek_error() == 0)
        }
    }

    @Test(arguments: [KeyKind.p256, .ed25519])
    func `OpenSSL's one-shot verification agrees`(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        var signature = try sign(key)
        if kind == .p256 {
            var der = InlineArray<72, UInt8>(repeating: 0)
            let count = ECDSASignature.der(InlineArray(signature), into: &der)
            signature = (0..<count).map { der[$0] }
        }
        let context = try Handle(EVP_MD_CTX_new(), EVP_MD_CTX_free)
        try check(EVP_DigestVerifyInit(context.pointer, nil, kind.digest, nil, key.key.pointer))
        #expect(EVP_DigestVerify(context.pointer, signature, signature.count, message, message.count) == 1)
    }

    @Test("COSE-01 r and s of 0, n and above are refused")
    func outOfRange() throws {
        let key = try PrivateKey.generate(.p256)
        let good = try sign(key)
        let (r, s) = (Array(good[..<32]), Array(good[32...]))
        let zero = [UInt8](repeating: 0, count: 32)
        let one = zero.dropLast() + [1]
        let ones = [UInt8](repeating: 0xFF, count: 32)
        let order = SignatureTests.order
        let above = order.dropLast() + [order[31] + 1]
        for bad in [zero, order, Array(above), ones, Array(one)] {
            #expect(!verifies(bad + s, key.publicKey))
            #expect(!verifies(r + bad, key.publicKey))
            #expect(!verifies(bad + bad, key.publicKey))
        }
        #expect(!verifies(s + r, key.publicKey))
        #expect(verifies(good, key.publicKey), "the context is still good after refusals")
        #expect(ERR_peek_error() == 0)
    }

    @Test("COSE-01 n − s verifies: a signature is no identity")
    func malleable() throws {
        let key = try PrivateKey.generate(.p256)
        for _ in 0..<20 {
            let good = try sign(key)
            let mirrored = Array(good[..<32]) + SignatureTests.complement(good[32...])
            #expect(mirrored != good)
            #expect(verifies(mirrored, key.publicKey))
            let wrong = SignatureTests.complement(good[..<32]) + Array(good[32...])
            #expect(!verifies(wrong, key.publicKey), "n − r does not")
        }
    }

    @Test("COSE-01 every flipped bit of a signature is refused", arguments: [KeyKind.p256, .ed25519])
    func flippedBits(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let good = try sign(key)
        for bit in 0..<512 {
            var bad = good
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!verifies(bad, key.publicKey), "bit \(bit)")
        }
    }

    @Test("COSE-01 another message is refused", arguments: [KeyKind.p256, .ed25519])
    func otherMessage(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let signature = try sign(key)
        let other = message + [0]
        let digest = try SHA256().digest(other.span)
        let verified = key.publicKey.verifies(InlineArray(signature), other.span, digest: digest)
        #expect(!verified)
    }

    @Test("COSE-01 all zeros and a signature of the other kind are refused")
    func otherKind() throws {
        let (p256, ed25519) = (try PrivateKey.generate(.p256), try PrivateKey.generate(.ed25519))
        #expect(!verifies([UInt8](repeating: 0, count: 64), p256.publicKey))
        #expect(!verifies([UInt8](repeating: 0, count: 64), ed25519.publicKey))
        #expect(!verifies(try sign(p256), ed25519.publicKey))
        #expect(!verifies(try sign(ed25519), p256.publicKey))
    }

    @Test("COSE-01 an Ed25519 s of the group order or above is refused")
    func edwardsOrder() throws {
        // L, little endian (RFC 8032 §5.1): s + L is the same number modulo L.
        let order: [UInt8] = [
            0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ]
        let key = try PrivateKey.generate(.ed25519)
        var signature = try sign(key)
        var carry = 0
        for index in 0..<32 {
            let sum = Int(signature[32 + index]) + Int(order[index]) + carry
            signature[32 + index] = UInt8(sum & 0xFF)
            carry = sum >> 8
        }
        #expect(!verifies(signature, key.publicKey))
    }

    @Test func `an empty message is signed and verified`() throws {
        for kind in [KeyKind.p256, .ed25519] {
            let key = try PrivateKey.generate(kind)
            let empty: [UInt8] = []
            let digest = try SHA256().digest(empty.span)
            let signature = try key.sign(empty.span, digest: digest)
            let verified = key.publicKey.verifies(signature, empty.span, digest: digest)
            #expect(verified)
        }
    }
}

@Suite struct ECDSASignatureTests {
    static func raw(_ der: [UInt8]) -> [UInt8]? {
        guard let raw = ECDSASignature.raw(der.span) else { return nil }
        return raw.indices.map { raw[$0] }
    }

    @Test func `short, long and padded integers go both ways`() {
        let numbers: [[UInt8]] = [[1], [0x7F], [0x80], [0xFF, 0], [UInt8](repeating: 0xFF, count: 32), [0x01, 0, 0]]
        for r in numbers {
            for s in numbers {
                let padded = [r, s].flatMap { [UInt8](repeating: 0, count: 32 - $0.count) + $0 }
                var der = InlineArray<72, UInt8>(repeating: 0)
                let count = ECDSASignature.der(InlineArray(padded), into: &der)
                #expect(ECDSASignatureTests.raw((0..<count).map { der[$0] }) == padded)
            }
        }
    }

    @Test func `what is not two integers of at most 32 bytes is refused`() {
        let good: [UInt8] = [0x30, 6, 2, 1, 1, 2, 1, 1]
        #expect(ECDSASignatureTests.raw(good) != nil)
        for count in 0..<good.count { #expect(ECDSASignatureTests.raw(Array(good[..<count])) == nil) }
        let bad: [(String, [UInt8])] = [
            ("trailing byte", good + [0]),
            ("no sequence", [0x31] + good.dropFirst()),
            ("length too long", [0x30, 7] + good.dropFirst(2)),
            ("third integer", [0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1]),
            ("empty integer", [0x30, 5, 2, 0, 2, 1, 1]),
            ("zero", [0x30, 6, 2, 1, 0, 2, 1, 1]),
            ("not an integer", [0x30, 6, 3, 1, 1, 2, 1, 1]),
            ("integer beyond the end", [0x30, 6, 2, 5, 1, 2, 1, 1]),
            ("33 bytes", [0x30, 38, 2, 33] + [UInt8](repeating: 1, count: 33) + [2, 1, 1]),
            ("length of 0x80", [0x30, 6, 2, 0x80, 1, 2, 1, 1]),
        ]
        for (name, der) in bad { #expect(ECDSASignatureTests.raw(der) == nil, "\(name)") }
    }
}

@Suite struct DigestAndRandomTests {
    @Test func `SHA-256 gives the known digests with one kept context`() throws {
        let hash = try SHA256()
        let known = [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ]
        for _ in 0..<2 {
            for (text, expected) in known {
                let digest = hash.digest(Array(text.utf8).span)
                #expect(hex(digest.indices.map { digest[$0] }) == expected)
            }
        }
    }

    @Test func `random bytes fill the whole span and do not repeat`() throws {
        let (a, b): (InlineArray<16, UInt8>, InlineArray<16, UInt8>) = (try Random.bytes(), try Random.bytes())
        #expect(a.indices.contains { a[$0] != b[$0] })
        var bytes = [UInt8](repeating: 0, count: 3 << 20)
        var span = bytes.mutableSpan
        try Random.fill(&span)
        for start in stride(from: 0, to: bytes.count, by: 64) {
            #expect(bytes[start..<(start + 64)].contains { $0 != 0 })
        }
        var empty: [UInt8] = []
        var none = empty.mutableSpan
        try Random.fill(&none)
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
}

extension InlineArray where Element == UInt8 {
    /// `bytes`, which has exactly as many bytes.
    init(_ bytes: [UInt8]) { self.init { bytes[$0] } }
}
