// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletPosix
import TestSupport
import Testing

extension Tag {
    /// Takes half a minute or more.
    @Tag static var slow: Self
}

/// Servers that never come to an end: the device does, after 30 seconds.
@Suite(.timeLimit(.minutes(5))) struct DeadlineTests {
    private static let deadline: ClosedRange<UInt64> = 27_000...33_000

    /// Milliseconds from the start of a device until it gave up on the server at `port`.
    private static func patience(_ folder: DeviceFolder, with port: UInt16) throws -> UInt64 {
        try folder.configure(["port": "\(port)"])
        let device = try folder.device()
        try device.report("secret-reading", 1)
        let start = SystemClock.bootMilliseconds()
        try device.start()
        defer { device.stop(flushing: 0) }
        try folder.waitForLog(
            "localhost:\(port): the server did not accept the connection in time; next try in ", seconds: 60)
        return SystemClock.bootMilliseconds() - start
    }

    @Test("TLS-07 a server that never gets anywhere is left after 30 seconds", .tags(.slow))
    func deadlines() throws {
        let authority = try TestAuthority()
        let silent = try TCPServer(.silence)
        // The head of a record of 16 KiB, and its bytes one by one.
        let dripping = try TCPServer(
            .drip([0x16, 3, 3, 0x40, 0, 2, 0, 0x3F, 0xFC] + [UInt8](repeating: 3, count: 100)))
        // A peer that is gone: the system's queue of connections is full, and nobody answers.
        let gone = try LoopbackListener(backlog: 0)
        let first = try LoopbackSocket(connectingTo: gone.port)
        let mute = try ScriptedTLSServer(authority.server)
        let servers = try (1...3).map { _ in try ScriptedTLSServer(authority.server) }
        let stalls = try zip(servers, [1, 300, 700]).map { server, count in
            let proxy = try Proxy(to: server.port)
            proxy.limit = Proxy.Limit(fromBroker: count, stalls: true)
            return proxy
        }
        defer {
            silent.stop()
            dripping.stop()
            mute.stop()
            stalls.forEach { $0.stop() }
            servers.forEach { $0.stop() }
            first.end()
        }
        let cases =
            [("silent", silent.port), ("dripping", dripping.port), ("gone", gone.port), ("without CONNACK", mute.port)]
            + stalls.enumerated().map { ("stalled \($0)", $1.port) }
        let group = DispatchGroup()
        let results = Guarded<[String: Result<UInt64, any Error>]>([:])
        for (name, port) in cases {
            nonisolated(unsafe) let folder = try DeviceFolder(authority)
            group.enter()
            Thread.detachNewThread {
                let result = Result { try Self.patience(folder, with: port) }
                results.with { $0[name] = result }
                group.leave()
            }
        }
        group.wait()
        for (name, result) in results.with({ $0 }) {
            #expect(try Self.deadline.contains(result.get()), "\(name): \(result)")
        }
        let received = String(decoding: silent.received + dripping.received, as: UTF8.self)
        #expect(received.contains("localhost") && !received.contains("MQTT"))
        #expect(mute.output.contains("MQTT"), "it was the answer that was missing")
        for server in servers { #expect(!server.output.contains("MQTT")) }
    }
}
