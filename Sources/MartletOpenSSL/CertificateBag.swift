// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Certificates as servers for enrolment send them: a SignedData of PKCS #7 without content and signers (RFC 7030
/// §4.1.3, RFC 5652 §5).
public enum CertificateBag {
    /// The most bytes of a bag.
    public static let maximumCount = 64 * 1024
    /// The most certificates in a bag.
    public static let maximumCertificates = 16

    /// The certificates in `der`, 1 to 16, in the order of the bag, which means nothing. Nothing may precede or follow it.
    public static func certificates(in der: Span<UInt8>) throws(OpenSSLError) -> [Certificate] {
        guard der.count <= maximumCount else { throw .tooLarge }
        let bag = try decoded(der, { OpaquePointer(d2i_PKCS7(nil, $0, $1)) }, release)
        let content = UnsafeMutablePointer<PKCS7>(bag.pointer)
        guard OBJ_obj2nid(content.pointee.type) == NID_pkcs7_signed, let signed = content.pointee.d.sign,
            OPENSSL_sk_num(signed.pointee.signer_info) <= 0
        else { throw .malformed }
        let stack = signed.pointee.cert
        let count = OPENSSL_sk_num(stack)
        guard count > 0 else { throw .malformed }
        guard count <= maximumCertificates else { throw .tooLarge }
        var certificates: [Certificate] = []
        for index in 0..<count {
            // Read from its own encoding, by the rules for one that comes alone.
            let certificate = OpaquePointer(OPENSSL_sk_value(stack, index))
            let der = try encoded { i2d_X509(certificate, $0) }
            certificates.append(try Certificate(der: der.span))
        }
        return certificates
    }

    /// The bag that holds these certificates, in DER.
    public static func der(_ certificates: [Certificate]) throws(OpenSSLError) -> [UInt8] {
        let bag = try Handle(OpaquePointer(PKCS7_new()), release)
        let content = UnsafeMutablePointer<PKCS7>(bag.pointer)
        try check(PKCS7_set_type(content, NID_pkcs7_signed))
        // The type of a content that is not there (RFC 5652 §5.2).
        content.pointee.d.sign?.pointee.contents?.pointee.type = OBJ_nid2obj(NID_pkcs7_data)
        for certificate in certificates { try check(PKCS7_add_certificate(content, certificate.handle.pointer)) }
        return try encoded { i2d_PKCS7(content, $0) }
    }

    private static let release: @convention(c) (OpaquePointer?) -> Void = {
        PKCS7_free(UnsafeMutablePointer<PKCS7>($0))
    }
}
