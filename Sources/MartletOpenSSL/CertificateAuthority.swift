// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Issues certificates: for a gateway with an authority of its own, and for tests. Times are seconds since 1970.
///
/// Not safe for concurrent use.
public final class CertificateAuthority {
    public let certificate: Certificate
    private let key: PrivateKey

    /// An authority that exists. Throws `keyMismatch` unless `key` is the certificate's.
    public init(certificate: Certificate, key: PrivateKey) throws(OpenSSLError) {
        guard try certificate.publicKey.spki == key.publicKey.spki else { throw .keyMismatch }
        self.certificate = certificate
        self.key = key
    }

    /// A new root, signed by its own new P-256 key.
    public static func selfSigned(
        commonName: String, notBefore: Int64, notAfter: Int64
    ) throws(OpenSSLError) -> CertificateAuthority {
        let key = try PrivateKey.generate(.p256)
        let profile = CertificateProfile(
            commonName: commonName, isAuthority: true, keyUsage: "critical,keyCertSign,cRLSign", extendedKeyUsage: nil,
            notBefore: notBefore, notAfter: notAfter)
        return try CertificateAuthority(
            certificate: profile.issue(for: key.publicKey, issuer: nil, signedBy: key), key: key)
    }

    /// The authority's key as PKCS#8 PEM. A secret: wipe it with `secureZero` after use.
    public func keyPEM() throws(OpenSSLError) -> [UInt8] { try key.pem() }

    /// For a device: a TLS client whose identity is also a URI.
    public func issueDevice(
        _ key: PublicKey, commonName: String, uri: String, notBefore: Int64, notAfter: Int64
    ) throws(OpenSSLError) -> Certificate {
        try issue(
            key,
            CertificateProfile(
                commonName: commonName, alternativeNames: [.uri(uri)], extendedKeyUsage: "clientAuth",
                notBefore: notBefore, notAfter: notAfter))
    }

    /// For any other TLS client.
    public func issueClient(
        _ key: PublicKey, commonName: String, notBefore: Int64, notAfter: Int64
    ) throws(OpenSSLError) -> Certificate {
        try issue(
            key,
            CertificateProfile(
                commonName: commonName, extendedKeyUsage: "clientAuth", notBefore: notBefore, notAfter: notAfter))
    }

    /// For a TLS server that is reached by these DNS names and IP addresses, at least one in all.
    public func issueServer(
        _ key: PublicKey, names: [String], addresses: [String] = [], notBefore: Int64, notAfter: Int64
    ) throws(OpenSSLError) -> Certificate {
        try issue(key, server("serverAuth", names, addresses, notBefore, notAfter))
    }

    /// The same for a registrar, whose certificate also says id-kp-cmcRA (RFC 6402 §2.10, RFC 7030 §3.6.1).
    public func issueRegistrar(
        _ key: PublicKey, names: [String], addresses: [String] = [], notBefore: Int64, notAfter: Int64
    ) throws(OpenSSLError) -> Certificate {
        try issue(key, server("serverAuth,1.3.6.1.5.5.7.3.28", names, addresses, notBefore, notAfter))
    }

    private func server(
        _ extendedKeyUsage: String, _ names: [String], _ addresses: [String], _ notBefore: Int64, _ notAfter: Int64
    ) throws(OpenSSLError) -> CertificateProfile {
        guard let commonName = names.first ?? addresses.first else { throw .invalidName }
        return CertificateProfile(
            commonName: commonName, alternativeNames: names.map { .dns($0) } + addresses.map { .address($0) },
            extendedKeyUsage: extendedKeyUsage, notBefore: notBefore, notAfter: notAfter)
    }

    func issue(_ key: PublicKey, _ profile: CertificateProfile) throws(OpenSSLError) -> Certificate {
        try profile.issue(for: key, issuer: certificate, signedBy: self.key)
    }
}
