// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Foundation
import TestSupport
import Testing

@testable import MartletOpenSSL

/// The table of bad servers against the policy alone, and against twins that lack a part of it.
@Suite struct BadServerTests {
    static let now = Int64(Date().timeIntervalSince1970)

    /// Whether `context` talks to the server at `port`: it says something, as any client would.
    private func talks(_ context: OpaquePointer, to port: UInt16) -> Bool {
        defer { ERR_clear_error() }
        guard let socket = BIO_new_connect("127.0.0.1:\(port)"), BIO_ctrl(socket, BIO_C_DO_STATE_MACHINE, 0, nil) == 1,
            let ssl = SSL_new(context)
        else { return false }
        defer { SSL_free(ssl) }
        SSL_set_bio(ssl, socket, socket)
        return SSL_connect(ssl) == 1 && SSL_write(ssl, "secret", 6) == 6
    }

    private func client(_ server: BadServer, _ authority: TestAuthority) throws -> TLSContext {
        let context = try TLSContext(serverName: server.host, anchors: [authority.authority.certificate])
        let time = if case .wrong(let time) = server.clock { time } else { Self.now }
        var isTrusted = true
        if case .right = server.clock { isTrusted = false }
        context.prepare(time: time, boottime: 0, acceptNotYetValid: !isTrusted)
        return context
    }

    @Test("TLS-01 TLS-02 a bad server is refused, for its own reason, and is told nothing", arguments: BadServer.all)
    func refused(server: BadServer) throws {
        let authority = try TestAuthority(rootDays: server.rootDays)
        let context = try client(server, authority)
        let output = try server.run(authority) { port in
            #expect(!talks(OpaquePointer(context.handle), to: port))
        }
        #expect(context.failure == server.failure)
        #expect(!output.contains("secret"))
    }

    @Test("TLS-01 the table is large, and each row has its name")
    func table() {
        print("bad servers: \(BadServer.all.count)")
        #expect(BadServer.all.count >= 80)
        #expect(Set(BadServer.all.map(\.name)).count == BadServer.all.count)
    }

    // MARK: Broken twins: the table must notice what they lack

    @Test("TLS-01 a client that does not look at the name talks to every server with a wrong one")
    func withoutName() throws {
        for server in BadServer.all where server.failure == .certificate(.hostName) {
            let authority = try TestAuthority()
            let context = try client(server, authority)
            let raw = OpaquePointer(context.handle)
            X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(raw), nil, 0)
            X509_VERIFY_PARAM_set1_ip(SSL_CTX_get0_param(raw), nil, 0)
            var talked = false
            _ = try server.run(authority) { talked = talks(raw, to: $0) }
            #expect(talked, "\(server)")
        }
    }

    @Test("TLS-01 a client without our rules beside OpenSSL's talks to some that we refuse")
    func withoutRules() throws {
        let names = [
            "expired", "an authority that has expired", "a root that has expired", "a key that may not sign",
            "a certificate that does not say what for",
        ]
        for server in BadServer.all where names.contains(server.name) {
            let authority = try TestAuthority(rootDays: server.rootDays)
            let context = try client(server, authority)
            let raw = OpaquePointer(context.handle)
            SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nil)
            var talked = false
            _ = try server.run(authority) { talked = talks(raw, to: $0) }
            #expect(talked, "\(server)")
        }
    }

    @Test("TLS-01 TLS-02 a client that verifies nothing talks to servers of every kind")
    func withoutVerification() throws {
        // Every row with its own reason, one of the many with the same.
        var reasons: [TLSFailure] = []
        for server in BadServer.all {
            guard case .tls = server.kind, let reason = server.failure, reason != .inputLimit else { continue }
            guard reason == .noSharedCipher || reason == .protocolVersion || !reasons.contains(reason) else { continue }
            reasons.append(reason)
            let authority = try TestAuthority(rootDays: server.rootDays)
            let context = try Handle(SSL_CTX_new(TLS_client_method()), SSL_CTX_free)
            SSL_CTX_set_security_level(context.pointer, 0)
            try check(COpenSSL_set_min_proto_version(context.pointer, 0))
            try check(SSL_CTX_set_cipher_list(context.pointer, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"))
            try check(
                SSL_CTX_set_ciphersuites(context.pointer, "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256"))
            try check(COpenSSL_set1_groups_list(context.pointer, "X448:P-256:P-224:secp256k1:X25519"))
            var talked = false
            _ = try server.run(authority) { talked = talks(context.pointer, to: $0) }
            #expect(talked, "\(server)")
        }
    }
}
