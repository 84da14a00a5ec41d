// SPDX-License-Identifier: Apache-2.0

import MartletOpenSSL
import TestSupport

extension BadServer {
    /// A device begins with a clock that may be wrong: then "not yet valid" is no reason to refuse, and a wrong time
    /// takes a process of its own.
    var isRefusedNow: Bool { if case .right = clock { true } else { false } }

    /// Said also when a server refuses us: TLS 1.3 may lose the alert that tells.
    static let closedText =
        "the server closed the connection before accepting us: it may have refused our certificate"

    /// What a device says about it.
    var text: String {
        switch failure {
        case nil, .closed, .certificateRefused: Self.closedText
        case .certificate(let failure): Self.text(failure)
        case .protocolVersion: "the server offers no TLS version from 1.2 on"
        case .noSharedCipher: "the server offers no cipher suite, group or key type that is accepted"
        case .notTLS: "the server does not speak TLS"
        case .inputLimit: "the server sent more at once than was agreed"
        case .alert(let alert): "the server ended TLS with alert \(alert)"
        case .other(let code): "TLS failed, OpenSSL reason \(code)"
        }
    }

    /// What a device says about it that connects by HTTPS.
    var exchangeText: String {
        switch failure {
        case .certificate(.untrustedIssuer), .certificate(.selfSigned):
            "the server's certificate is from no anchor of ours: a captive portal? a wrong ca in [https]?"
        default: text
        }
    }

    private static func text(_ failure: CertificateFailure) -> String {
        switch failure {
        case .hostName: "the server's certificate is not for this name"
        case .untrustedIssuer:
            "the server's certificate is not from a trust anchor of ours: check anchors in [identity]"
        case .selfSigned:
            "the server's certificate is self-signed and no anchor of ours: check anchors in [identity]"
        case .expired: "the server's certificate has expired"
        case .notYetValid: "the server's certificate is not valid yet: is this device's clock right?"
        case .wrongPurpose: "the server's certificate is not one for servers"
        case .weak: "the server's certificate uses a weak key or signature"
        case .badSignature: "a signature in the server's certificate chain is wrong"
        case .forbiddenByIssuer: "the server's certificate chain breaks a rule of its issuer"
        case .chainTooLong: "the server's certificate chain is too long"
        case .notUnderstood: "the server's certificate chain has a critical part that is unknown"
        case .other(let code): "the server's certificate is not accepted, OpenSSL code \(code)"
        }
    }
}
