// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport
import Testing

/// A server that a device must not talk to, and what the device says about it. Every path to a server reuses the
/// table.
struct BadServer: Sendable, CustomTestStringConvertible {
    enum Kind: Sendable {
        /// `openssl s_server` with these files and options.
        case tls(@Sendable (TestAuthority) throws -> CertificateFiles, options: [String])
        /// A TCP server that answers the first bytes of each connection.
        case tcp(TCPServer.Answer)
    }

    let name: String
    let kind: Kind
    let text: String
    /// The name that the device is configured with.
    var host = "localhost"

    var testDescription: String { name }

    static let all = names + chains + profiles + protocols + strangers

    private static func tls(
        _ name: String, _ text: String, host: String = "localhost", options: [String] = [],
        _ files: @escaping @Sendable (TestAuthority) throws -> CertificateFiles
    ) -> BadServer {
        BadServer(name: name, kind: .tls(files, options: options), text: text, host: host)
    }

    private static func tcp(_ name: String, _ text: String, _ answer: TCPServer.Answer) -> BadServer {
        BadServer(name: name, kind: .tcp(answer), text: text)
    }

    private static let serverUsage = "extendedKeyUsage=serverAuth"
    private static let localhost = "subjectAltName=DNS:localhost"

    private static let wrongName = "the server's certificate is not for the name localhost"
    static let names = [
        tls("another name", wrongName) { try $0.server(names: ["other.example"]).files },
        tls("a name that ours begins with", wrongName) { try $0.server(names: ["localhos"]).files },
        tls("an address instead of the name", wrongName) {
            try $0.server(names: [], addresses: ["127.0.0.1"]).files
        },
        tls("a wildcard for everything", wrongName) {
            try $0.forge(extensions: ["subjectAltName=DNS:*", serverUsage])
        },
        tls("the name as common name alone", wrongName) { try $0.forge(extensions: [serverUsage]) },
        tls(
            "the address as common name alone", "the server's certificate is not for the name 127.0.0.1",
            host: "127.0.0.1"
        ) {
            try $0.forge(commonName: "127.0.0.1", extensions: [localhost, serverUsage])
        },
    ]

    private static let untrusted = "the server's certificate is not from a trust anchor of ours"
    static let chains = [
        tls("an authority of somebody else", untrusted) { try $0.keep(TestAuthority().server) },
        tls("a missing intermediate", untrusted) { authority in
            let issuer = try authority.forge(
                commonName: "Intermediate",
                extensions: [
                    "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign", "subjectKeyIdentifier=hash",
                ])
            return try authority.server(issuedBy: issuer)
        },
        tls("an issuer that is no authority", "the server's certificate chain breaks a rule of its issuer") {
            authority in
            let issuer = try authority.forge(
                commonName: "A server", extensions: ["basicConstraints=critical,CA:FALSE", "subjectKeyIdentifier=hash"])
            return try authority.server(issuedBy: issuer, sendingIssuer: true)
        },
        tls("self-signed", "the server's certificate is self-signed and no trust anchor of ours") {
            try $0.forge(extensions: [localhost, serverUsage], isSelfSigned: true)
        },
    ]

    private static let wrongPurpose = "the server's certificate is not one for servers"
    private static let weak = "the server's certificate uses a weak key or signature"
    private static let weakServer = ["-cipher", "DEFAULT@SECLEVEL=0"]
    static let profiles = [
        tls("expired", "the server's certificate has expired") { authority in
            try authority.server(notAfter: Int64(Date().timeIntervalSince1970) - 60).files
        },
        tls("a certificate for clients", wrongPurpose) {
            try $0.forge(extensions: [localhost, "extendedKeyUsage=clientAuth"])
        },
        tls("a certificate that does not say what for", wrongPurpose) { try $0.forge(extensions: [localhost]) },
        tls("RSA with 1024 bits", weak, options: weakServer) {
            try $0.forge(extensions: [localhost, serverUsage], key: ["rsa:1024"])
        },
        tls("signed by SHA-1", weak, options: weakServer) {
            try $0.forge(extensions: [localhost, serverUsage], digest: "sha1")
        },
    ]

    private static let oldCipher = "the server offers no cipher with forward secrecy and authenticated encryption"
    static let protocols = [
        tls("TLS 1.1", "the server offers no TLS version from 1.2 on", options: ["-tls1_1"] + weakServer) {
            $0.server.files
        },
        tls("CBC and SHA-1", oldCipher, options: ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]) { $0.server.files },
        tls("no forward secrecy", oldCipher, options: ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]) {
            try $0.forge(extensions: [localhost, serverUsage], key: ["rsa:2048"])
        },
    ]

    private static let notTLS = "the server does not speak TLS"
    /// Said also when a server refuses us: TLS 1.3 may lose the alert that tells.
    static let closed = "the server closed the connection before accepting us: it may have refused our certificate"
    static let strangers = [
        tcp("MQTT without TLS", notTLS, .bytes([0x20, 0x03, 0x00, 0x00, 0x00])),
        tcp("HTTP", notTLS, .bytes(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))),
        tcp("a greeting with an escape sequence", notTLS, .bytes(Array("220 \u{1b}[31mmail\u{202e}\r\n".utf8))),
        tcp("garbage", notTLS, .bytes([UInt8](repeating: 0xff, count: 300))),
        tcp("an alert", "the server ended TLS with alert 80", .bytes([0x15, 3, 3, 0, 2, 2, 80])),
        tcp("an end", closed, .end),
        tcp("a reset", closed, .reset),
    ]
}

extension TestAuthority {
    /// Copies the files of another authority's identity, which go away with it.
    func keep(_ identity: Identity) throws -> CertificateFiles {
        let name = UUID().uuidString
        return CertificateFiles(
            certificate: try write(identity.certificate.pem(), to: name + ".pem"),
            key: try write(identity.key.pem(), to: name + ".key"))
    }

    /// A server's certificate for `localhost`, signed by the key of `issuer`.
    func server(issuedBy issuer: CertificateFiles, sendingIssuer: Bool = false) throws -> CertificateFiles {
        let certificate = Array(try Data(contentsOf: URL(filePath: issuer.certificate)))
        let secret = Array(try Data(contentsOf: URL(filePath: issuer.key)))
        let authority = try CertificateAuthority(
            certificate: Certificate.all(inPEM: certificate.span)[0], key: PrivateKey(pem: secret.span))
        let key = try PrivateKey.generate(.p256)
        let issued = try authority.issueServer(
            key.publicKey, names: ["localhost"], notBefore: notBefore, notAfter: notAfter)
        let name = UUID().uuidString
        return CertificateFiles(
            certificate: try write(issued.pem(), to: name + ".pem"), key: try write(key.pem(), to: name + ".key"),
            chain: sendingIssuer ? issuer.certificate : nil)
    }
}
