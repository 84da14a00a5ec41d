// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Why a certificate chain is not accepted. The first reason that OpenSSL comes across counts.
public enum CertificateFailure: Error, Hashable, Sendable {
    /// The certificate is for another host name or address.
    case hostName
    /// The chain does not end at a trust anchor.
    case untrustedIssuer
    /// The certificate is signed by its own key and is no trust anchor.
    case selfSigned
    /// A certificate of the chain has ended.
    case expired
    /// A certificate of the chain has not begun. With a clock that may be behind, the clock is the first suspect.
    case notYetValid
    /// The certificate is not for this role: a server's must say serverAuth, and not that its key may not sign.
    case wrongPurpose
    /// A key is smaller than P-256 or RSA-2048, or a signature uses SHA-1 or MD5.
    case weak
    /// A signature in the chain is wrong.
    case badSignature
    /// An issuer is no certification authority, or its path length or name constraints forbid this chain.
    case forbiddenByIssuer
    /// More certificates than are looked at lie between the server's and an anchor.
    case chainTooLong
    /// A critical extension, or a constraint of an issuer, that is not understood.
    case notUnderstood
    /// Another reason; the number is OpenSSL's `X509_V_ERR_…`.
    case other(Int32)

    init(code: Int32) {
        switch code {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: self = .hostName
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_CERT_UNTRUSTED:
            self = .untrustedIssuer
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: self = .selfSigned
        case X509_V_ERR_CERT_HAS_EXPIRED: self = .expired
        case X509_V_ERR_CERT_NOT_YET_VALID: self = .notYetValid
        case X509_V_ERR_INVALID_PURPOSE: self = .wrongPurpose
        case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK: self = .weak
        case X509_V_ERR_CERT_SIGNATURE_FAILURE: self = .badSignature
        case X509_V_ERR_INVALID_CA, X509_V_ERR_PATH_LENGTH_EXCEEDED, X509_V_ERR_KEYUSAGE_NO_CERTSIGN,
            X509_V_ERR_PERMITTED_VIOLATION, X509_V_ERR_EXCLUDED_VIOLATION:
            self = .forbiddenByIssuer
        case X509_V_ERR_CERT_CHAIN_TOO_LONG: self = .chainTooLong
        case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, X509_V_ERR_INVALID_EXTENSION,
            X509_V_ERR_UNSUPPORTED_EXTENSION_FEATURE, X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE,
            X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
            self = .notUnderstood
        default: self = .other(code)
        }
    }
}
