// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Foundation
import TestSupport
import Testing

@testable import MartletOpenSSL

/// Servers that leave, servers that refuse us, and trust from outside.
@Suite struct TLSRefusalTests {
    let ca: TestCertificates
    let now = TestCertificates.now

    init() throws { ca = try TestCertificates() }

    /// What the client says about a server that sends these bytes, and closes.
    func refusal(of bytes: [UInt8]) throws -> TLSFailure? {
        let context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        context.prepare(time: now, boottime: 0, acceptNotYetValid: false)
        let pair = try TLSPair(context, TLSServer([ca.server()], key: ca.key.key))
        pair.inject(bytes, closing: true)
        #expect(!pair.connectAlone())
        #expect(ERR_peek_error() == 0)
        return context.failure
    }

    @Test("TLS-07 a server that closes during the handshake is named so")
    func closed() throws {
        #expect(try refusal(of: []) == .closed)
        #expect(try refusal(of: [0x16, 3, 3]) == .closed)
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
            #expect(context.failure == .closed && !context.hasServerProof, "\(count)")
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
                #expect(context.hasServerProof, "\(name)")
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
        let context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        context.prepare(time: now, boottime: 0, acceptNotYetValid: false)
        #expect(try !TLSPair(context, TLSServer([certificate], key: ca.key.key)).connect())
        #expect(context.failure == .certificate(.untrustedIssuer))
        let store = SSL_CTX_get_cert_store(OpaquePointer(context.handle))
        #expect(OPENSSL_sk_num(X509_STORE_get0_objects(store)) == 1, "exactly our anchor")
    }
}
