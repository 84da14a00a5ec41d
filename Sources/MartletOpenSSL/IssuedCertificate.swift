// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What a registrar issued to a device, found among all that it sent, and judged before it is used.
public struct IssuedCertificate {
    /// The certificate and its intermediates, leaf first, without the anchor.
    public let chain: [Certificate]

    /// - Parameters:
    ///   - certificates: all that came, in any order.
    ///   - key: the key that the request was for. Position and names prove nothing.
    ///   - id: the common name that the certificate must have, the device's id.
    ///   - uri: the one URI that it must have; nil: any one that begins with `urn:dev:`.
    ///   - anchors: the authorities that may have issued it.
    ///   - time: seconds since 1970. Unless `isTimeTrusted` it is a lower bound only, and a certificate that has not begun may
    ///     be used.
    public init(
        among certificates: [Certificate], for key: PublicKey, id: [UInt8], uri: [UInt8]?, anchors: [Certificate],
        time: Int64, isTimeTrusted: Bool
    ) throws(IssuedCertificateError) {
        var leaf: Certificate?
        var others: [Certificate] = []
        for certificate in certificates {
            if (try? certificate.publicKey)?.spki == key.spki {
                if leaf != nil { throw .several }
                leaf = certificate
            } else {
                others.append(certificate)
            }
        }
        guard let leaf else { throw .none }
        guard leaf.commonName == id else { throw .otherID }
        let uris = leaf.uris
        guard uris.count == 1, uri == nil ? uris[0].starts(with: "urn:dev:".utf8) : uris[0] == uri else {
            throw .otherName
        }
        guard X509_get_extension_flags(leaf.handle.pointer) & UInt32(EXFLAG_CA) == 0 else { throw .authority }
        guard X509_get_key_usage(leaf.handle.pointer) & UInt32(KU_DIGITAL_SIGNATURE) != 0 else { throw .cannotSign }
        var rules = ChainRules(time: time, purpose: .client)
        rules.acceptNotYetValid = !isTimeTrusted
        do throws(CertificateFailure) { chain = try CertificateChain.path(from: leaf, others, anchors, rules) } catch {
            throw .chain(error)
        }
    }
}

/// Why a certificate that a registrar issued is not used.
public enum IssuedCertificateError: Error, Hashable, Sendable {
    /// None of those that came is for the key of the request.
    case none
    /// More than one is.
    case several
    /// Its common name is not the device's id.
    case otherID
    /// It names another device, none, or several.
    case otherName
    /// It is the certificate of an authority: whoever has the device's key could issue certificates.
    case authority
    /// Its key must not sign.
    case cannotSign
    /// It is not valid as a TLS client's of these authorities.
    case chain(CertificateFailure)
}
