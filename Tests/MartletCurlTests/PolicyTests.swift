// SPDX-License-Identifier: Apache-2.0

import CCurl
import COpenSSL
import Foundation
import MartletHTTPS
import MartletCurl
import MartletOpenSSL
import TestSupport
import Testing

/// That HTTPS has the TLS policy, whole and to the end.
@Suite(.timeLimit(.minutes(5))) struct PolicyTests {
    static let secret = HTTPSHeader(name: "Authorization", value: Array("Bearer secret-token".utf8))

    @Test("TLS-01 TLS-02 a bad server is refused, for its own reason, and is told nothing", arguments: BadServer.all)
    func refused(server: BadServer) throws {
        let authority = try TestAuthority(rootDays: server.rootDays)
        let client = try Client(server.host, trusting: authority, as: authority.client("device-1"))
        if case .wrong(let time) = server.clock { client.time = time }
        if case .right = server.clock { client.acceptNotYetValid = true }
        let output = try server.run(authority) { port in
            let failure = try client.failure(
                "https://\(server.host):\(port)/secret-path", headers: [Self.secret],
                body: HTTPSBody(contentType: "text/plain", bytes: Array("secret body".utf8)))
            let expected = server.failure == .closed ? nil : server.failure
            #expect(failure == expected.map { .tls($0) } ?? .https(.closed))
        }
        #expect(
            !output.contains("secret") && !output.contains("Bearer") && !output.contains("HTTP/1.1\r")
                && !output.contains("PRI *"))
    }

    @Test("TLS-01 a good server is spoken to, by name and by address", arguments: ["localhost", "127.0.0.1"])
    func good(host: String) throws {
        let authority = try TestAuthority()
        let server = try HTTPSServer(authority)
        try server.answer("a", body: "ok")
        let client = try Client(host, trusting: authority)
        #expect(try client.fetch("https://\(host):\(server.port)/a").status == 200)
    }

    @Test(arguments: ["other.example", "127.0.0.1", "localhos"])
    func `a request to another name than the policy's is refused, although the server proves both`(
        name: String
    ) throws {
        let authority = try TestAuthority()
        let server = try HTTPSServer(authority)
        let stranger = try Client(name, trusting: authority)
        #expect(try stranger.failure(url(server.port)) == .https(.otherServer))
        #expect(!server.output.contains("ACCEPTED"))
    }

    @Test func `the case of a name's letters does not matter`() throws {
        let authority = try TestAuthority()
        let server = try HTTPSServer(authority)
        try server.answer("a", body: "ok")
        let client = try Client("LocalHost", trusting: authority)
        #expect(try client.fetch(url(server.port, "/a")).status == 200)
    }

    @Test func `our certificate is presented, with its chain, and needed`() throws {
        let authority = try TestAuthority()
        let server = try HTTPSServer(authority, asksFor: authority)
        try server.answer("a", body: "ok")
        let device = try Client(trusting: authority, as: authority.device("pump-7"))
        #expect(try device.fetch(url(server.port, "/a")).status == 200)
        #expect(server.output.contains("CONNECTION 1 pump-7 TLSv1.3"))
        // TLS 1.3 may lose the alert that tells.
        let nobody = try Client(trusting: authority).failure(url(server.port, "/a"))
        #expect([.tls(.certificateRefused(alert: 116)), .https(.closed)].contains(nobody))
        let stranger = try Client(trusting: authority, as: TestAuthority().device("pump-7"))
            .failure(url(server.port, "/a"))
        #expect([.tls(.certificateRefused(alert: 48)), .https(.closed)].contains(stranger))
        #expect(!server.output.contains("REQUEST 2") && !server.output.contains("REQUEST 3"))
    }

    @Test func `what failed once does not explain a later failure, and later requests work`() throws {
        let authority = try TestAuthority()
        let stranger = try HTTPSServer(TestAuthority())
        let client = try Client(trusting: authority)
        #expect(try client.failure(url(stranger.port)) == .tls(.certificate(.untrustedIssuer)))
        #expect(try client.failure(url(LoopbackListener().port)) == .https(.connect(errno: ECONNREFUSED)))
        let server = try HTTPSServer(authority)
        try server.answer("a", body: "ok")
        #expect(try client.fetch(url(server.port, "/a")).status == 200)
    }

    @Test("CLK-01 a certificate that has not begun makes a provisional connection, also when it is used again")
    func provisional() throws {
        let authority = try TestAuthority()
        let now = Int64(Date().timeIntervalSince1970)
        let server = try HTTPSServer(authority, identity: authority.server(notBefore: now + 3600))
        try server.answer("a", body: "ok")
        let client = try Client(trusting: authority)
        client.acceptNotYetValid = true
        for _ in 1...2 {
            #expect(try client.fetch(url(server.port, "/a")).status == 200)
            #expect(client.tls.provisional)
        }
        #expect(!client.tls.peerIsValid(at: now))
        client.acceptNotYetValid = false
        client.https.disconnect()
        #expect(try client.failure(url(server.port, "/a")) == .tls(.certificate(.notYetValid)))
    }

    @Test func `HTTP/2 is offered, and 1.1 where a server has none`() throws {
        let authority = try TestAuthority()
        let server = try ScriptedTLSServer(authority.server, options: ["-alpn", "http/1.1"])
        defer { server.stop() }
        let client = try Client(trusting: authority)
        _ = try client.failure(url(server.port), limits: HTTPSLimits(total: 2000))
        try server.waitForOutput("ALPN protocols advertised by the client: h2, http/1.1\n")
    }

    // MARK: Anchors

    /// How many certificates and lists are in a store.
    private func count(_ store: OpaquePointer?) -> Int32 { OPENSSL_sk_num(X509_STORE_get0_objects(store)) }

    @Test(
        "TLS-03 after a transfer the store holds our anchors, and nothing of the system's is beside it",
        arguments: [false, true])
    func anchors(isProxied: Bool) throws {
        let proxy = isProxied ? try TunnelProxy() : nil
        defer { proxy?.stop() }
        let authority = try TestAuthority()
        let server = try HTTPSServer(authority)
        try server.answer("a", body: "ok")
        let policy = try Kept(trusting: [authority, TestAuthority(), TestAuthority()])
        let way = try proxy.map { try HTTPSProxy(bytes: Array("http://127.0.0.1:\($0.port)".utf8)) }
        let client = try HTTPSClient(cancellation: HTTPSCancellation(), proxy: way)
        let request = try HTTPSRequest(url: HTTPSURL(url(server.port, "/a")))
        #expect(try client.perform(request, policy).status == 200)
        let context = try #require(policy.context)
        #expect(count(context.verifyStore) == 3)
        #expect(count(context.store) == 0)
        #expect(context.hasNoKeyLog)
        #expect(context.chainCount == 0)
        #expect(proxy?.heads.count ?? 1 == 1)
    }

    @Test func `intermediates of our certificate are presented with it`() throws {
        let authority = try TestAuthority()
        let device = try authority.device("pump-7")
        let tls = try TLSContext(
            serverName: "localhost", anchors: [authority.authority.certificate],
            chain: [device.certificate, authority.authority.certificate], key: device.key)
        let server = try ScriptedTLSServer(authority.server, options: ["-Verify", "2"])
        defer { server.stop() }
        let client = try HTTPSClient(cancellation: HTTPSCancellation())
        let policy = Kept(tls)
        let request = try HTTPSRequest(url: HTTPSURL(url(server.port)), limits: HTTPSLimits(total: 3000))
        #expect(throws: HTTPSError.timedOut) { try client.perform(request, policy) }
        #expect(policy.context?.chainCount == 1)
        try server.waitForOutput("CN=pump-7")
    }

    /// libcurl as it is by default, but for our policy.
    private func perform(_ url: String, _ policy: Kept, authorities: String?) -> CURLcode {
        guard CCurl_load() == CCURL_LOADED, let handle = CCurl_new() else { return CURLE_FAILED_INIT }
        defer { CCurl_free(handle) }
        _ = CCurl_set_pointer(handle, CURLOPT_URL, url)
        if let authorities { _ = CCurl_set_pointer(handle, CURLOPT_CAINFO, authorities) }
        _ = CCurl_set_data(handle, CURLOPT_WRITEFUNCTION) { _, _, count, _ in count }
        _ = CCurl_set_pointer(handle, CURLOPT_SSL_CTX_DATA, Unmanaged.passUnretained(policy).toOpaque())
        _ = CCurl_set_ssl_context(handle) { _, context, policy in
            guard let context, let policy else { return CURLE_SSL_CERTPROBLEM }
            return Unmanaged<Kept>.fromOpaque(policy).takeUnretainedValue().configure(context)
                ? CURLE_OK : CURLE_SSL_CERTPROBLEM
        }
        return CCurl_perform(handle)
    }

    @Test("TLS-03 authorities that libcurl adds after the policy do not count")
    func addedAnchors() throws {
        let (own, other) = (try TestAuthority(), try TestAuthority())
        let good = try HTTPSServer(own)
        try good.answer("a", body: "ok")
        let policy = try Kept(trusting: [own])
        #expect(perform(url(good.port, "/a"), policy, authorities: other.rootPath) == CURLE_OK)
        #expect(count(policy.context?.store) == 1, "libcurl did what this is about")
        #expect(count(policy.context?.verifyStore) == 1)
        let bad = try HTTPSServer(other)
        try bad.answer("a", body: "ok")
        #expect(perform(url(bad.port, "/a"), policy, authorities: other.rootPath) == CURLE_PEER_FAILED_VERIFICATION)
        #expect(policy.tls.failure == .certificate(.untrustedIssuer))
        #expect(!bad.output.contains("REQUEST"))
    }
}

