// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletMosquitto
import MartletOpenSSL
import TestSupport
import Testing

@Suite struct TLSTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    private func broker(requiresCertificate: Bool = false, settings: [String] = []) throws -> Broker {
        try Broker(tls: Broker.TLS(authority, requiresCertificate: requiresCertificate), settings: settings)
    }

    private func context(
        _ name: String = "localhost", as identity: TestAuthority.Identity? = nil, trusting other: TestAuthority? = nil
    ) throws -> TLSContext {
        try TLSContext(
            serverName: name, anchors: [(other ?? authority).authority.certificate],
            chain: identity.map { [$0.certificate] } ?? [], key: identity?.key)
    }

    /// A scripted TLS server whose CONNACK the client has taken.
    private func accepted(_ client: Client) throws -> ScriptedTLSServer {
        let server = try ScriptedTLSServer(authority.server)
        try client.open(server.port)
        server.write(ScriptedBroker.accepted)
        try client.drive { !client.events.isEmpty }
        #expect(client.events == [.connected(sessionPresent: false)])
        return server
    }

    @Test func `a broker with the configured name is spoken to, by our certificate`() throws {
        let broker = try broker(requiresCertificate: true, settings: ["use_identity_as_username true"])
        let client = try Client(id: "device-1", tls: context(as: authority.device("device-1")))
        try client.connect(broker.port)
        try client.publish("t", String(repeating: "x", count: 30_000))
        try client.drive { !client.acknowledged.isEmpty }
        try broker.waitForLog("u'device-1'")
        client.connection?.disconnect()
        try client.drive { client.closed }
        #expect(client.events.last == .closed(nil))
    }

    @Test func `a certificate for another name is refused, and nothing of MQTT is sent`() throws {
        let broker = try broker()
        let context = try context("other.example")
        let client = try Client(tls: context)
        #expect(try client.failure(opening: broker.port) == .tls)
        #expect(context.failure == TLSFailure.certificate(.hostName))
        #expect(!broker.log.contains("as device"))
    }

    @Test func `the server is asked for by its name, not by its address`() throws {
        let broker = try broker()
        let proxy = try Proxy(to: broker.port)
        defer { proxy.stop() }
        let client = try Client(tls: context("localhost"))
        try client.connect(proxy.port)
        let sent = Data(proxy.sent)
        #expect(sent.range(of: Data("localhost".utf8)) != nil)
        #expect(sent.range(of: Data("127.0.0.1".utf8)) == nil)
    }

    @Test func `a failure of TLS is not the end: the next connection works, with the same context`() throws {
        let stranger = try TestAuthority()
        let wrong = try Broker(tls: Broker.TLS(stranger, requiresCertificate: false))
        let context = try context()
        for _ in 1...3 {
            let refused = try Client(tls: context)
            #expect(try refused.failure(opening: wrong.port) == .tls)
        }
        let client = try Client(tls: context)
        let broker = try broker()
        try client.connect(broker.port)
        #expect(context.failure == nil)
    }

    @Test func `a broker that refuses our certificate is told as TLS`() throws {
        let broker = try broker(requiresCertificate: true)
        let context = try context()
        let client = try Client(tls: context)
        #expect(try client.failure(opening: broker.port) == .tls)
    }

    @Test func `sessions are resumed until they are dropped`() throws {
        let broker = try broker()
        let context = try context()
        for (round, resumed) in [false, true, true, false, true].enumerated() {
            if round == 3 { context.dropSessions() }
            let client = try Client(tls: context)
            try client.connect(broker.port)
            #expect(context.resumed == resumed, "round \(round)")
            client.connection?.disconnect()
            try client.drive { client.closed }
        }
    }

    @Test func `a port where nobody listens is told by errno, though TLS had begun`() throws {
        let client = try Client(tls: context())
        let port = try LoopbackListener().port
        #expect(throws: MosquittoError.network(errno: ECONNREFUSED)) { try client.open(port) }
    }

    @Test func `waiting for a connection, and then for a silent server, does not spin`() throws {
        let listener = try LoopbackListener(backlog: 0)
        let first = try LoopbackSocket(connectingTo: listener.port)
        let client = try Client(tls: context())
        // The system answers when it tries again after a second. The library has begun TLS by then.
        try client.open(listener.port)
        _ = try listener.accept()
        try client.drive(untilReadable: listener.descriptor)
        let server = try listener.accept()
        try client.drive(untilReadable: server.descriptor)
        #expect(throws: TestFailure.self) { try client.drive(seconds: 0.3) { false } }
        #expect(client.wakes <= 3)
        #expect(client.events.isEmpty)
        client.connection?.abort()
        #expect(try server.readToEnd().first == 0x16)
        first.end()
    }

    @Test func `a port that is closed while TLS has begun is told by errno, once`() throws {
        var listener: LoopbackListener? = try LoopbackListener(backlog: 0)
        let port = try #require(listener?.port)
        let first = try LoopbackSocket(connectingTo: port)
        let client = try Client(tls: context())
        try client.open(port)
        listener = nil
        try client.drive { client.closed }
        #expect(client.events == [.closed(.network(errno: ECONNREFUSED))])
        #expect(client.wakes <= 2)
        first.end()
    }

    @Test(arguments: [true, false])
    func `an end or a reset during the handshake closes once`(reset: Bool) throws {
        let listener = try LoopbackListener()
        let client = try Client(tls: context())
        try client.open(listener.port)
        try client.drive(untilReadable: listener.descriptor)
        let server = try listener.accept()
        try client.drive(untilReadable: server.descriptor)
        // Bytes that nobody read would turn the end into a reset.
        _ = try server.read(4096)
        if reset { server.reset() } else { server.end() }
        try client.drive { client.closed }
        #expect(client.events == [.closed(reset ? .network(errno: ECONNRESET) : .tls)])
        #expect(client.wakes <= 4)
    }

    @Test func `a server that does not speak TLS is left`() throws {
        let listener = try LoopbackListener()
        let context = try context()
        let client = try Client(tls: context)
        try client.open(listener.port)
        try client.drive(untilReadable: listener.descriptor)
        let server = try listener.accept()
        try server.write(ScriptedBroker.accepted)
        try client.drive { client.closed }
        #expect(client.events == [.closed(.tls)])
        #expect(context.failure == .notTLS)
    }

    @Test func `a packet of 256 MB cannot fill the memory`() throws {
        let context = try context()
        let client = try Client(tls: context)
        let server = try accepted(client)
        let before = try residentMemory()
        let taken = Taken()
        Thread.detachNewThread {
            // PUBLISH, the longest there is, and then its bytes.
            var sent = server.write([0x32, 0xFF, 0xFF, 0xFF, 0x7F])
            let chunk = [UInt8](repeating: 0, count: 1 << 20)
            for _ in 1...200 {
                let count = server.write(chunk)
                sent += count
                if count < chunk.count { break }
            }
            taken.set(sent)
        }
        try client.drive { client.closed }
        #expect(context.inputLimitReached)
        #expect(client.ends.count == 1)
        #expect(client.messages.isEmpty)
        // What the pipe and both sockets hold was taken from the writer, not given to us.
        #expect(taken.wait() < 32 << 20)
        #expect(try residentMemory() < before + 32 << 20)
    }

    @Test func `messages in one TLS record all arrive, however much was sent before`() throws {
        let client = try Client(tls: context())
        let server = try accepted(client)
        // Enough to fill the library's own wake-up channel, which leaves EAGAIN behind from then on.
        for _ in 1...1000 {
            try client.publish("t", "", qos: .atMostOnce)
            try client.drive { client.connection?.inFlight == 0 }
        }
        server.write((1...50).flatMap { ScriptedBroker.publish("c", [0x61], id: $0) })
        try client.drive { client.messages.count == 50 }
    }

    @Test func `what follows a refused message in the same TLS record is not delivered`() throws {
        let client = try Client(tls: context())
        let server = try accepted(client)
        client.accepts = false
        server.write((1...3).flatMap { ScriptedBroker.publish("c", [0x61], id: $0) })
        try client.drive { client.closed }
        #expect(client.messages.count == 1)
        #expect(client.ends == [.closed(.messageRefused)])
    }

    @Test func `a message refused over TLS is delivered again`() throws {
        let broker = try broker()
        let context = try context()
        let receiver = try Client(id: "r", cleanStart: false, sessionExpiry: 60, tls: context)
        receiver.accepts = false
        try receiver.connect(broker.port)
        try receiver.subscribe("c")
        let sender = try Client(id: "s", tls: try self.context())
        try sender.connect(broker.port)
        try sender.publish("c", "command")
        try sender.drive { !sender.acknowledged.isEmpty }
        try receiver.drive { receiver.closed }
        #expect(receiver.ends == [.closed(.messageRefused)])
        let again = try Client(id: "r", cleanStart: false, sessionExpiry: 60, tls: context)
        try again.connect(broker.port)
        try again.drive { !again.messages.isEmpty }
    }

    @Test(arguments: 0..<4)
    func `no stage of a connection leaks memory of OpenSSL or a descriptor`(stage: Int) throws {
        let broker = try broker()
        let listener = try LoopbackListener()
        let context = try context()
        let before = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        for _ in 1...100 {
            let client = try Client(tls: context)
            if stage == 1 {
                try client.open(listener.port)
                try client.drive(untilReadable: listener.descriptor)
                _ = try listener.accept()
            }
            if stage > 1 { try client.connect(broker.port) }
            if stage == 3 { client.connection?.abort() }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count < before + 75)
    }

    private func residentMemory() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return (Int(pages[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }
}

/// A number from another thread.
private final class Taken: @unchecked Sendable {
    private var value = 0
    private let done = DispatchSemaphore(value: 0)

    func set(_ number: Int) {
        value = number
        done.signal()
    }

    func wait() -> Int {
        done.wait()
        return value
    }
}
