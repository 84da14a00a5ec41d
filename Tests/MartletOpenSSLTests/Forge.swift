// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

/// Makes keys and certificates that the module itself refuses to make.
enum Forge {
    /// `type` as OpenSSL names it; `group` for EC, `bits` for RSA.
    static func key(_ type: String, group: String? = nil, bits: Int32? = nil) throws -> Handle {
        let context = try Handle(EVP_PKEY_CTX_new_from_name(nil, type, nil), EVP_PKEY_CTX_free)
        try check(EVP_PKEY_keygen_init(context.pointer))
        if let group { try check(EVP_PKEY_CTX_set_group_name(context.pointer, group)) }
        if let bits { try check(EVP_PKEY_CTX_set_rsa_keygen_bits(context.pointer, bits)) }
        var key: OpaquePointer?
        try check(EVP_PKEY_generate(context.pointer, &key))
        return try Handle(key, EVP_PKEY_free)
    }

    static func pem(_ key: Handle) throws -> [UInt8] {
        try written { PEM_write_bio_PKCS8PrivateKey($0, key.pointer, nil, nil, 0, nil, nil) }
    }

    static func sec1PEM(_ key: Handle) throws -> [UInt8] {
        try written { PEM_write_bio_PrivateKey_traditional($0, key.pointer, nil, nil, 0, nil, nil) }
    }

    static func encryptedPEM(_ key: Handle) throws -> [UInt8] {
        try written { PEM_write_bio_PKCS8PrivateKey($0, key.pointer, EVP_aes_128_cbc(), "secret", 6, nil, nil) }
    }

    static func spki(_ key: Handle) throws -> [UInt8] { try encoded { i2d_PUBKEY(key.pointer, $0) } }

    /// `certificate` after `edit`, signed anew by `signer`.
    static func reissue(
        _ certificate: Certificate, signedBy signer: Handle, digest: OpaquePointer? = EVP_sha256(),
        _ edit: (OpaquePointer) throws -> Void = { _ in }
    ) throws -> Certificate {
        let copy = try Handle(X509_dup(certificate.handle.pointer), X509_free)
        try edit(copy.pointer)
        try #require(X509_sign(copy.pointer, signer.pointer, digest) > 0)
        return try Certificate(copy)
    }

    /// Replaces or adds the extension `identifier`, in OpenSSL's configuration notation; nil removes it.
    static func set(_ identifier: Int32, _ value: String?, _ certificate: OpaquePointer) throws {
        let index = X509_get_ext_by_NID(certificate, identifier, -1)
        if index >= 0 { X509_EXTENSION_free(X509_delete_ext(certificate, index)) }
        guard let value else { return }
        let made = try Handle(X509V3_EXT_nconf_nid(nil, nil, identifier, value), X509_EXTENSION_free)
        try check(X509_add_ext(certificate, made.pointer, -1))
    }

    /// Adds one more common name with any bytes.
    static func addCommonName(_ bytes: [UInt8], type: Int32 = V_ASN1_UTF8STRING, _ certificate: OpaquePointer) throws {
        let entry = try Handle(
            X509_NAME_ENTRY_create_by_NID(nil, NID_commonName, type, bytes, Int32(bytes.count)), X509_NAME_ENTRY_free)
        try check(X509_NAME_add_entry(X509_get_subject_name(certificate), entry.pointer, -1, 0))
    }
}

extension PEMReader {
    /// The content of the first block.
    static func content(_ pem: [UInt8]) throws -> [UInt8] {
        try pem.withUnsafeBufferPointer { text in try PEMReader(text).next()?.content ?? [] }
    }
}

/// What every test of one call that must throw `error` does.
func expect<T>(
    _ error: OpenSSLError, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> T
) {
    #expect(throws: error, comment, sourceLocation: sourceLocation) { _ = try body() }
}
