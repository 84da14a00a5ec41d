// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Foundation
import TestSupport
import Testing

@testable import MartletOpenSSL

/// Servers that must be refused, each with its own reason.
@Suite struct TLSRefusalTests {
    let ca: TestCertificates
    let now = TestCertificates.now

    init() throws { ca = try TestCertificates() }

    /// What a client of `name` says about `server`. Fails the test if the connection is accepted.
    func refusal(_ server: TLSServer, name: String = "broker.example", at time: Int64? = nil) throws -> TLSFailure? {
        let context = try TLSContext(serverName: name, anchors: [ca.root], chain: [ca.device()], key: ca.key)
        context.prepare(time: time ?? now, boottime: 0, acceptNotYetValid: false)
        let pair = try TLSPair(context, server)
        #expect(!pair.connect())
        return context.failure
    }

    func refusal(
        _ chain: [Certificate], key: Handle? = nil, name: String = "broker.example", at time: Int64? = nil
    ) throws -> TLSFailure? {
        try refusal(TLSServer(chain, key: key ?? ca.key.key), name: name, at: time)
    }

    @Test("TLS-01 a certificate for another name is refused")
    func names() throws {
        let by: [(String, Certificate, String)] = [
            ("another host", try ca.server(["other.example"]), "broker.example"),
            ("a name that only begins so", try ca.server(["broker.example.evil.example"]), "broker.example"),
            ("a host of the domain", try ca.server(["a.broker.example"]), "broker.example"),
            ("DNS name, asked for by address", try ca.server(), "192.0.2.7"),
            ("another address", try ca.server([], addresses: ["192.0.2.8"]), "192.0.2.7"),
            ("an address as a DNS name", try forge { try Forge.setDNSName(Array("192.0.2.7".utf8), $0) }, "192.0.2.7"),
            ("common name only", try forge { try Forge.set(NID_subject_alt_name, nil, $0) }, "broker.example"),
            (
                "NUL in the name",
                try forge { try Forge.setDNSName(Array("broker.example\0.evil.example".utf8), $0) }, "broker.example"
            ),
            (
                "a wildcard within a label",
                try forge { try Forge.setDNSName(Array("b*.sub.example".utf8), $0) }, "broker.sub.example"
            ),
            ("a wildcard for everything", try forge { try Forge.setDNSName(Array("*".utf8), $0) }, "localhost"),
            (
                "a URI with the name",
                try forge { try Forge.set(NID_subject_alt_name, "URI:https://broker.example", $0) }, "broker.example"
            ),
        ]
        for (comment, certificate, name) in by {
            #expect(try refusal([certificate], name: name) == .certificate(.hostName), "\(comment)")
        }
    }

    @Test("TLS-01 a chain that does not end at our anchor is refused")
    func chains() throws {
        let other = try TestCertificates()
        let foreign = try other.authority.issueServer(
            ca.key.publicKey, names: ["broker.example"], notBefore: now - 1, notAfter: now + 1)
        #expect(try refusal([foreign]) == .certificate(.untrustedIssuer), "same issuer name, other key")
        #expect(try refusal([foreign, other.root]) == .certificate(.untrustedIssuer), "with its root")
        let wrong = try other.authority.issueServer(
            ca.key.publicKey, names: ["other.example"], notBefore: now - 1, notAfter: now + 1)
        #expect(try refusal([wrong]) == .certificate(.untrustedIssuer), "wrong name as well")

        let selfSigned = try CertificateProfile(
            commonName: "broker.example", alternativeNames: [.dns("broker.example")], extendedKeyUsage: "serverAuth",
            notBefore: now - 1, notAfter: now + 1
        ).issue(for: ca.key.publicKey, issuer: nil, signedBy: ca.key)
        #expect(try refusal([selfSigned]) == .certificate(.selfSigned))

        let (intermediate, key) = try ca.intermediate()
        let below = try CertificateAuthority(certificate: intermediate, key: key).issueServer(
            ca.key.publicKey, names: ["broker.example"], notBefore: now - 1, notAfter: now + 1)
        #expect(try refusal([below]) == .certificate(.untrustedIssuer), "missing intermediate")
    }

