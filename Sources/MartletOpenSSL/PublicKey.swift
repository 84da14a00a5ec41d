// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A key that verifies signatures, P-256 or Ed25519.
///
/// Keeps what OpenSSL prepares for a verification. Not safe for concurrent use.
public final class PublicKey {
    public let kind: KeyKind
    /// SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7): 91 bytes for P-256, 44 for Ed25519. Equal keys have equal
    /// bytes, because only one encoding is accepted.
    public let spki: [UInt8]
    let key: Handle
    private let verifier: Verifier

    /// Kept between verifications.
    private enum Verifier {
        case digest(Handle)
        case message(Handle)
    }

    /// Reads SubjectPublicKeyInfo in DER. A P-256 key names its curve, its point is uncompressed (RFC 5480 §2) and on
    /// the curve.
    public convenience init(spki: Span<UInt8>) throws(OpenSSLError) {
        try self.init(SubjectPublicKeyInfo.copy(of: spki))
    }

    /// Reads one `PUBLIC KEY` block with nothing but white space around it.
    public convenience init(pem: Span<UInt8>) throws(OpenSSLError) {
        try self.init(
            pem.withUnsafeBufferPointer { text throws(OpenSSLError) in
                let block = try PEMReader.only(in: text)
                guard block.isLabelled("PUBLIC KEY"), !block.hasHeaders else { throw .malformed }
                return block.content
            })
    }

    /// The public half of a private key.
    convenience init(of privateKey: Handle) throws(OpenSSLError) {
        try self.init(SubjectPublicKeyInfo.of(privateKey))
    }

    init(_ spki: [UInt8]) throws(OpenSSLError) {
        self.spki = spki
        (kind, key) = try SubjectPublicKeyInfo.read(spki)
        switch kind {
        case .p256:
            let context = try Handle(EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil), EVP_PKEY_CTX_free)
            try check(EVP_PKEY_verify_init(context.pointer))
            verifier = .digest(context)
        case .ed25519:
            let context = try Handle(EVP_MD_CTX_new(), EVP_MD_CTX_free)
            try check(EVP_DigestVerifyInit(context.pointer, nil, nil, nil, key.pointer))
            verifier = .message(context)
        }
    }

    /// The key as one `PUBLIC KEY` block.
    public func pem() throws(OpenSSLError) -> [UInt8] {
        try written { PEM_write_bio_PUBKEY($0, key.pointer) }
    }

    /// Whether this key signed `message`: r ‖ s for P-256, R ‖ S for Ed25519 (RFC 9053 §2).
    ///
    /// `digest` is the SHA-256 of `message`; Ed25519 does not use it. r and s must be from 1 to n − 1. A high s is
    /// valid, so a signature is no identity: (r, n − s) verifies too.
    @inline(never)
    public func verifies(
        _ signature: borrowing InlineArray<64, UInt8>, _ message: Span<UInt8>,
        digest: borrowing InlineArray<32, UInt8>
    ) -> Bool {
        let result: Int32
        switch verifier {
        case .digest(let context):
            var der = InlineArray<72, UInt8>(repeating: 0)
            let count = ECDSASignature.der(signature, into: &der)
            let digest = digest.span
            result = der.span.withUnsafeBufferPointer { der in
                digest.withUnsafeBufferPointer { digest in
                    EVP_PKEY_verify(context.pointer, der.baseAddress, count, digest.baseAddress, digest.count)
                }
            }
        case .message(let context):
            result = signature.span.withUnsafeBufferPointer { signature in
                message.withUnsafeBufferPointer { message in
                    // OpenSSL 3.5 wants it prepared for each message; without a key, it keeps the one that it has.
                    EVP_DigestVerifyInit(context.pointer, nil, nil, nil, nil) == 1
                        ? EVP_DigestVerify(
                            context.pointer, signature.baseAddress, signature.count, message.baseAddress, message.count)
                        : 0
                }
            }
        }
        if result != 1 { ERR_clear_error() }
        return result == 1
    }
}
