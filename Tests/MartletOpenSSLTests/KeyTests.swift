// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

@Suite struct PrivateKeyTests {
    @Test(arguments: [KeyKind.p256, .ed25519])
    func `a key survives PEM and still signs for the same public key`(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let pem = try key.pem()
        let copy = try PrivateKey(pem: pem.span)
        #expect(copy.kind == kind)
        #expect(copy.publicKey.spki == key.publicKey.spki)
        let message: [UInt8] = Array("reading".utf8)
        let digest = try SHA256().digest(message.span)
        let signature = try copy.sign(message.span, digest: digest)
        let verified = key.publicKey.verifies(signature, message.span, digest: digest)
        #expect(verified)
    }

    @Test("OB-04 a thousand generated keys are all different", arguments: [KeyKind.p256, .ed25519])
    func distinct(kind: KeyKind) throws {
        let keys = try (1...1000).map { _ in try PrivateKey.generate(kind).publicKey.spki }
        #expect(Set(keys).count == 1000)
    }

    @Test func `SEC 1 is read, with and without curve parameters before it`() throws {
        let key = try Forge.key("EC", group: "P-256")
        let pem = try Forge.sec1PEM(key)
        #expect(String(decoding: pem, as: UTF8.self).hasPrefix("-----BEGIN EC PRIVATE KEY-----"))
        let expected = try Forge.spki(key)
        #expect(try PrivateKey(pem: pem.span).publicKey.spki == expected)
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        let both = Array(parameters.utf8) + pem
        #expect(try PrivateKey(pem: both.span).publicKey.spki == expected)
    }

    @Test func `text and certificates around a key are harmless`() throws {
        let key = try PrivateKey.generate(.p256)
        let ca = try TestCertificates()
        let certificate = try ca.device().pem()
        for (before, after) in [
            (Array("\r\n \n".utf8), Array("\n\n\t ".utf8)), (Array("id = pump-7\n".utf8), certificate),
            (certificate + certificate, []),
        ] {
            let pem = try before + key.pem() + after
            #expect(try PrivateKey(pem: pem.span).publicKey.spki == key.publicKey.spki)
        }
    }

    @Test(arguments: ["P-224", "P-384", "P-521", "secp256k1", "brainpoolP256r1"])
    func `another curve is refused`(curve: String) throws {
        let key = try Forge.key("EC", group: curve)
        let (pkcs8, sec1) = (try Forge.pem(key), try Forge.sec1PEM(key))
        expect(.unsupportedKey) { try PrivateKey(pem: pkcs8.span) }
        expect(.unsupportedKey) { try PrivateKey(pem: sec1.span) }
    }

    @Test(arguments: ["X25519", "ED448", "RSA"])
    func `another type is refused`(type: String) throws {
        let key = try Forge.key(type, bits: type == "RSA" ? 2048 : nil)
        let pem = try Forge.pem(key)
        expect(.unsupportedKey) { try PrivateKey(pem: pem.span) }
        guard type == "RSA" else { return }
        let traditional = try Forge.sec1PEM(key)
        expect(.unsupportedKey) { try PrivateKey(pem: traditional.span) }
    }

    @Test func `an encrypted key is refused and named so`() throws {
        let key = try Forge.key("EC", group: "P-256")
        let pem = try Forge.encryptedPEM(key)
        expect(.encrypted) { try PrivateKey(pem: pem.span) }
        let legacy = try written {
            PEM_write_bio_PrivateKey_traditional($0, key.pointer, EVP_aes_128_cbc(), "secret", 6, nil, nil)
        }
        expect(.encrypted) { try PrivateKey(pem: legacy.span) }
    }

    @Test(arguments: [KeyKind.p256, .ed25519])
    func `every prefix of a PEM key is refused`(kind: KeyKind) throws {
        let pem = try PrivateKey.generate(kind).pem()
        // The last byte is the line break after the boundary.
        for count in 0..<(pem.count - 1) {
            let prefix = Array(pem[..<count])
            expect(.malformed, "\(count) bytes") { try PrivateKey(pem: prefix.span) }
        }
    }

    @Test func `a second key, another block and a boundary that is left over are refused`() throws {
        let pem = try PrivateKey.generate(.p256).pem()
        let other = try PrivateKey.generate(.p256).pem()
        let request = Array("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".utf8)
        for (what, beside) in [
            ("another key", other), ("the same key", pem), ("a request", request), ("dashes", Array("-----".utf8)),
            ("a key that is cut off", Array(other.dropLast(20))),
        ] {
            let text = pem + beside
            expect(.malformed, "\(what)") { try PrivateKey(pem: text.span) }
        }
        let text = request + pem
        expect(.malformed, "a request first") { try PrivateKey(pem: text.span) }
    }

    @Test func `bytes after the key inside its block are refused`() throws {
        let key = try Forge.key("EC", group: "P-256")
        for (label, pem) in [("PRIVATE KEY", try Forge.pem(key)), ("EC PRIVATE KEY", try Forge.sec1PEM(key))] {
            let content = try PEMReader.content(pem) + [0]
            let text = try written { PEM_write_bio($0, label, "", content, content.count) > 0 ? 1 : 0 }
            expect(.malformed, "\(label)") { try PrivateKey(pem: text.span) }
        }
    }