    @Test("TLS-01 an issuer that is no authority, or beyond its limits, is refused")
    func issuers() throws {
        let leafKey = try PrivateKey.generate(.p256)
        let leaf = try ca.authority.issueServer(
            leafKey.publicKey, names: ["leaf.example"], notBefore: now - 1, notAfter: now + 1)
        let below = try CertificateAuthority(certificate: leaf, key: leafKey).issueServer(
            ca.key.publicKey, names: ["broker.example"], notBefore: now - 1, notAfter: now + 1)
        #expect(try refusal([below, leaf]) == .certificate(.forbiddenByIssuer), "leaf as authority")

        let (intermediate, key) = try ca.intermediate()
        let limited = try Forge.reissue(intermediate, signedBy: ca.rootKey.key) {
            try Forge.set(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", $0)
        }
        let lowerKey = try PrivateKey.generate(.p256)
        let lower = try CertificateAuthority(certificate: limited, key: key).issue(
            lowerKey.publicKey,
            CertificateProfile(
                commonName: "Lower", isAuthority: true, keyUsage: "critical,keyCertSign", notBefore: now - 1,
                notAfter: now + 1))
        let deep = try CertificateAuthority(certificate: lower, key: lowerKey).issueServer(
            ca.key.publicKey, names: ["broker.example"], notBefore: now - 1, notAfter: now + 1)
        #expect(try refusal([deep, lower, limited]) == .certificate(.forbiddenByIssuer), "path length")

        let named = try Forge.reissue(intermediate, signedBy: ca.rootKey.key) {
            try Forge.set(NID_name_constraints, "critical,permitted;DNS:other.example", $0)
        }
        let outside = try CertificateAuthority(certificate: named, key: key).issueServer(
            ca.key.publicKey, names: ["broker.example"], notBefore: now - 1, notAfter: now + 1)
        #expect(try refusal([outside, named]) == .certificate(.forbiddenByIssuer), "name constraints")
    }

    @Test("TLS-01 a certificate outside its time is refused")
    func times() throws {
        #expect(try refusal([ca.server(to: now - 1)]) == .certificate(.expired))
        #expect(try refusal([ca.server(from: now + 1)]) == .certificate(.notYetValid))
        #expect(
            try refusal([ca.server(to: now + 5000 * TestCertificates.day)], at: ca.root.notAfter + 1)
                == .certificate(.expired), "expired root")
        #expect(try refusal([ca.server()], at: 4_070_908_800) == .certificate(.expired), "client in 2099")
        #expect(try refusal([ca.server()], at: 0) == .certificate(.notYetValid), "client in 1970, with a trusted clock")
    }

    @Test("TLS-01 a certificate that is not a server's is refused")
    func purposes() throws {
        let client = try forge { try Forge.set(NID_ext_key_usage, "clientAuth", $0) }
        let silent = try forge { try Forge.set(NID_ext_key_usage, nil, $0) }
        let any = try forge { try Forge.set(NID_ext_key_usage, "2.5.29.37.0", $0) }
        for certificate in [client, silent, any] {
            #expect(try refusal([certificate]) == .certificate(.wrongPurpose))
        }
    }

    /// What the client says about bytes that are not a proper answer to its hello.
    func refusal(ofBytes bytes: [UInt8], closing: Bool = false) throws -> TLSFailure? {
        let context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        context.prepare(time: now, boottime: 0, acceptNotYetValid: false)
        let pair = try TLSPair(context, TLSServer([ca.server()], key: ca.key.key))
        pair.inject(bytes, closing: closing)
        #expect(!pair.connectAlone())
        #expect(ERR_peek_error() == 0)
        return context.failure
    }

    /// A ServerHello (RFC 5246 §7.4.1.3) without extensions.
    static func hello(version: [UInt8], suite: [UInt8]) -> [UInt8] {
        let body = version + [UInt8](repeating: 7, count: 32) + [0] + suite + [0]
        let message = [2, 0, 0, UInt8(body.count)] + body
        return [0x16] + version + [0, UInt8(message.count)] + message
    }

