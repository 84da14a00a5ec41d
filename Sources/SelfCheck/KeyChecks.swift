// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCOSE
import MartletOpenSSL
import MartletTestKit

/// Keys, signatures, hashes and random numbers of OpenSSL.
enum KeyChecks {
    static var all: [Check] {
        [
            Check("SHA-256: known answers", hashes),
            Check("random: 1,000 numbers differ", random),
            Check("P-256: generate, PEM, load, sign, verify; anything else is refused") { () throws(Failure) in
                try roundTrip(.p256)
            },
            Check("Ed25519: generate, PEM, load, sign, verify; anything else is refused") { () throws(Failure) in
                try roundTrip(.ed25519)
            },
            Check("P-256: r and s of 0, n and above are refused, n - s is not", rangeOfP256),
            Check("Ed25519: s + L is refused, and what RFC 8032 signs is signed", rangeOfEd25519),
            Check("keys: every prefix of a PEM file is refused", prefixes),
        ]
    }

    private static let answers: [(message: StaticString, digest: StaticString)] = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ]

    private static func hashes() throws(Failure) {
        for (message, digest) in answers {
            try require(try array(sha256(bytes(message))) == bytes(hex: digest), "digest", name: message)
        }
        let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        try require(
            try array(sha256(million))
                == bytes(hex: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
            "digest of a million a")
    }

    private static func random() throws(Failure) {
        let entropy = SystemEntropy()
        var numbers: [UInt64] = []
        for _ in 0..<1000 { numbers.append(try require(entropy.next(), "no entropy")) }
        numbers.sort()
        for index in 1..<1000 { try require(numbers[index] != numbers[index - 1], "came twice") }
        var (always, never) = (UInt64.max, UInt64.max)
        for number in numbers {
            always &= number
            never &= ~number
        }
        try require(always == 0 && never == 0, "a bit that never changes")
    }

    private static func roundTrip(_ kind: KeyKind) throws(Failure) {
        let generated = try require(try? PrivateKey.generate(kind), "generate")
        let pem = try require(try? generated.pem(), "PEM")
        let key = try require(try? PrivateKey(pem: pem.span), "load")
        let spki = generated.publicKey.spki
        try require(key.kind == kind && key.publicKey.spki == spki, "another key was loaded")
        let publicKey = try require(try? PublicKey(spki: spki.span), "public key")
        let other = try require(try? PrivateKey.generate(kind), "generate").publicKey
        try require(other.spki != spki, "the same key twice")

        let message = bytes("This is the content.")
        let digest = try sha256(message).bytes
        for round in 0..<8 as Range<Int64> {
            let good = try require(try? key.sign(message.span, digest: digest), "sign", number: round)
            try require(publicKey.verifies(good, message.span, digest: digest), "its own signature", number: round)
            try require(!other.verifies(good, message.span, digest: digest), "another key", number: round)
            let changed = message + [0]
            try require(
                try !publicKey.verifies(good, changed.span, digest: sha256(changed).bytes), "another message",
                number: round)
            for bit in stride(from: Int(round), to: 512, by: 8) {
                var bad = good
                bad[bit / 8] ^= 1 << UInt8(bit % 8)
                try require(!publicKey.verifies(bad, message.span, digest: digest), "bit", number: Int64(bit))
            }
        }
        for byte in [0, 0xff] as [UInt8] {
            try require(
                !publicKey.verifies(InlineArray(repeating: byte), message.span, digest: digest), "all bytes",
                number: Int64(byte))
        }
    }

    /// n of P-256 (SEC 2 section 2.4.2).
    private static let order: StaticString = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"

    private static func rangeOfP256() throws(Failure) {
        let key = try require(try? PrivateKey.generate(.p256), "generate")
        let message = bytes("This is the content.")
        let digest = try sha256(message).bytes
        let good = try array(require(try? key.sign(message.span, digest: digest), "sign"))
        let (r, s) = ([UInt8](good[..<32]), [UInt8](good[32...]))
        func verifies(_ r: [UInt8], _ s: [UInt8]) -> Bool {
            key.publicKey.verifies(signature(r + s), message.span, digest: digest)
        }
        let n = bytes(hex: order)
        let zero = [UInt8](repeating: 0, count: 32)
        for (number, bad) in [zero, n, sum(n, s), [UInt8](repeating: 0xff, count: 32)].enumerated() {
            try require(!verifies(bad, s), "r, case", number: Int64(number))
            try require(!verifies(r, bad), "s, case", number: Int64(number))
            try require(!verifies(bad, bad), "both, case", number: Int64(number))
        }
        try require(verifies(r, s), "r, s")
        // n - s = n + ~s + 1 modulo 2^256
        let one = zero.dropLast() + [1]
        try require(verifies(r, sum(sum(n, s.map { ~$0 }), [UInt8](one))), "n - s")
    }

    /// Modulo 2^256, big-endian.
    private static func sum(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
        var sum = a
        var carry: UInt16 = 0
        for index in a.indices.reversed() {
            carry += UInt16(a[index]) + UInt16(b[index])
            sum[index] = UInt8(truncatingIfNeeded: carry)
            carry >>= 8
        }
        return sum
    }

    private static func rangeOfEd25519() throws(Failure) {
        let key = try require(try? PrivateKey(pem: bytes(TestVectorKey.ed25519).span), "load")
        // RFC 8032 section 7.1, TEST 1: of the empty message.
        let expected = bytes(
            hex: """
                e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b
                d25bf5f0595bbe24655141438e7a100b
                """)
        let message: [UInt8] = []
        let digest = try sha256(message).bytes
        let good = try require(try? key.sign(message.span, digest: digest), "sign")
        try require(array(good) == expected, "another signature than RFC 8032")
        let (r, s) = ([UInt8](expected[..<32]), [UInt8](expected[32...]))
        // L, the order of the base point (RFC 8032 section 5.1), big-endian as s is not.
        let order = bytes(hex: "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed")
        let above = [UInt8](sum([UInt8](s.reversed()), order).reversed())
        try require(!key.publicKey.verifies(signature(r + above), message.span, digest: digest), "s + L was accepted")
        try require(key.publicKey.verifies(good, message.span, digest: digest), "s was refused")
    }

    private static func prefixes() throws(Failure) {
        for kind in [.p256, .ed25519] as [KeyKind] {
            let pem = try require(try? PrivateKey.generate(kind).pem(), "generate")
            // The last byte is a line end that may be missing.
            for length in 0..<pem.count - 1 {
                let prefix = [UInt8](pem[..<length])
                try require((try? PrivateKey(pem: prefix.span)) == nil, "was loaded up to", number: Int64(length))
            }
        }
    }
}

/// The keys that sign Tests/Vectors/envelopes, published: they protect nothing.
enum TestVectorKey {
    /// RFC 8032 section 7.1, TEST 1.
    static let ed25519: StaticString = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
        -----END PRIVATE KEY-----
        """
}
