// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A signature key in memory, P-256 or Ed25519.
///
/// Keeps what OpenSSL prepares for a signature. Not safe for concurrent use, except that a `TLSContext` may use the same
/// key at any time.
public final class PrivateKey {
    public let kind: KeyKind
    public let publicKey: PublicKey
    let key: Handle
    private let signer: Signer

    /// Kept between signatures: preparing it anew costs a seventh of an ES256 signature.
    private enum Signer {
        case digest(Handle)
        case message(Handle)
    }

    /// A new key from the system's random generator.
    public static func generate(_ kind: KeyKind) throws(OpenSSLError) -> PrivateKey {
        let name = kind == .p256 ? "EC" : "ED25519"
        let generator = try Handle(EVP_PKEY_CTX_new_from_name(nil, name, nil), EVP_PKEY_CTX_free)
        try check(EVP_PKEY_keygen_init(generator.pointer))
        if kind == .p256 { try check(EVP_PKEY_CTX_set_group_name(generator.pointer, "P-256")) }
        var key: OpaquePointer?
        try check(EVP_PKEY_generate(generator.pointer, &key))
        return try PrivateKey(Handle(key, EVP_PKEY_free))
    }

    /// Reads one unencrypted private key: PKCS#8 (RFC 5958) or SEC 1 (RFC 5915). Certificates and curve parameters, as
    /// `openssl ecparam` writes them, may stand beside it; text around the blocks is ignored, any other block refused.
    public convenience init(pem: Span<UInt8>) throws(OpenSSLError) {
        try self.init(pem.withUnsafeBufferPointer { text throws(OpenSSLError) in try PrivateKey.read(text) })
    }

    init(_ key: Handle) throws(OpenSSLError) {
        self.key = key
        publicKey = try PublicKey(of: key)
        kind = publicKey.kind
        switch kind {
        case .p256:
            let context = try Handle(EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil), EVP_PKEY_CTX_free)
            // A file whose two halves disagree would make signatures that nobody can verify.
            try check(EVP_PKEY_pairwise_check(context.pointer), else: .keyMismatch)
            try check(EVP_PKEY_sign_init(context.pointer))
            signer = .digest(context)
        case .ed25519:
            let context = try Handle(EVP_MD_CTX_new(), EVP_MD_CTX_free)
            try check(EVP_DigestSignInit(context.pointer, nil, nil, nil, key.pointer))
            signer = .message(context)
        }
    }

    /// The key as PKCS#8 PEM. A secret: wipe it with `secureZero` after use.
    public func pem() throws(OpenSSLError) -> [UInt8] {
        try written { PEM_write_bio_PKCS8PrivateKey($0, key.pointer, nil, nil, 0, nil, nil) }
    }

    /// Signs `message`: r ‖ s for P-256, R ‖ S for Ed25519 (RFC 9053 §2).
    ///
    /// `digest` is the SHA-256 of `message`; the caller has it already, so ES256 does not hash again. Ed25519 does not
    /// use it.
    @inline(never)
    public func sign(
        _ message: Span<UInt8>, digest: borrowing InlineArray<32, UInt8>
    ) throws(OpenSSLError) -> InlineArray<64, UInt8> {
        switch signer {
        case .digest(let context):
            return try PrivateKey.sign(digest, context)
        case .message(let context):
            var signature = InlineArray<64, UInt8>(repeating: 0)
            var output = signature.mutableSpan
            var count = output.count
            // As `PublicKey.verifies` does.
            try check(EVP_DigestSignInit(context.pointer, nil, nil, nil, nil))
            let result = message.withUnsafeBufferPointer { message in
                output.withUnsafeMutableBufferPointer { output in
                    EVP_DigestSign(context.pointer, output.baseAddress, &count, message.baseAddress, message.count)
                }
            }
            guard result == 1, count == 64 else { throw cleared(.failed) }
            return signature
        }
    }

    private static func sign(
        _ digest: borrowing InlineArray<32, UInt8>, _ context: Handle
    ) throws(OpenSSLError) -> InlineArray<64, UInt8> {
        var der = InlineArray<72, UInt8>(repeating: 0)
        var output = der.mutableSpan
        var count = output.count
        let result = digest.span.withUnsafeBufferPointer { digest in
            output.withUnsafeMutableBufferPointer { output in
                EVP_PKEY_sign(context.pointer, output.baseAddress, &count, digest.baseAddress, digest.count)
            }
        }
        guard result == 1, count <= ECDSASignature.maximumCount,
            let raw = ECDSASignature.raw(der.span.extracting(first: count))
        else { throw cleared(.failed) }
        return raw
    }

    private static func read(_ text: UnsafeBufferPointer<UInt8>) throws(OpenSSLError) -> Handle {
        let reader = try PEMReader(text)
        var key: Handle?
        while var block = try reader.next() {
            defer { secureZero(&block.content) }
            if block.isLabelled("CERTIFICATE") || block.isLabelled("EC PARAMETERS") { continue }
            guard key == nil else { throw .malformed }
            key = try decode(block)
        }
        guard let key else { throw .malformed }
        return key
    }

    private static func decode(_ block: PEMReader.Block) throws(OpenSSLError) -> Handle {
        if block.hasHeaders || block.isLabelled("ENCRYPTED PRIVATE KEY") { throw .encrypted }
        if block.isLabelled("PRIVATE KEY") { return try pkcs8(block.content.span) }
        if block.isLabelled("EC PRIVATE KEY") {
            return try decoded(
                block.content.span, { d2i_PrivateKey(EVP_PKEY_EC, nil, $0, $1) }, EVP_PKEY_free)
        }
        throw block.isLabelled("RSA PRIVATE KEY") ? .unsupportedKey : .malformed
    }

    /// The algorithm is looked at first, so that no other key type is even decoded.
    private static func pkcs8(_ content: Span<UInt8>) throws(OpenSSLError) -> Handle {
        let info = try decoded(
            content, { d2i_PKCS8_PRIV_KEY_INFO(nil, $0, $1) }, PKCS8_PRIV_KEY_INFO_free)
        var algorithm: OpaquePointer?
        try check(PKCS8_pkey_get0(&algorithm, nil, nil, nil, info.pointer), else: .malformed)
        let identifier = OBJ_obj2nid(algorithm)
        guard identifier == NID_X9_62_id_ecPublicKey || identifier == NID_ED25519 else { throw .unsupportedKey }
        return try Handle(EVP_PKCS82PKEY(info.pointer), EVP_PKEY_free, else: .malformed)
    }
}
