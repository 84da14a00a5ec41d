// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL

extension TestAuthority {
    public static let p256 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

    /// A certificate that `issueServer` and `issueDevice` do not make, by the program `openssl`.
    /// - Parameters:
    ///   - extensions: lines as in its configuration file, `basicConstraints=CA:TRUE`. None: a version 1 certificate.
    ///   - key: what follows `-newkey`.
    ///   - issuer: signs instead of this authority, and is sent with the certificate, as is what was sent with it.
    ///   - isSelfSigned: signed by its own key instead of by this authority.
    ///   - clock: when it is made (Debian: faketime), as in `2 years ago`; it is valid for 30 days from then on.
    public func forge(
        commonName: String = "localhost", extensions: [String], key: [String] = p256, digest: String = "sha256",
        issuer: CertificateFiles? = nil, isSelfSigned: Bool = false, clock: String? = nil
    ) throws -> CertificateFiles {
        let name = UUID().uuidString
        let certificate = folder.appending(path: name + ".pem").path
        let keyFile = folder.appending(path: name + ".key").path
        var lines = ["[req]", "prompt=no", "distinguished_name=dn"]
        if !extensions.isEmpty { lines.append("x509_extensions=v3") }
        lines += ["[dn]", "CN=\(commonName)", "[v3]"] + extensions
        let configuration = try write(Array((lines.joined(separator: "\n") + "\n").utf8), to: name + ".conf")
        var arguments = ["openssl", "req", "-x509", "-config", configuration, "-newkey"] + key
        arguments += ["-nodes", "-\(digest)", "-days", "30", "-keyout", keyFile, "-out", certificate]
        if !isSelfSigned {
            let signer = try issuer ?? root()
            arguments += ["-CA", signer.certificate, "-CAkey", signer.key]
        }
        if let clock { arguments = FakeTime.command(clock) + arguments }
        try ChildProcess(arguments[0], Array(arguments.dropFirst())).waitForSuccess()
        var chain: String?
        if let issuer {
            let sent = try [issuer.certificate, issuer.chain].compactMap { $0 }.map(text).joined()
            chain = try write(Array(sent.utf8), to: name + ".chain")
        }
        return CertificateFiles(certificate: certificate, key: keyFile, chain: chain)
    }

    /// An authority below this one, with these extensions beside those that make it one.
    public func forgeIssuer(
        _ more: [String] = [], issuer: CertificateFiles? = nil, key: [String] = p256, digest: String = "sha256",
        clock: String? = nil
    ) throws -> CertificateFiles {
        let usual = [
            "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign", "subjectKeyIdentifier=hash",
        ]
        let names = more.map { $0.prefix { $0 != "=" } }
        return try forge(
            commonName: "Issuer \(UUID().uuidString)",
            extensions: usual.filter { line in !names.contains { line.hasPrefix($0 + "=") } } + more, key: key,
            digest: digest, issuer: issuer, clock: clock)
    }

    /// Copies the files of another authority's identity, which go away with it.
    public func keep(_ identity: Identity, sending root: Certificate? = nil) throws -> CertificateFiles {
        let name = UUID().uuidString
        return CertificateFiles(
            certificate: try write(identity.certificate.pem(), to: name + ".pem"),
            key: try write(identity.key.pem(), to: name + ".key"),
            chain: try root.map { try write($0.pem(), to: name + ".chain") })
    }

    /// The certificate with one bit of its signature turned.
    public func breakSignature(_ files: CertificateFiles) throws -> CertificateFiles {
        let lines = try text(files.certificate).split(separator: "\n").filter { !$0.hasPrefix("-----") }
        guard var der = Data(base64Encoded: lines.joined()) else { throw TestFailure("no certificate") }
        der[der.count - 1] ^= 1
        let pem =
            "-----BEGIN CERTIFICATE-----\n" + der.base64EncodedString(options: .lineLength64Characters)
            + "\n-----END CERTIFICATE-----\n"
        return CertificateFiles(
            certificate: try write(Array(pem.utf8), to: UUID().uuidString + ".pem"), key: files.key, chain: files.chain)
    }

    /// The files of this authority itself.
    private func root() throws -> CertificateFiles {
        let key = folder.appending(path: "root.key").path
        if !FileManager.default.fileExists(atPath: key) { _ = try write(authority.keyPEM(), to: "root.key") }
        return CertificateFiles(certificate: rootPath, key: key)
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
}
