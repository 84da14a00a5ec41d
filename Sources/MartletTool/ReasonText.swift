// SPDX-License-Identifier: Apache-2.0

import MartletOpenSSL

// Why a registrar or its certificates are refused, in a few words, for people.

extension TLSFailure {
    var text: StaticString {
        switch self {
        case .certificate(let reason): reason.text
        case .certificateRefused: "it refuses this device's certificate, or that it has none"
        case .protocolVersion: "it offers no TLS version from 1.2 on"
        case .noSharedCipher: "it offers no cipher suite, group or key type that is accepted"
        case .notTLS: "it does not speak TLS"
        case .inputLimit: "it sent more at once than is taken"
        case .closed, .alert, .other: "it ended TLS"
        }
    }
}

extension CertificateFailure {
    var text: StaticString {
        switch self {
        case .hostName: "its certificate is not for the name that it is asked by"
        case .untrustedIssuer, .selfSigned, .badSignature:
            "its certificate is not from an authority that is trusted here"
        case .expired: "its certificate, or that of its authority, has expired"
        case .notYetValid: "its certificate is not valid yet: is this device's clock right?"
        case .wrongPurpose: "its certificate is not one for servers, or for registrars if the network proposed it"
        case .weak: "its certificate uses a weak key or signature"
        case .forbiddenByIssuer, .chainTooLong, .notUnderstood, .other: "its certificate breaks a rule of its authority"
        }
    }
}

extension IssuedCertificateError {
    var text: StaticString {
        switch self {
        case .none: "it is not for this device's key"
        case .several: "there is more than one for this device's key"
        case .otherID: "its common name is not this device's id"
        case .otherName: "it does not have exactly one URI, urn:dev:..."
        case .authority: "it is that of an authority"
        case .cannotSign: "its key must not sign"
        case .chain(.expired): "it, or that of its authority, has expired"
        case .chain(.wrongPurpose): "it is not for a TLS client"
        case .chain(.untrustedIssuer), .chain(.selfSigned), .chain(.badSignature):
            "it is not from an authority that is trusted here"
        case .chain(.weak): "it uses a weak key or signature"
        case .chain: "its chain breaks a rule"
        }
    }
}
