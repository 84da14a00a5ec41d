// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

/// Whether the right servers are accepted, and what an accepted connection is like.
@Suite struct TLSContextTests {
    let ca: TestCertificates

    init() throws { ca = try TestCertificates() }

    func client(_ name: String = "broker.example", _ anchors: [Certificate]? = nil) throws -> TLSContext {
        let context = try TLSContext(
            serverName: name, anchors: anchors ?? [ca.root], chain: [ca.device()], key: ca.key)
        prepare(context)
        return context
    }

    func prepare(
        _ context: TLSContext, time: Int64 = TestCertificates.now, boottime: UInt64 = 1000, provisional: Bool = false
    ) {
        context.prepare(time: time, boottime: boottime, acceptNotYetValid: provisional)
    }

    func server(
        _ certificate: Certificate? = nil, versions: ClosedRange<Int32> = 0...0, ciphers: String? = nil,
        _ edit: (OpaquePointer) -> Void = { _ in }
    ) throws -> TLSServer {
        try TLSServer(
            [certificate ?? ca.server()], key: ca.key.key, trusting: [ca.root], versions: versions, ciphers: ciphers,
            edit)
    }

    @Test func `a server with the name is accepted, over TLS 1.3`() throws {
        let context = try client()
        let pair = try TLSPair(context, server())
        #expect(pair.connect())
        #expect(context.failure == nil && !context.provisional && !context.resumed)
        #expect(SSL_version(pair.client.pointer) == TLS1_3_VERSION)
        pair.serverWrites(Array("hello".utf8))
        #expect(pair.read() == Array("hello".utf8))
    }

    @Test func `the configured name is sent, not the address connected to`() throws {
        let context = try client()
        let pair = try TLSPair(context, server())
        pair.connect()
        #expect(pair.requestedName == "broker.example")
    }

    @Test func `a warning is no failure`() throws {
        let context = try client()
        let server = try server(versions: TLS1_2_VERSION...TLS1_2_VERSION) {
            let warns:
                @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 =
                    { _, alert, _ in
                        alert?.pointee = SSL_AD_UNRECOGNIZED_NAME
                        return SSL_TLSEXT_ERR_ALERT_WARNING
                    }
            SSL_CTX_callback_ctrl(
                $0, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, unsafeBitCast(warns, to: (@convention(c) () -> Void).self))
        }
        #expect(try TLSPair(context, server).connect())
        #expect(context.failure == nil)
    }

    @Test(arguments: ["192.0.2.7", "2001:db8::7"])
    func `an address is checked as an address and not sent as a name`(address: String) throws {
        let context = try client(address)
        let pair = try TLSPair(context, server(ca.server([], addresses: [address])))
        #expect(pair.connect())
        #expect(pair.requestedName == nil)
    }

    @Test func `a wildcard stands for one whole label`() throws {
        let certificate = try ca.server(["*.fleet.example"])
        let context = try client("a.fleet.example")
        #expect(try TLSPair(context, server(certificate)).connect())
        for name in ["fleet.example", "a.b.fleet.example"] {
            let context = try client(name)
            #expect(try !TLSPair(context, server(certificate)).connect())
            #expect(context.failure == .certificate(.hostName), "\(name)")
        }
    }

    @Test func `an Ed25519 device is accepted, with an intermediate in its chain`() throws {
        let (intermediate, key) = try ca.intermediate()
        let deviceKey = try PrivateKey.generate(.ed25519)
        let leaf = try CertificateAuthority(certificate: intermediate, key: key).issueDevice(
            deviceKey.publicKey, commonName: "x", uri: "urn:x:y", notBefore: TestCertificates.now - 1,
            notAfter: TestCertificates.now + 1)
        let context = try TLSContext(
            serverName: "broker.example", anchors: [ca.root], chain: [leaf, intermediate], key: deviceKey)
        prepare(context)
        #expect(try TLSPair(context, server()).connect())
    }

    @Test func `a certificate with 1,000 names is read and its name found`() throws {
        let names = (0..<999).map { "host-\($0).example" } + ["broker.example"]
        let context = try client()
        #expect(try TLSPair(context, server(ca.server(names))).connect())
    }

    @Test func `a wrong key, no anchor or a bad name makes no context`() throws {
        let other = try PrivateKey.generate(.p256)
        expect(.keyMismatch) {
            try TLSContext(serverName: "a.example", anchors: [ca.root], chain: [ca.device()], key: other)
        }
        expect(.keyMismatch) { try TLSContext(serverName: "a.example", anchors: [ca.root], chain: [ca.device()]) }
        expect(.keyMismatch) { try TLSContext(serverName: "a.example", anchors: [ca.root], key: ca.key) }
        expect(.noAnchor) { try TLSContext(serverName: "a.example", anchors: []) }
        for name in [
            "", ".example", "a..b", "*.a.example", "a\0.example", "bücher.example", "a.example.", "256.1.1.1",
            String(repeating: "a", count: 64) + ".example", "a b", "::::", "+1.2.3.4", " 1.2.3.4", "1.2.3.4\nport = 1",
        ] {
            expect(.invalidName, "\(name)") { try TLSContext(serverName: name, anchors: [ca.root]) }
        }
    }

    @Test func `OpenSSL's defaults from the environment are not used`() throws {
        let context = OpaquePointer(try client().handle)
        #expect(SSL_CTX_get_security_level(context) == 2)
        #expect(SSL_CTX_get_options(context) == COpenSSL_client_options)
    }

    @Test func `a context may go while a connection still runs`() throws {
        var context: TLSContext? = try client()
        let pair = try TLSPair(context!, server())
        context = nil
        #expect(pair.connect())
    }

    // MARK: A clock that may be behind

    @Test("CLK-01 not yet valid is accepted as the only fault, and marked")
    func provisional() throws {
        let future = try ca.server(from: TestCertificates.now + 50, to: TestCertificates.now + 100)
        let context = try client()
        #expect(try !TLSPair(context, server(future)).connect())
        #expect(context.failure == .certificate(.notYetValid) && !context.provisional)

        prepare(context, provisional: true)
        #expect(try TLSPair(context, server(future)).connect())
        #expect(context.provisional && context.failure == nil)
        #expect(!context.peerIsValid(at: TestCertificates.now))
        #expect(context.peerIsValid(at: TestCertificates.now + 50))
        #expect(context.peerIsValid(at: TestCertificates.now + 100))
        #expect(!context.peerIsValid(at: TestCertificates.now + 101))

        prepare(context, time: 0, provisional: true)
        #expect(try TLSPair(context, server(future)).connect(), "1970: the root has not begun either")
        prepare(context)
        #expect(!context.provisional, "a new connection starts clean")
        #expect(!context.peerIsValid(at: TestCertificates.now + 50))
    }

    @Test("CLK-01 a clock that may be behind excuses nothing else")
    func provisionalAndWrong() throws {
        let start = TestCertificates.now + 50
        let other = try TestCertificates()
        let cases: [(Certificate, CertificateFailure)] = [
            (try ca.server(["other.example"], from: start, to: start + 50), .hostName),
            (
                try other.authority.issueServer(
                    ca.key.publicKey, names: ["broker.example"], notBefore: start, notAfter: start + 50),
                .untrustedIssuer
            ),
            (try ca.device(from: start, to: start + 50), .wrongPurpose),
            (try ca.server(to: TestCertificates.now - 1), .expired),
        ]
        for (certificate, reason) in cases {
            let context = try client()
            prepare(context, provisional: true)
            #expect(try !TLSPair(context, server(certificate)).connect())
            #expect(context.failure == .certificate(reason))
        }
    }
}
