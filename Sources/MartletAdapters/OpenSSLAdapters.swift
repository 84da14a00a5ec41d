// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletOpenSSL

/// A private key, as COSE wants it.
public final class KeySigner: Signer {
    private let key: PrivateKey

    public init(_ key: PrivateKey) { self.key = key }

    public var algorithm: COSEAlgorithm { COSEAlgorithm(key.kind) }

    public func sign(_ message: Span<UInt8>, digest: Digest) throws(COSEError) -> SignatureBytes {
        do throws(OpenSSLError) { return try key.sign(message, digest: digest.bytes) } catch { throw .signingFailed }
    }
}

/// A public key, as COSE wants it.
public final class KeyVerifier: Verifier {
    public let key: PublicKey

    public init(_ key: PublicKey) { self.key = key }

    public var algorithm: COSEAlgorithm { COSEAlgorithm(key.kind) }

    public func verifies(_ signature: SignatureBytes, _ message: Span<UInt8>, digest: Digest) -> Bool {
        key.verifies(signature, message, digest: digest.bytes)
    }
}

/// OpenSSL's reader of public keys.
public final class OpenSSLKeyReading: KeyReading {
    public init() {}

    public func verifier(publicKey: Span<UInt8>) -> (any Verifier)? {
        guard let key = try? PublicKey(spki: publicKey) else { return nil }
        return KeyVerifier(key)
    }
}

extension COSEAlgorithm {
    init(_ kind: KeyKind) {
        switch kind {
        case .p256: self = .es256
        case .ed25519: self = .edDSA
        }
    }
}

/// SHA-256 of OpenSSL. Not safe for concurrent use.
public final class OpenSSLHashing: Hashing {
    private let context: SHA256

    public init() throws(OpenSSLError) { context = try SHA256() }

    public func sha256(_ bytes: Span<UInt8>) -> Digest { Digest(context.digest(bytes)) }
}
