// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What a certificate says about its holder.
struct CertificateProfile {
    var commonName: String
    var alternativeNames: [AlternativeName] = []
    var isAuthority = false
    /// Values of extensions in OpenSSL's notation. Constants only: they are parsed as configuration text.
    var keyUsage = "critical,digitalSignature"
    var extendedKeyUsage: String?
    var notBefore: Int64
    var notAfter: Int64

    /// Makes the certificate for `key`, signed by `signer`, the key of `issuer` or of the certificate itself.
    func issue(
        for key: PublicKey, issuer: Certificate?, signedBy signer: PrivateKey
    ) throws(OpenSSLError) -> Certificate {
        guard notBefore < notAfter else { throw .invalidTime }
        let handle = try Handle(X509_new(), X509_free)
        let certificate = handle.pointer
        // 2 is version 3 (RFC 5280 §4.1.2.1).
        try check(X509_set_version(certificate, 2))
        try setSerial(of: certificate)
        try CertificateTime.set(notBefore, X509_getm_notBefore(certificate))
        try CertificateTime.set(notAfter, X509_getm_notAfter(certificate))
        try Names.setCommonName(commonName, of: X509_get_subject_name(certificate))
        let issuer = issuer?.handle.pointer ?? certificate
        try check(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)))
        try check(X509_set_pubkey(certificate, key.key.pointer))

        try add(NID_basic_constraints, isAuthority ? "critical,CA:TRUE" : "critical,CA:FALSE", to: certificate, issuer)
        try add(NID_key_usage, keyUsage, to: certificate, issuer)
        if let extendedKeyUsage { try add(NID_ext_key_usage, extendedKeyUsage, to: certificate, issuer) }
        try add(NID_subject_key_identifier, "hash", to: certificate, issuer)
        try add(NID_authority_key_identifier, "keyid:always", to: certificate, issuer)
        if !alternativeNames.isEmpty {
            let names = try Names.general(alternativeNames)
            try check(
                X509_add1_ext_i2d(certificate, NID_subject_alt_name, UnsafeMutableRawPointer(names.pointer), 0, 0))
        }
        guard X509_sign(certificate, signer.key.pointer, signer.kind.digest) > 0 else { throw cleared(.failed) }
        return try Certificate(handle)
    }

    /// 126 random bits below a leading 01, so that the serial is positive and always 16 bytes long.
    private func setSerial(of certificate: OpaquePointer) throws(OpenSSLError) {
        var bytes: InlineArray<16, UInt8> = try Random.bytes()
        bytes[0] = bytes[0] & 0x3F | 0x40
        let number = bytes.span.withUnsafeBufferPointer { BN_bin2bn($0.baseAddress, Int32($0.count), nil) }
        let owner = try Handle(number, BN_free)
        guard BN_to_ASN1_INTEGER(owner.pointer, X509_get_serialNumber(certificate)) != nil else {
            throw cleared(.failed)
        }
    }

    private func add(
        _ identifier: Int32, _ value: String, to certificate: OpaquePointer, _ issuer: OpaquePointer
    ) throws(OpenSSLError) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, certificate, nil, nil, 0)
        let made = try Handle(X509V3_EXT_nconf_nid(nil, &context, identifier, value), X509_EXTENSION_free)
        try check(X509_add_ext(certificate, made.pointer, -1))
    }
}
