// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
public import MartletCOSE
public import MartletCommands
public import MartletEnvelope
public import MartletOpenSSL

/// Why a part of a test could not be made.
public enum TestKitError: Error, Equatable {
    case openSSL(OpenSSLError)
    case envelope(EnvelopeError)
    /// A payload that its message type cannot hold.
    case message
    /// The device would refuse the trust document.
    case trust(Refusal)
    /// The engine refused to start.
    case engine
}

/// A real key that follows from a seed. Everybody knows it: never use it outside a test.
///
/// Signatures of an Ed25519 key follow from the seed too; those of P-256 differ each time.
public final class TestKey {
    public let signer: any Signer
    public let verifier: any Verifier
    public let hashing: any Hashing
    /// DER SubjectPublicKeyInfo.
    public let publicKey: [UInt8]

    public init(_ kind: KeyKind = .ed25519, seed: UInt64) throws(TestKitError) {
        let random = SeededEntropy(seed: seed)
        var der: [UInt8]
        let label: StaticString
        switch kind {
        case .ed25519:
            // PKCS#8 (RFC 8410 section 7) up to the key's 32 bytes.
            der = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]
            label = " PRIVATE KEY-----\n"
        case .p256:
            // SEC 1 (RFC 5915 section 3) up to the key's 32 bytes.
            der = [0x30, 0x31, 2, 1, 1, 4, 0x20]
            label = " EC PRIVATE KEY-----\n"
        }
        // The first byte keeps the number below the order of P-256.
        der.append(0x55)
        for _ in 1..<32 { der.append(UInt8(truncatingIfNeeded: random.below(256))) }
        if kind == .p256 { der += [0xa0, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7] }
        var pem: [UInt8] = []
        pem.add("-----BEGIN")
        pem.add(label)
        pem.addBase64(der)
        pem.add("\n-----END")
        pem.add(label)
        do throws(OpenSSLError) {
            let key = try PrivateKey(pem: pem.span)
            signer = KeySigner(key)
            verifier = KeyVerifier(key.publicKey)
            publicKey = key.publicKey.spki
            hashing = try OpenSSLHashing()
        } catch {
            throw .openSSL(error)
        }
    }

    /// A stand-in unless it `isReal`.
    convenience init(seed: UInt64, isReal: Bool) throws(TestKitError) {
        if isReal { try self.init(seed: seed) } else { try self.init(standIn: seed) }
    }

    private init(standIn seed: UInt64) throws(TestKitError) {
        do throws(OpenSSLError) { hashing = try OpenSSLHashing() } catch { throw .openSSL(error) }
        let key = StandInKey(seed: seed, hashing: hashing)
        (signer, verifier, publicKey) = (key, key, key.publicKey)
    }

    /// Signs envelopes of the party `issuer` with this key.
    public func sealer(_ issuer: [UInt8]) -> EnvelopeSealer {
        let publicKey = self.publicKey
        return EnvelopeSealer(issuer: issuer, publicKey: publicKey.span, signer: signer, hashing: hashing)
    }

    public var keyID: KeyID {
        let publicKey = self.publicKey
        return KeyID(ofKey: hashing.sha256(publicKey.span))
    }
}

extension [UInt8] {
    fileprivate mutating func add(_ text: StaticString) {
        for index in 0..<text.utf8CodeUnitCount { append(text.utf8Start[index]) }
    }

    /// RFC 4648 section 4, in one line.
    fileprivate mutating func addBase64(_ bytes: [UInt8]) {
        let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        var index = 0
        while index < bytes.count {
            let count = Swift.min(3, bytes.count - index)
            var group: UInt32 = 0
            for offset in 0..<3 { group = group << 8 | (offset < count ? UInt32(bytes[index + offset]) : 0) }
            for digit in 0..<4 {
                let isPadding = digit > count
                append(isPadding ? UInt8(ascii: "=") : alphabet.utf8Start[Int(group >> UInt32(18 - 6 * digit)) & 63])
            }
            index += 3
        }
    }
}
