// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL

/// Paths of a certificate, its key, and the certificates to send with it, in PEM.
public struct CertificateFiles: Sendable {
    public let certificate: String
    public let key: String
    public let chain: String?

    public init(certificate: String, key: String, chain: String? = nil) {
        self.certificate = certificate
        self.key = key
        self.chain = chain
    }
}

/// A throw-away authority with a server certificate for `localhost` and `127.0.0.1`, and its PEM files in a temporary
/// folder (0700, files 0600) that goes away with it.
public final class TestAuthority {
    /// A certificate with its key, in memory and as files.
    public struct Identity {
        public let certificate: Certificate
        public let key: PrivateKey
        public let certificatePath: String
        public let keyPath: String

        public var files: CertificateFiles { CertificateFiles(certificate: certificatePath, key: keyPath) }
    }

    /// Everything is valid from a day ago to a year ahead.
    public let notBefore: Int64
    public let notAfter: Int64
    public let folder: URL
    public let authority: CertificateAuthority
    /// The root's certificate, as `cafile` of a broker or `ca` of a device.
    public let rootPath: String
    public let server: Identity

    /// - Parameter rootDays: how long the root is valid from a day ago on; 0: it has expired.
    public init(rootDays: Int64 = 366) throws {
        let now = Int64(Date().timeIntervalSince1970)
        notBefore = now - 86_400
        notAfter = now + 365 * 86_400
        folder = FileManager.default.temporaryDirectory.appending(path: "martlet-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        authority = try CertificateAuthority.selfSigned(
            commonName: "Martlet test root", notBefore: notBefore, notAfter: notBefore + rootDays * 86_400 + 1)
        rootPath = try TestAuthority.write(authority.certificate.pem(), folder, "root.pem")
        let key = try PrivateKey.generate(.p256)
        let certificate = try authority.issueServer(
            key.publicKey, names: ["localhost"], addresses: ["127.0.0.1", "::1"], notBefore: notBefore,
            notAfter: notAfter)
        server = try TestAuthority.identity(certificate, key, folder, "server")
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// A device's certificate with the URI `urn:dev:mac:…` made of `mac`, 12 or 16 hexadecimal digits.
    public func device(
        _ name: String, mac: String = "0024befffe804ff1", kind: KeyKind = .p256
    ) throws -> Identity {
        let key = try PrivateKey.generate(kind)
        let certificate = try authority.issueDevice(
            key.publicKey, commonName: name, uri: "urn:dev:mac:\(mac)", notBefore: notBefore, notAfter: notAfter)
        return try TestAuthority.identity(certificate, key, folder, name)
    }

    /// A client certificate without a URI, as a gateway or a controller has.
    public func client(_ name: String, kind: KeyKind = .p256) throws -> Identity {
        let key = try PrivateKey.generate(kind)
        let certificate = try authority.issueClient(
            key.publicKey, commonName: name, notBefore: notBefore, notAfter: notAfter)
        return try TestAuthority.identity(certificate, key, folder, name)
    }

    /// A server's certificate by this authority, with other names and times where they are given.
    public func server(
        names: [String] = ["localhost"], addresses: [String] = [], notBefore: Int64? = nil, notAfter: Int64? = nil
    ) throws -> Identity {
        let key = try PrivateKey.generate(.p256)
        let certificate = try authority.issueServer(
            key.publicKey, names: names, addresses: addresses, notBefore: notBefore ?? self.notBefore,
            notAfter: notAfter ?? self.notAfter)
        return try TestAuthority.identity(certificate, key, folder, UUID().uuidString)
    }

    /// Writes `bytes` as a file of the folder that only its owner can read; returns its path.
    public func write(_ bytes: [UInt8], to name: String) throws -> String {
        try TestAuthority.write(bytes, folder, name)
    }

    private static func identity(
        _ certificate: Certificate, _ key: PrivateKey, _ folder: URL, _ name: String
    ) throws -> Identity {
        Identity(
            certificate: certificate, key: key,
            certificatePath: try write(certificate.pem(), folder, "\(name).pem"),
            keyPath: try write(key.pem(), folder, "\(name).key"))
    }

    private static func write(_ bytes: [UInt8], _ folder: URL, _ name: String) throws -> String {
        let path = folder.appending(path: name).path
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600])
        else { throw CocoaError(.fileWriteUnknown) }
        return path
    }
}