/// The policy, which keeps the context that it was asked for.
private final class Kept: HTTPSPolicy {
    struct Context {
        let raw: OpaquePointer
        let verifyStore: OpaquePointer?
        var store: OpaquePointer? { SSL_CTX_get_cert_store(raw) }
        var chainCount: Int32 {
            var chain: OpaquePointer?
            withUnsafeMutablePointer(to: &chain) { _ = SSL_CTX_ctrl(raw, SSL_CTRL_GET_CHAIN_CERTS, 0, $0) }
            return max(OPENSSL_sk_num(chain), 0)
        }
        var hasNoKeyLog: Bool { SSL_CTX_get_keylog_callback(raw) == nil }
    }

    let tls: TLSContext
    private(set) var context: Context?

    init(_ tls: TLSContext) { self.tls = tls }

    convenience init(trusting authorities: [TestAuthority]) throws {
        self.init(
            try TLSContext(serverName: "localhost", anchors: authorities.map { $0.authority.certificate }))
    }

    deinit { if let context { SSL_CTX_free(context.raw) } }

    func received() { tls.resetInputCount() }

    func configure(_ context: UnsafeMutableRawPointer) -> Bool {
        tls.prepare(time: Int64(Date().timeIntervalSince1970), boottime: 0, acceptNotYetValid: false)
        guard (try? tls.configure(context)) != nil else { return false }
        if let old = self.context { SSL_CTX_free(old.raw) }
        let raw = OpaquePointer(context)
        SSL_CTX_up_ref(raw)
        var store: OpaquePointer?
        withUnsafeMutablePointer(to: &store) { _ = SSL_CTX_ctrl(raw, SSL_CTRL_GET_VERIFY_CERT_STORE, 0, $0) }
        self.context = Context(raw: raw, verifyStore: store)
        return true
    }
}
