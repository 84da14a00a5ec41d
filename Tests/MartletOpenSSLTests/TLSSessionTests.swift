// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

/// Sessions that spare a handshake, and when they must not.
@Suite struct TLSSessionTests {
    static let day: UInt64 = 24 * 60 * 60 * 1000
    let ca: TestCertificates

    init() throws { ca = try TestCertificates() }

    func client(
        _ name: String = "broker.example", anchors: [Certificate]? = nil, as device: String = "device-1"
    ) throws -> TLSContext {
        try TLSContext(serverName: name, anchors: anchors ?? [ca.root], chain: [ca.device(device)], key: ca.key)
    }

    func server(
        _ version: Int32 = TLS1_3_VERSION, _ certificate: Certificate? = nil, _ edit: (OpaquePointer) -> Void = { _ in }
    ) throws -> TLSServer {
        try TLSServer(
            [certificate ?? ca.server()], key: ca.key.key, trusting: [ca.root], versions: version...version, edit)
    }

    /// Connects; tells whether a session was resumed.
    func connect(
        _ context: TLSContext, _ server: TLSServer, at boottime: UInt64 = 0, provisional: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Bool {
        context.prepare(time: TestCertificates.now, boottime: boottime, acceptNotYetValid: provisional)
        let accepted = try TLSPair(context, server).connect()
        #expect(accepted, sourceLocation: sourceLocation)
        return context.resumed
    }

    @Test("TLS-04 the second connection resumes, the third too", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func resumed(version: Int32) throws {
        let (context, server) = (try client(), try server(version))
        #expect(try !connect(context, server))
        #expect(try connect(context, server))
        #expect(try connect(context, server))
        #expect(context.peerIsValid(at: TestCertificates.now))
        #expect(!context.peerIsValid(at: TestCertificates.now + TestCertificates.day + 1))
    }

    @Test("TLS-04 dropped sessions are not resumed", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func dropped(version: Int32) throws {
        let (context, server) = (try client(), try server(version))
        _ = try connect(context, server)
        context.dropSessions()
        #expect(try !connect(context, server))
        #expect(try connect(context, server))
    }

    @Test("TLS-04 a ticket that comes after the drop is not kept")
    func droppedWhileConnected() throws {
        let (context, server) = (try client(), try server())
        context.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
        let pair = try TLSPair(context, server)
        #expect(pair.connect())
        context.dropSessions()
        #expect(SSL_new_session_ticket(pair.server.pointer) == 1)
        pair.serverWrites([1])
        #expect(pair.read() == [1])
        #expect(try !connect(context, server))
        #expect(try connect(context, server), "the next connection keeps one again")
    }

    @Test("TLS-04 a verification is built on for 24 hours, resumptions included")
    func aged() throws {
        let (context, server) = (try client(), try server())
        _ = try connect(context, server, at: 1000)
        #expect(try connect(context, server, at: 1000 + Self.day / 2))
        #expect(try connect(context, server, at: 1000 + Self.day - 1))
        #expect(try !connect(context, server, at: 1000 + Self.day))
        #expect(try connect(context, server, at: 1000 + Self.day + Self.day / 2), "verified again")
    }

    @Test("TLS-04 a boot-time clock that runs backwards ends the session")
    func backwards() throws {
        let (context, server) = (try client(), try server())
        _ = try connect(context, server, at: 1000)
        #expect(try !connect(context, server, at: 999))
    }

    @Test("TLS-04 another context has no session")
    func otherContext() throws {
        let server = try server()
        _ = try connect(client(), server)
        #expect(try !connect(client(), server))
    }

    @Test(
        "TLS-04 with other anchors, another name or another certificate no session is used",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func changed(version: Int32) throws {
        let server = try server(version)
        let first = try client()
        #expect(try !connect(first, server))
        #expect(try connect(first, server), "the server resumes")

        let other = try TestCertificates(name: "Other")
        for (context, failure) in [
            (try client(anchors: [other.root]), CertificateFailure.untrustedIssuer),
            (try client("other.example"), .hostName),
        ] {
            context.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
            #expect(try !TLSPair(context, server).connect())
            #expect(context.failure == .certificate(failure))
        }
        let renamed = try client(as: "device-2")
        renamed.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
        let pair = try TLSPair(renamed, server)
        #expect(pair.connect() && !renamed.resumed)
        let seen = try #require(SSL_get1_peer_certificate(pair.server.pointer))
        #expect(try Certificate(Handle(seen, X509_free)).commonName == Array("device-2".utf8))
    }

    @Test(
        "TLS-04 the session of a server whose certificate has ended, or not begun, is not used",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func ended(version: Int32) throws {
        let certificate = try ca.server(from: TestCertificates.now - 10, to: TestCertificates.now + 10)
        for (offset, reason) in [(Int64(11), CertificateFailure.expired), (-11, .notYetValid)] {
            let (context, server) = (try client(), try server(version, certificate))
            _ = try connect(context, server)
            context.prepare(time: TestCertificates.now + offset, boottime: 1, acceptNotYetValid: false)
            #expect(try !TLSPair(context, server).connect())
            #expect(context.failure == .certificate(reason) && !context.resumed)
        }
    }

    @Test("TLS-04 a server that takes early data is sent none")
    func earlyData() throws {
        let server = try server {
            SSL_CTX_set_max_early_data($0, 16_384)
            // SSL_OP_NO_ANTI_REPLAY: otherwise the server forgets the session with its first connection.
            SSL_CTX_set_options($0, UInt64(1) << 24)
        }
        let context = try client()
        _ = try connect(context, server)
        context.prepare(time: TestCertificates.now, boottime: 1, acceptNotYetValid: false)
        let pair = try TLSPair(context, server)
        #expect(pair.connect() && context.resumed)
        let session = SSL_get_session(pair.client.pointer)
        #expect(SSL_SESSION_get_max_early_data(session) == 16_384, "the server offered it")
        #expect(SSL_get_early_data_status(pair.client.pointer) == SSL_EARLY_DATA_NOT_SENT)
        #expect(SSL_get_early_data_status(pair.server.pointer) == SSL_EARLY_DATA_NOT_SENT)
    }

    @Test("TLS-04 a server that forgot the session verifies anew")
    func forgotten() throws {
        let context = try client()
        _ = try connect(context, server())
        #expect(try !connect(context, server()))
        #expect(context.peerIsValid(at: TestCertificates.now))
    }

    @Test("TLS-04 a session does not excuse another server's certificate")
    func otherServer() throws {
        let context = try client()
        _ = try connect(context, server())
        context.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
        let impostor = try server(TLS1_3_VERSION, ca.server(["other.example"]))
        #expect(try !TLSPair(context, impostor).connect())
        #expect(context.failure == .certificate(.hostName))
    }

    @Test("TLS-04 without the extended master secret TLS 1.2 keeps none")
    func spliceable() throws {
        let server = try server(TLS1_2_VERSION) { SSL_CTX_set_options($0, UInt64(1) << 0) }
        let context = try client()
        _ = try connect(context, server)
        #expect(try !connect(context, server))
    }

    @Test("CLK-01 a provisional connection leaves no session")
    func provisional() throws {
        let future = try ca.server(from: TestCertificates.now + 50, to: TestCertificates.now + 100)
        for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
            let (context, server) = (try client(), try server(version, future))
            #expect(try !connect(context, server, provisional: true))
            #expect(context.provisional)
            #expect(try !connect(context, server, provisional: true))
            #expect(context.provisional)
        }
    }
}

/// The bound on what may arrive.
@Suite struct TLSInputLimitTests {
    let ca: TestCertificates
    let context: TLSContext
    let pair: TLSPair

    init() throws {
        ca = try TestCertificates()
        context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        context.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
        pair = try TLSPair(context, TLSServer([ca.server()], key: ca.key.key))
    }

    func readAll() -> Int? {
        var sum = 0
        while true {
            guard let bytes = pair.read() else { return nil }
            if bytes.isEmpty { return sum }
            sum += bytes.count
        }
    }

    @Test func `as much as the limit arrives, between two resets`() {
        #expect(pair.connect())
        for _ in 0..<8 {
            context.resetInputCount()
            pair.serverWrites([UInt8](repeating: 1, count: 60_000))
            #expect(readAll() == 60_000)
        }
        #expect(!context.inputLimitReached)
    }

    @Test func `more than the limit ends the connection, not in a wait`() {
        #expect(pair.connect())
        context.resetInputCount()
        pair.serverWrites([UInt8](repeating: 1, count: 70_000))
        #expect(readAll() == nil)
        #expect(context.inputLimitReached && context.failure == .inputLimit)
        #expect(pair.read() == nil, "it stays ended")
    }

    @Test func `many small messages without a reset reach the limit`() {
        #expect(pair.connect())
        var sum = 0
        while sum < 1 << 20, readAll() != nil {
            pair.serverWrites([UInt8](repeating: 1, count: 100))
            sum += 100
        }
        #expect(context.inputLimitReached)
        #expect(sum < 64 * 1024)
    }

    @Test func `the handshake counts`() {
        context.inputLimit = 200
        #expect(!pair.connect())
        #expect(context.failure == .inputLimit)
    }

    @Test func `a new connection counts from zero`() throws {
        context.inputLimit = 200
        pair.connect()
        context.inputLimit = 64 * 1024
        context.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
        #expect(context.failure == nil && !context.inputLimitReached)
        #expect(try TLSPair(context, TLSServer([ca.server()], key: ca.key.key)).connect())
    }
}