    @Test func `a public key that belongs to another private key is refused`() throws {
        var content = try PEMReader.content(Forge.pem(Forge.key("EC", group: "P-256")))
        let stranger = try PrivateKey.generate(.p256).publicKey.spki
        content.replaceSubrange((content.count - 64)..., with: stranger[(stranger.count - 64)...])
        let text = try written { PEM_write_bio($0, "PRIVATE KEY", "", content, content.count) > 0 ? 1 : 0 }
        expect(.keyMismatch) { try PrivateKey(pem: text.span) }
    }

    @Test func `a text of any size is refused without reading it`() {
        let text = [UInt8](repeating: UInt8(ascii: "-"), count: PEMReader.maximumCount + 1)
        expect(.tooLarge) { try PrivateKey(pem: text.span) }
    }

    @Test func `a refusal leaves OpenSSL's error queue empty`() throws {
        let damaged = Array("-----BEGIN PRIVATE KEY-----\nAAAA".utf8)
        expect(.malformed) { try PrivateKey(pem: damaged.span) }
        #expect(ERR_peek_error() == 0)
    }

    @Test func `wiping leaves nothing in the buffer`() throws {
        var bytes: [UInt8] = [1, 2, 3, 4]
        bytes.withUnsafeMutableBufferPointer { _ in }
        secureZero(&bytes)
        #expect(bytes.isEmpty)
    }
}

@Suite struct PublicKeyTests {
    /// A P-256 key in the only form accepted: 27 bytes of header, x, y.
    let p256: [UInt8]
    let ed25519: [UInt8]

    init() throws {
        p256 = try PrivateKey.generate(.p256).publicKey.spki
        ed25519 = try PrivateKey.generate(.ed25519).publicKey.spki
    }

    @Test func `both kinds are read back byte for byte`() throws {
        #expect(p256.count == 91 && ed25519.count == 44)
        #expect(try PublicKey(spki: p256.span).spki == p256)
        #expect(try PublicKey(spki: p256.span).kind == .p256)
        #expect(try PublicKey(spki: ed25519.span).spki == ed25519)
        #expect(try PublicKey(spki: ed25519.span).kind == .ed25519)
    }

    @Test func `the encoding is OpenSSL's own`() throws {
        for key in [try Forge.key("EC", group: "P-256"), try Forge.key("ED25519")] {
            let spki = try Forge.spki(key)
            #expect(try PublicKey(of: key).spki == spki)
        }
    }

    @Test func `every prefix and every trailing byte is refused`() {
        for spki in [p256, ed25519] {
            for count in 0..<spki.count {
                let prefix = Array(spki[..<count])
                expect(.unsupportedKey, "\(count) bytes") { try PublicKey(spki: prefix.span) }
            }
            let longer = spki + [0]
            expect(.unsupportedKey) { try PublicKey(spki: longer.span) }
        }
    }

    @Test func `every flipped bit of the header is refused`() {
        for (spki, header) in [(p256, 27), (ed25519, 12)] {
            for bit in 0..<(header * 8) {
                var damaged = spki
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                expect(.unsupportedKey, "bit \(bit)") { try PublicKey(spki: damaged.span) }
            }
        }
    }

    @Test func `a compressed or hybrid point is refused`() throws {
        var hybrid = p256
        hybrid[26] = 0x06 | p256[90] & 1
        expect(.unsupportedKey) { try PublicKey(spki: hybrid.span) }
        let key = try Forge.key("EC", group: "P-256")
        try check(EVP_PKEY_set_utf8_string_param(key.pointer, "point-format", "compressed"))
        let compressed = try Forge.spki(key)
        #expect(compressed.count == 59)
        expect(.unsupportedKey) { try PublicKey(spki: compressed.span) }
    }

    @Test func `explicit curve parameters are refused`() throws {
        let key = try Forge.key("EC", group: "P-256")
        try check(EVP_PKEY_set_utf8_string_param(key.pointer, "encoding", "explicit"))
        let explicit = try Forge.spki(key)
        #expect(explicit.count > 91)
        expect(.unsupportedKey) { try PublicKey(spki: explicit.span) }
    }

    @Test func `a point that is not on the curve is refused`() {
        let header = Array(p256[..<27])
        let points: [(String, [UInt8])] = [
            ("zero", [UInt8](repeating: 0, count: 64)),
            ("all ones", [UInt8](repeating: 0xFF, count: 64)),
            ("y off by one bit", Array(p256[27..<90]) + [p256[90] ^ 1]),
            ("x and y exchanged", Array(p256[59...]) + Array(p256[27..<59])),
        ]
        for (name, point) in points {
            let spki = header + point
            expect(.unsupportedKey, "\(name)") { try PublicKey(spki: spki.span) }
        }
        #expect(ERR_peek_error() == 0)
    }

    @Test(arguments: ["P-384", "secp256k1"])
    func `another curve is refused`(curve: String) throws {
        let spki = try Forge.spki(Forge.key("EC", group: curve))
        expect(.unsupportedKey) { try PublicKey(spki: spki.span) }
    }

    @Test func `a PEM public key is read, and nothing beside it`() throws {
        let key = try Forge.key("EC", group: "P-256")
        let pem = try written { PEM_write_bio_PUBKEY($0, key.pointer) }
        let spki = try Forge.spki(key)
        #expect(try PublicKey(pem: pem.span).spki == spki)
        let twice = pem + pem
        expect(.malformed) { try PublicKey(pem: twice.span) }
        let secret = try Forge.pem(key)
        expect(.malformed) { try PublicKey(pem: secret.span) }
    }
}
