// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A request for a certificate: PKCS #10 (RFC 2986). Its signature has been made or checked here.
public final class CertificateRequest {
    /// The most bytes a request may have.
    public static let maximumCount = 16 * 1024

    /// The key that the certificate is asked for, and that signed the request.
    public let publicKey: PublicKey
    private let handle: Handle

    /// Asks for a certificate for `key` with a common name of 1 to 64 bytes, and one URI unless whoever issues it is to
    /// say which (nil).
    public init(key: PrivateKey, commonName: String, uri: String?) throws(OpenSSLError) {
        handle = try Handle(X509_REQ_new(), X509_REQ_free)
        publicKey = key.publicKey
        try Names.setCommonName(commonName, of: X509_REQ_get_subject_name(handle.pointer))
        try check(X509_REQ_set_pubkey(handle.pointer, key.key.pointer))
        if let uri {
            let names = try Names.general([.uri(uri)])
            var list: OpaquePointer?
            let added = X509V3_add1_i2d(&list, NID_subject_alt_name, UnsafeMutableRawPointer(names.pointer), 0, 0)
            let extensions = try Handle(list, releaseExtensions)
            try check(added)
            try check(X509_REQ_add_extensions(handle.pointer, extensions.pointer))
        }
        guard X509_REQ_sign(handle.pointer, key.key.pointer, key.kind.digest) > 0 else { throw cleared(.failed) }
    }

    /// Asks for the next certificate of a holder, for `key`: with the subject and the alternative names of the one it has,
    /// byte for byte (RFC 7030 §4.2.2).
    public init(key: PrivateKey, renewing certificate: Certificate) throws(OpenSSLError) {
        handle = try Handle(X509_REQ_new(), X509_REQ_free)
        publicKey = key.publicKey
        let old = certificate.handle.pointer
        try check(X509_REQ_set_subject_name(handle.pointer, X509_get_subject_name(old)))
        try check(X509_REQ_set_pubkey(handle.pointer, key.key.pointer))
        let index = X509_get_ext_by_NID(old, NID_subject_alt_name, -1)
        if index >= 0 {
            // The extension stays the certificate's.
            let list = try Handle(OPENSSL_sk_new_null(), OPENSSL_sk_free)
            guard OPENSSL_sk_push(list.pointer, UnsafeRawPointer(X509_get_ext(old, index))) > 0 else {
                throw cleared(.failed)
            }
            try check(X509_REQ_add_extensions(handle.pointer, list.pointer))
        }
        guard X509_REQ_sign(handle.pointer, key.key.pointer, key.kind.digest) > 0 else { throw cleared(.failed) }
    }

    /// Reads exactly one request in DER, and checks that the key it names signed it.
    public init(der: Span<UInt8>) throws(OpenSSLError) {
        guard der.count <= CertificateRequest.maximumCount else { throw .tooLarge }
        handle = try decoded(der, { d2i_X509_REQ(nil, $0, $1) }, X509_REQ_free)
        let information = X509_REQ_get_X509_PUBKEY(handle.pointer)
        publicKey = try PublicKey(encoded { i2d_X509_PUBKEY(information, $0) })
        try check(X509_REQ_verify(handle.pointer, publicKey.key.pointer), else: .badSignature)
    }

    /// The request in DER.
    public var der: [UInt8] {
        get throws(OpenSSLError) { try encoded { i2d_X509_REQ(handle.pointer, $0) } }
    }

    /// The subject's common name, as `Certificate.commonName`.
    public var commonName: [UInt8]? { Names.commonName(of: X509_REQ_get_subject_name(handle.pointer)) }

    /// The URIs asked for, as `Certificate.uris`.
    public var uris: [[UInt8]] {
        guard let extensions = X509_REQ_get_extensions(handle.pointer) else {
            ERR_clear_error()
            return []
        }
        defer { releaseExtensions(extensions) }
        guard let names = X509V3_get_d2i(extensions, NID_subject_alt_name, nil, nil) else {
            ERR_clear_error()
            return []
        }
        defer { GENERAL_NAMES_free(OpaquePointer(names)) }
        return Names.uris(in: OpaquePointer(names))
    }
}

private func releaseExtensions(_ list: OpaquePointer?) {
    OPENSSL_sk_pop_free(list) { X509_EXTENSION_free(OpaquePointer($0)) }
}
