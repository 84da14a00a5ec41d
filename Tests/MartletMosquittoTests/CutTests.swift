// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletMosquitto
import MartletOpenSSL
import TestSupport
import Testing

/// Connections that are cut at every byte that passes before CONNACK, in either direction.
///
/// They run in a process of their own, so that what is left over can be counted.
@Suite(.timeLimit(.minutes(5))) struct CutTests {
    @Test("TLS-07 a handshake cut at any byte of the broker ends once, leaves nothing, and the next one works")
    func fromBroker() async throws {
        let result = try await #require(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try CutHandshakes().run("from the broker") { Proxy.Limit(fromBroker: $0) }
        }
        show(result)
    }

    @Test("TLS-07 a handshake cut at any byte of the client ends once, leaves nothing, and the next one works")
    func fromClient() async throws {
        let result = try await #require(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try CutHandshakes().run("from the client") { Proxy.Limit(fromClient: $0) }
        }
        show(result)
    }

    private func show(_ result: ExitTest.Result) {
        let text = String(decoding: result.standardOutputContent, as: UTF8.self)
        print(text.split(separator: "\n").filter { $0.hasPrefix("cut ") }.joined(separator: "\n"))
    }
}

private final class CutHandshakes {
    private let authority: TestAuthority
    private let broker: Broker
    private let proxy: Proxy
    private let context: TLSContext

    init() throws {
        authority = try TestAuthority()
        broker = try Broker(tls: Broker.TLS(authority))
        proxy = try Proxy(to: broker.port)
        let device = try authority.device("device-1")
        context = try TLSContext(
            serverName: "localhost", anchors: [authority.authority.certificate], chain: [device.certificate],
            key: device.key)
    }

    func run(_ direction: String, _ limit: (Int) -> Proxy.Limit) throws {
        // What is made once for all connections is not counted.
        for _ in 1...100 { try connect() }
        let before = try Left()
        var cuts = 0
        while try isCut(by: limit(cuts)) {
            cuts += 1
            if cuts % 100 == 0 { try connect() }
        }
        try connect()
        let after = try Left()
        print(
            "cut at each of \(cuts) bytes \(direction): \(after.descriptors - before.descriptors) descriptors and",
            "\((after.bytes - before.bytes) / cuts) bytes for each cut are left")
        guard cuts > 500, after.descriptors <= before.descriptors + 8, after.bytes < before.bytes + cuts * 2048 else {
            throw TestFailure("after \(cuts) cuts: from \(before) to \(after)")
        }
        // What these limits are worth: connections that nobody lets go of.
        let held = try (1...50).map { _ in try connect() }
        let more = try Left()
        guard more.descriptors >= after.descriptors + 50, more.bytes > after.bytes + 50 * 4096 else {
            throw TestFailure("\(held.count) connections are not seen: from \(after) to \(more)")
        }
        proxy.stop()
    }

    @discardableResult
    private func connect() throws -> Client {
        proxy.limit = Proxy.Limit()
        let client = try Client(tls: context)
        try client.connect(proxy.port)
        return client
    }

    /// False when the client was accepted, because all that passes before that is within the limit.
    private func isCut(by limit: Proxy.Limit) throws -> Bool {
        proxy.limit = limit
        proxy.forget()
        let client = try Client(tls: context)
        context.dropSessions()
        do { try client.open(proxy.port) } catch is MosquittoError { return true }
        try client.drive { !client.events.isEmpty }
        if client.events == [.connected(sessionPresent: false)] { return false }
        guard client.events.count == 1, client.closed, client.connection?.descriptor == -1 else {
            throw TestFailure("\(limit): \(client.events)")
        }
        return true
    }
}

/// What this process holds.
private struct Left {
    let descriptors: Int
    let bytes: Int

    init() throws {
        descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        bytes = (Int(pages[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }
}
