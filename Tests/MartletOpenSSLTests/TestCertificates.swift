// SPDX-License-Identifier: Apache-2.0

@testable import MartletOpenSSL

/// An authority whose certificates are valid at `now`, with its key at hand, and some certificates it issued.
struct TestCertificates {
    /// 2026-01-01, whatever the clock says.
    static let now: Int64 = 1_767_225_600
    static let day: Int64 = 86_400

    let rootKey: PrivateKey
    let root: Certificate
    let authority: CertificateAuthority
    let key: PrivateKey

    init(name: String = "Root") throws {
        rootKey = try PrivateKey.generate(.p256)
        key = try PrivateKey.generate(.p256)
        let profile = CertificateProfile(
            commonName: name, isAuthority: true, keyUsage: "critical,keyCertSign,cRLSign",
            notBefore: Self.now - 10 * Self.day, notAfter: Self.now + 3650 * Self.day)
        root = try profile.issue(for: rootKey.publicKey, issuer: nil, signedBy: rootKey)
        authority = try CertificateAuthority(certificate: root, key: rootKey)
    }

    func server(
        _ names: [String] = ["broker.example"], addresses: [String] = [],
        from: Int64 = now - day, to: Int64 = now + day
    ) throws -> Certificate {
        try authority.issueServer(key.publicKey, names: names, addresses: addresses, notBefore: from, notAfter: to)
    }

    func device(_ name: String = "device-1", from: Int64 = now - day, to: Int64 = now + day) throws -> Certificate {
        try authority.issueDevice(
            key.publicKey, commonName: name, uri: "urn:dev:mac:0024befffe804ff1", notBefore: from, notAfter: to)
    }

    /// An authority below this one.
    func intermediate(_ name: String = "Intermediate") throws -> (certificate: Certificate, key: PrivateKey) {
        let key = try PrivateKey.generate(.p256)
        let profile = CertificateProfile(
            commonName: name, isAuthority: true, keyUsage: "critical,keyCertSign", notBefore: Self.now - Self.day,
            notAfter: Self.now + Self.day)
        return (try authority.issue(key.publicKey, profile), key)
    }
}