    @Test("TLS-01 garbage is refused and named so")
    func garbage() throws {
        for text in [
            "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1\r\n", "220 mail ESMTP ready\r\n",
            "\u{20}\u{2}\0\0\0\0\0\0",
        ] {
            #expect(try refusal(ofBytes: Array(text.utf8)) == .notTLS)
        }
        #expect(try refusal(ofBytes: [UInt8](repeating: 0, count: 64)) == .notTLS)
        #expect(try refusal(ofBytes: [UInt8](repeating: 0xFF, count: 64)) == .notTLS)
    }

    @Test("TLS-01 a server that answers with less than it was offered is refused")
    func downgraded() throws {
        let old = TLSRefusalTests.hello(version: [3, 2], suite: [0, 0x2F])
        #expect(try refusal(ofBytes: old) == .protocolVersion)
        let weak = TLSRefusalTests.hello(version: [3, 3], suite: [0, 0x2F])
        #expect(try refusal(ofBytes: weak) == .noSharedCipher)
    }

    @Test("TLS-07 a server that closes during the handshake is named so")
    func closed() throws {
        #expect(try refusal(ofBytes: [], closing: true) == .closed)
        #expect(try refusal(ofBytes: [0x16, 3, 3], closing: true) == .closed)
    }

    @Test("TLS-07 a handshake cut at any byte is refused", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func cut(version: Int32) throws {
        let context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        context.prepare(time: now, boottime: 0, acceptNotYetValid: false)
        let server = try TLSServer([ca.server()], key: ca.key.key, versions: version...version)
        let length = try TLSPair(context, server).serverFlight().count
        #expect(length > 500)
        for count in 0..<length {
            context.prepare(time: now, boottime: 0, acceptNotYetValid: false)
            let pair = try TLSPair(context, server)
            let flight = pair.serverFlight()
            pair.inject(Array(flight[..<min(count, flight.count - 1)]), closing: true)
            #expect(!pair.connectAlone(), "\(count)")
            #expect(context.failure == .closed, "\(count)")
        }
    }

    @Test("TLS-01 a server that refuses our certificate is named so, with its alert")
    func refusedByServer() throws {
        let other = try TestCertificates(name: "Other")
        let expired = try ca.device(to: now - 1)
        for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
            let cases: [(String, [Certificate], [Certificate], Int32)] = [
                ("unknown authority", [try ca.device()], [other.root], SSL_AD_UNKNOWN_CA),
                ("expired", [expired], [ca.root], SSL_AD_CERTIFICATE_EXPIRED),
                (
                    "none", [], [ca.root],
                    version == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE
                ),
            ]
            for (name, chain, trusted, alert) in cases {
                let context = try TLSContext(
                    serverName: "broker.example", anchors: [ca.root], chain: chain, key: chain.isEmpty ? nil : ca.key)
                context.prepare(time: now, boottime: 0, acceptNotYetValid: false)
                let server = try TLSServer(
                    [ca.server()], key: ca.key.key, trusting: trusted, versions: version...version)
                #expect(try !TLSPair(context, server).connect(), "\(name)")
                #expect(context.failure == .certificateRefused(alert: UInt8(alert)), "\(name)")
            }
        }
    }

    @Test("TLS-03 the environment and the system store add no trust")
    func environment() throws {
        let other = try TestCertificates(name: "Poison")
        let files = try TestAuthority()
        let path = try files.write(other.root.pem(), to: "poison.pem")
        setenv("SSL_CERT_FILE", path, 1)
        setenv("SSL_CERT_DIR", files.folder.path, 1)
        defer {
            unsetenv("SSL_CERT_FILE")
            unsetenv("SSL_CERT_DIR")
        }
        let certificate = try other.authority.issueServer(
            ca.key.publicKey, names: ["broker.example"], notBefore: now - 1, notAfter: now + 1)
        #expect(try refusal([certificate]) == .certificate(.untrustedIssuer))
        let context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        let store = SSL_CTX_get_cert_store(OpaquePointer(context.handle))
        #expect(OPENSSL_sk_num(X509_STORE_get0_objects(store)) == 1, "exactly our anchor")
    }

    private func forge(_ edit: (OpaquePointer) throws -> Void) throws -> Certificate {
        try Forge.reissue(ca.server(), signedBy: ca.rootKey.key, edit)
    }
}
