// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Why a TLS connection was not made, or ended.
public enum TLSFailure: Error, Hashable, Sendable {
    /// The server's certificate is not accepted.
    case certificate(CertificateFailure)
    /// The server refused our certificate, or asked for one that we do not have; the number is its alert (RFC 8446
    /// §6.2). In TLS 1.3 it comes after the handshake, and may be lost if the server resets the connection.
    case certificateRefused(alert: UInt8)
    /// The server speaks no version from TLS 1.2 on.
    case protocolVersion
    /// The server has no cipher suite with forward secrecy and authenticated encryption, or no group or kind of key
    /// that we accept.
    case noSharedCipher
    /// What arrived is not TLS, or breaks its rules.
    case notTLS
    /// More bytes arrived, or were announced, than the limit allows.
    case inputLimit
    /// The server closed the connection during the handshake.
    case closed
    /// The server sent another fatal alert.
    case alert(UInt8)
    /// Another reason; the number is OpenSSL's `SSL_R_…`.
    case other(Int32)
}

/// OpenSSL 3.5's SSL_R_RECORD_LAYER_FAILURE, its last word on a record that breaks the rules; 3.0 does not have it.
private let recordLayerFailure: Int32 = 313

extension TLSFailure {
    /// What a fatal alert of the server means. `inReplyToHello`: it came before the server chose anything.
    init(alert: UInt8, inReplyToHello: Bool) {
        switch Int32(alert) {
        case SSL_AD_BAD_CERTIFICATE, SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_REVOKED,
            SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA, SSL_AD_ACCESS_DENIED,
            SSL_AD_CERTIFICATE_REQUIRED:
            self = .certificateRefused(alert: alert)
        case SSL_AD_PROTOCOL_VERSION: self = .protocolVersion
        case SSL_AD_INSUFFICIENT_SECURITY: self = .noSharedCipher
        // Later in the handshake, it is how TLS 1.2 says that it wants a certificate (RFC 5246 §7.4.6).
        case SSL_AD_HANDSHAKE_FAILURE: self = inReplyToHello ? .noSharedCipher : .certificateRefused(alert: alert)
        default: self = .alert(alert)
        }
    }

    /// What OpenSSL's reason for a failed handshake means.
    init(reason: Int32) {
        switch reason {
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_SSL_VERSION, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH,
            SSL_R_INAPPROPRIATE_FALLBACK:
            self = .protocolVersion
        case SSL_R_WRONG_CIPHER_RETURNED, SSL_R_UNKNOWN_CIPHER_RETURNED, SSL_R_NO_CIPHERS_AVAILABLE,
            SSL_R_BAD_KEY_SHARE, SSL_R_NO_SUITABLE_KEY_SHARE:
            self = .noSharedCipher
        case SSL_R_DH_KEY_TOO_SMALL, SSL_R_WRONG_SIGNATURE_TYPE, SSL_R_WRONG_CURVE, SSL_R_EE_KEY_TOO_SMALL,
            SSL_R_CA_KEY_TOO_SMALL, SSL_R_CA_MD_TOO_WEAK, SSL_R_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED:
            self = .certificate(.weak)
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_BAD_PACKET_LENGTH,
            SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_DATA_LENGTH_TOO_LONG, SSL_R_BAD_RECORD_TYPE, SSL_R_UNEXPECTED_MESSAGE,
            SSL_R_UNEXPECTED_RECORD, SSL_R_LENGTH_MISMATCH, SSL_R_LENGTH_TOO_SHORT, SSL_R_RECORD_LENGTH_MISMATCH,
            SSL_R_RECORD_TOO_SMALL, SSL_R_UNKNOWN_ALERT_TYPE, SSL_R_COMPRESSION_DISABLED,
            SSL_R_UNSUPPORTED_COMPRESSION_ALGORITHM, SSL_R_INVALID_COMPRESSION_ALGORITHM, recordLayerFailure:
            self = .notTLS
        case SSL_R_EXCESSIVE_MESSAGE_SIZE: self = .inputLimit
        case SSL_R_UNEXPECTED_EOF_WHILE_READING: self = .closed
        default: self = .other(reason)
        }
    }
}
