// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// An X.509 certificate.
///
/// `@unchecked Sendable`: nothing here changes it, and OpenSSL locks what it caches inside.
public final class Certificate: @unchecked Sendable {
    /// The most bytes one certificate may have.
    public static let maximumCount = 64 * 1024
    /// The most certificates one PEM text may hold.
    public static let maximumPEMCount = 16

    /// Begin and end of validity, in seconds since 1970. Both belong to it.
    public let notBefore: Int64
    public let notAfter: Int64
    let handle: Handle

    /// Reads exactly one certificate in DER.
    public convenience init(der: Span<UInt8>) throws(OpenSSLError) {
        guard der.count <= Certificate.maximumCount else { throw .tooLarge }
        try self.init(decoded(der, { d2i_X509(nil, $0, $1) }, X509_free))
        // OpenSSL also reads BER. A second encoding would be a second fingerprint of the same certificate.
        let canonical = try self.der
        let same = der.withUnsafeBufferPointer { $0.elementsEqual(canonical) }
        guard same else { throw .malformed }
    }

    init(_ handle: Handle) throws(OpenSSLError) {
        guard let notBefore = CertificateTime.seconds(X509_get0_notBefore(handle.pointer)),
            let notAfter = CertificateTime.seconds(X509_get0_notAfter(handle.pointer))
        else { throw .malformed }
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.handle = handle
    }

    /// All certificates of a PEM text, 1 to 16. Text around the blocks is ignored, and so is an unencrypted private key:
    /// one file may hold both. Any other block is refused.
    public static func all(inPEM text: Span<UInt8>) throws(OpenSSLError) -> [Certificate] {
        try text.withUnsafeBufferPointer { text throws(OpenSSLError) in
            let reader = try PEMReader(text)
            var certificates: [Certificate] = []
            while var block = try reader.next() {
                if block.isLabelled("PRIVATE KEY") || block.isLabelled("EC PRIVATE KEY") {
                    secureZero(&block.content)
                    continue
                }
                guard block.isLabelled("CERTIFICATE"), !block.hasHeaders else { throw .malformed }
                guard certificates.count < maximumPEMCount else { throw .tooLarge }
                certificates.append(try Certificate(der: block.content.span))
            }
            guard !certificates.isEmpty else { throw .malformed }
            return certificates
        }
    }

    /// The certificate in DER.
    public var der: [UInt8] {
        get throws(OpenSSLError) { try encoded { i2d_X509(handle.pointer, $0) } }
    }

    /// The certificate as one PEM block.
    public func pem() throws(OpenSSLError) -> [UInt8] {
        try written { PEM_write_bio_X509($0, handle.pointer) }
    }

    /// The certified key. Throws `unsupportedKey` if it is of a kind that signs no envelope, as RSA.
    public var publicKey: PublicKey {
        get throws(OpenSSLError) {
            let information = X509_get_X509_PUBKEY(handle.pointer)
            return try PublicKey(encoded { i2d_X509_PUBKEY(information, $0) })
        }
    }

    /// The subject's common name in UTF-8, to be compared byte by byte. Nil unless there is exactly one, not empty and
    /// without NUL.
    public var commonName: [UInt8]? { Names.commonName(of: X509_get_subject_name(handle.pointer)) }

    /// The URIs of the subject alternative name, in their order. Empty if there is no such extension, or it is
    /// malformed or repeated.
    public var uris: [[UInt8]] {
        guard let names = X509_get_ext_d2i(handle.pointer, NID_subject_alt_name, nil, nil) else {
            ERR_clear_error()
            return []
        }
        defer { GENERAL_NAMES_free(OpaquePointer(names)) }
        return Names.uris(in: OpaquePointer(names))
    }

    /// Whether it is that of an authority, signed by its own key.
    public var isRoot: Bool {
        let result = X509_check_ca(handle.pointer) == 1 && X509_self_signed(handle.pointer, 1) == 1
        ERR_clear_error()
        return result
    }

    /// The fingerprint: SHA-256 of the DER form.
    public var sha256: InlineArray<32, UInt8> {
        get throws(OpenSSLError) {
            var digest = InlineArray<32, UInt8>(repeating: 0)
            var output = digest.mutableSpan
            try check(
                output.withUnsafeMutableBufferPointer { output in
                    X509_digest(handle.pointer, EVP_sha256(), output.baseAddress, nil)
                })
            return digest
        }
    }
}
