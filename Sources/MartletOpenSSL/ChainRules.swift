// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What Martlet asks of a chain beyond OpenSSL's own checks; the state of one verification.
///
/// OpenSSL calls `accepts` for each error it finds, and then once for each certificate from the anchor down to the
/// leaf. Times are compared here, in 64 bits, because OpenSSL would take them as `time_t`, which ends in 2038 on
/// 32-bit boards.
struct ChainRules {
    /// The most certificates between the leaf and its anchor.
    static let maximumDepth: Int32 = 6

    var time: Int64
    var purpose: CertificatePurpose
    /// A clock that may be behind proves nothing against a certificate's begin.
    var acceptNotYetValid = false

    private(set) var failure: CertificateFailure?
    /// A certificate was accepted although its validity has not begun.
    private(set) var isProvisional = false
    /// The time in which all certificates of the chain are valid.
    private(set) var notBefore = Int64.min
    private(set) var notAfter = Int64.max

    init(time: Int64, purpose: CertificatePurpose) {
        self.time = time
        self.purpose = purpose
    }

    /// Sets what OpenSSL checks.
    func apply(to parameters: OpaquePointer?) throws(OpenSSLError) {
        // Trust anchors are what the configuration says, also where that is an intermediate authority.
        let flags = X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST
        try check(X509_VERIFY_PARAM_set_flags(parameters, UInt(flags) | UInt(X509_V_FLAG_NO_CHECK_TIME)))
        try check(
            X509_VERIFY_PARAM_set_purpose(
                parameters, purpose == .server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT))
        X509_VERIFY_PARAM_set_depth(parameters, ChainRules.maximumDepth)
        X509_VERIFY_PARAM_set_auth_level(parameters, 2)
    }

    /// Begins a new verification.
    mutating func begin() {
        failure = nil
        isProvisional = false
        notBefore = .min
        notAfter = .max
    }

    /// A resumed session stands on an earlier verification.
    mutating func resume(notBefore: Int64, notAfter: Int64) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    /// The body of a verify callback.
    mutating func accepts(_ ok: Bool, _ store: OpaquePointer) -> Bool {
        if !ok {
            let code = X509_STORE_CTX_get_error(store)
            guard ChainRules.isHarmless(code) else { return refuse(CertificateFailure(code: code)) }
            X509_STORE_CTX_set_error(store, X509_V_OK)
            return true
        }
        let certificate = X509_STORE_CTX_get_current_cert(store)
        let error = judge(certificate, isLeaf: X509_STORE_CTX_get_error_depth(store) == 0)
        guard error != X509_V_OK else { return true }
        X509_STORE_CTX_set_error(store, error)
        return refuse(CertificateFailure(code: error))
    }

    private mutating func judge(_ certificate: OpaquePointer?, isLeaf: Bool) -> Int32 {
        guard let begin = CertificateTime.seconds(X509_get0_notBefore(certificate)) else {
            return X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD
        }
        guard let end = CertificateTime.seconds(X509_get0_notAfter(certificate)) else {
            return X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD
        }
        notBefore = max(notBefore, begin)
        notAfter = min(notAfter, end)
        guard time <= end else { return X509_V_ERR_CERT_HAS_EXPIRED }
        if time < begin {
            guard acceptNotYetValid else { return X509_V_ERR_CERT_NOT_YET_VALID }
            isProvisional = true
        }
        guard ChainRules.isStrong(X509_get0_pubkey(certificate)) else {
            return isLeaf ? X509_V_ERR_EE_KEY_TOO_SMALL : X509_V_ERR_CA_KEY_TOO_SMALL
        }
        // OpenSSL accepts a server certificate that does not say what it is for, and one whose key is for encryption
        // alone, as it was used before TLS 1.3 (RFC 8446 §4.4.2.2). Without key usages the second call has all bits.
        if isLeaf, purpose == .server {
            guard X509_get_extension_flags(certificate) & UInt32(EXFLAG_XKUSAGE) != 0,
                X509_get_extended_key_usage(certificate) & UInt32(XKU_SSL_SERVER) != 0,
                X509_get_key_usage(certificate) & UInt32(KU_DIGITAL_SIGNATURE) != 0
            else { return X509_V_ERR_INVALID_PURPOSE }
        }
        return X509_V_OK
    }

    private mutating func refuse(_ reason: CertificateFailure) -> Bool {
        if failure == nil { failure = reason }
        return false
    }

    /// OpenSSL's level 2 has RSA-2048 as its floor, but P-224 beside it.
    private static func isStrong(_ key: OpaquePointer?) -> Bool {
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA, EVP_PKEY_RSA_PSS: EVP_PKEY_get_bits(key) >= 2048
        default: EVP_PKEY_get_security_bits(key) >= 128
        }
    }

    /// What RFC 5280 asks of an issuer, but the authorities people make with `openssl req -x509` and
    /// `openssl x509 -req` leave out. None of them widens what a certificate allows.
    private static func isHarmless(_ code: Int32) -> Bool {
        switch code {
        case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER, X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER,
            X509_V_ERR_CA_BCONS_NOT_CRITICAL, X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
            true
        default: false
        }
    }
}
