// SPDX-License-Identifier: Apache-2.0

/// The signature algorithms (RFC 9053 section 2). Both make 64 bytes.
public enum COSEAlgorithm: Int64, Sendable {
    case es256 = -7
    case edDSA = -8
}

/// Signature bytes: r ‖ s for ES256, R ‖ S for Ed25519.
public typealias SignatureBytes = InlineArray<64, UInt8>

/// A private key.
public protocol Signer: AnyObject {
    var algorithm: COSEAlgorithm { get }

    /// Signs `message`, whose SHA-256 is `digest`, so that ES256 need not hash it again.
    /// Throws `.signingFailed`.
    func sign(_ message: Span<UInt8>, digest: Digest) throws(COSEError) -> SignatureBytes
}

/// A public key.
public protocol Verifier: AnyObject {
    var algorithm: COSEAlgorithm { get }

    /// Whether `signature` is this key's over `message`, whose SHA-256 is `digest`.
    func verifies(_ signature: SignatureBytes, _ message: Span<UInt8>, digest: Digest) -> Bool
}

/// Makes keys of what documents list.
public protocol KeyReading: AnyObject {
    /// The key of a DER SubjectPublicKeyInfo: P-256 (named curve, uncompressed point on the curve) or Ed25519, in its
    /// one encoding, with no byte after it. nil if it is none.
    func verifier(publicKey: Span<UInt8>) -> (any Verifier)?
}

/// SHA-256 (FIPS 180-4).
public protocol Hashing: AnyObject {
    func sha256(_ bytes: Span<UInt8>) -> Digest
}
