// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletEnvelope
import MartletMessages
import MartletPosix
import Synchronization
import TestSupport
import Testing

/// The whole device against a real broker with mutual TLS and a back end that verifies everything.
@Suite(.serialized, .timeLimit(.minutes(3))) struct DeviceTests {
    @Test func `readings arrive verified, linked and in order`() throws {
        let bench = try Bench()
        let device = try bench.device()
        try device.start()
        for value in 1...5 { try device.report("temperature", Double(value), unit: .celsius) }
        try device.report("door", true)
        let readings = try bench.backEnd.waitFor("readings") { state in
            let all = bench.backEnd.readings(state)
            return all.count >= 6 ? all : nil
        }
        #expect(readings.prefix(5).map { $0.reading.value } == (1...5).map { .number(Double($0)) })
        #expect(readings[5].reading.value == .boolean(true))
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
        device.stop()
        #expect(device.status.waitingMessages == 0, "\(bench.log.with { $0 })")
    }

    @Test("CMD-08 a device obeys the root that its configuration names, whatever came from the network before")
    func anotherRoot() throws {
        let bench = try Bench()
        let device = try bench.device()
        try bench.startResumed(device)
        let own = bench.document
        func document(_ version: UInt64, _ root: PrivateKey) throws -> TrustDocument {
            TrustDocument(
                version: version, roots: [try TrustSigner.entry(root.publicKey)], threshold: 1,
                controllers: own.controllers, policy: own.policy)
        }
        bench.backEnd.publish("trust", try bench.sign(document(2, bench.rootKey)))
        try bench.waitForLog("trust document in force: version 2")
        device.stop()

        let root = try PrivateKey.generate(.p256)
        let first = try document(1, root)
        try bench.write(
            TrustSigner(issuer: Array("urn:martlet:root".utf8), keys: [root]).sign(first), "trust.cbor")
        try bench.reconfigure(["root": DeviceFolder.digest(first.roots[0])])
        let next = try bench.device()
        try next.onCommand("count") { _ in .done }
        try next.start()
        try bench.waitForLog("another root is configured: the stored trust document was dropped")
        try bench.waitForLog("resumed this run", times: 2)
        let command = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        next.stop()
    }

    @Test func `a command changes the device, is answered by a signed receipt, and its replay is refused`() throws {
        let bench = try Bench()
        let device = try bench.device()
        let interval = Mutex<Int64>(0)
        try device.onCommand("set-interval", .integer(1...3600)) { call in
            interval.withLock { $0 += call.integer(0) }
            return .doneWith([.integer(42)])
        }
        try device.start()
        try bench.waitForLog("resumed this run")
        let command = try bench.backEnd.command("set-interval", [.integer(7)])
        let receipt = try bench.backEnd.receipt(for: command)
        #expect(receipt.outcome == .done)
        #expect(receipt.results == [.integer(42)])
        #expect(receipt.digest == command.digest)

        bench.backEnd.publish("command", command.message)
        try bench.waitForLog("replayed")
        var forged = command.message
        forged[forged.count - 1] ^= 1
        bench.backEnd.publish("command", forged)
        let refused = try bench.backEnd.command("set-interval", [.integer(0)])
        #expect(try bench.backEnd.receipt(for: refused).outcome == .badArguments)
        let unknown = try bench.backEnd.command("format-disk")
        #expect(try bench.backEnd.receipt(for: unknown).outcome == .unknownCommand)
        #expect(interval.withLock { $0 } == 7)
        let event = try bench.backEnd.event(.refusals)
        #expect(!event.values.isEmpty)
        device.stop()
    }

    /// What a broker lacks, its CONNACK if it says so and accepts all the same, and what is logged.
    static let unable: [(setting: String, connack: [UInt8], text: String)] = [
        ("retain_available false", [0x20, 5, 0, 0, 2, 0x25, 0], "the broker keeps no retained messages"),
        ("max_qos 0", [0x20, 5, 0, 0, 2, 0x24, 0], "the broker takes no messages of QoS 1"),
    ]

    @Test("a broker that cannot carry the protocol is named, and tried again", arguments: unable)
    func unableBroker(setting: String, connack: [UInt8], text: String) throws {
        let folder = try DeviceFolder(TestAuthority())
        let broker = try Broker(tls: Broker.TLS(folder.authority), settings: [setting])
        try folder.configure(["port": "\(broker.port)"])
        let device = try folder.device()
        try device.start()
        try folder.waitForLog(": \(text); next try in ", times: 2)
        device.stop()
    }

    @Test("a broker that accepts, and cannot carry the protocol, is left", arguments: unable)
    func unableServer(setting: String, connack: [UInt8], text: String) throws {
        let folder = try DeviceFolder(TestAuthority())
        let server = try ScriptedTLSServer(folder.authority.server)
        try folder.configure(["port": "\(server.port)"])
        let device = try folder.device()
        try device.start()
        try server.waitForOutput("MQTT")
        server.write(connack)
        try folder.waitForLog(": \(text); next try in ")
        #expect(!folder.logged.contains { $0.contains("info: connected") })
        device.stop()
    }

    @Test("a reading that waits while the broker is away is delivered after it is back, once")
    func brokerRestart() throws {
        let bench = try Bench()
        let device = try bench.device()
        try device.start()
        try device.report("before", 1)
        _ = try bench.backEnd.waitFor("first reading") { bench.backEnd.readings($0).isEmpty ? nil : true }
        bench.broker.stop()
        try bench.waitForLog("not connected")
        try device.report("during", 2)
        try bench.broker.start()
        let readings = try bench.backEnd.waitFor("second reading", seconds: 90) { state in
            let all = bench.backEnd.readings(state).filter { $0.verdict != .duplicate }
            return all.count >= 2 ? all : nil
        }
        #expect(readings.map { String(decoding: $0.reading.name, as: UTF8.self) } == ["before", "during"])
        device.stop()
    }

    @Test func `the second run links to the first one, and a command of the first run is stale`() throws {
        let bench = try Bench()
        let calls = Mutex(0)
        var device = try bench.device()
        func declare() throws {
            try device.onCommand("count") { _ in
                calls.withLock { $0 += 1 }
                return .done
            }
        }
        try declare()
        try device.start()
        try bench.waitForLog("resumed this run")
        let command = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        try device.report("first-run", 1)
        device.stop()
        bench.log.with { $0 = [] }

        device = try bench.device()
        try declare()
        try device.start()
        try bench.waitForLog("resumed this run")
        bench.backEnd.state.with {
            $0.messages = $0.messages.filter { if case .receipt = $0.content { false } else { true } }
        }
        bench.backEnd.publish("command", command.message)
        let receipt = try bench.backEnd.receipt(for: command)
        #expect(receipt.outcome == .stale)
        #expect(receipt.challenge != nil)
        #expect(calls.withLock { $0 } == 1)
        try device.report("second-run", 2)
        let verdicts = try bench.backEnd.waitFor("both readings") { state in
            let all = bench.backEnd.readings(state)
            return all.count >= 2 ? all.map { $0.verdict } : nil
        }
        #expect(verdicts.last == .linked)
        device.stop()
    }

    @Test func `stop leaves presence offline`() throws {
        let bench = try Bench()
        let device = try bench.device()
        try device.start()
        _ = try bench.backEnd.waitFor("online") { $0.presences.last?.isOnline == true ? true : nil }
        device.stop()
        #expect(device.status.connection == .disconnected)
        _ = try bench.backEnd.waitFor("offline") { $0.presences.last?.isOnline == false ? true : nil }
    }

    @Test func `a stop from the network's own thread ends the device`() throws {
        let bench = try Bench()
        let device = try bench.device()
        let (held, stopped) = (Guarded<Device?>(device), Guarded(false))
        let (mayGoOn, ended) = (Guarded(false), Guarded(false))
        device.onConnectionChange { state in
            if state == .connected {
                held.with { $0?.stop(flushing: 0) }
                stopped.with { $0 = true }
                stopped.notify()
                _ = mayGoOn.wait(milliseconds: 30_000) { $0 ? true : nil }
            }
            if state == .disconnected {
                ended.with { $0 = true }
                ended.notify()
            }
        }
        try device.start()
        #expect(stopped.wait(milliseconds: 30_000) { $0 ? true : nil } == true)
        // It has yet to flush and to write.
        let error = #expect(throws: MartletError.self) { _ = try bench.device() }
        #expect(error?.code == .state)
        device.stop()
        mayGoOn.with { $0 = true }
        mayGoOn.notify()
        #expect(ended.wait(milliseconds: 30_000) { $0 ? true : nil } == true)
        #expect(device.status.connection == .disconnected)
        _ = try bench.backEnd.waitFor("offline") { $0.presences.last?.isOnline == false ? true : nil }
        held.with { $0 = nil }
        // The last thing that the thread does is to unlock the state.
        var next: Device?
        for _ in 0..<300 where next == nil {
            next = try? bench.device()
            if next == nil { usleep(10_000) }
        }
        #expect(next != nil)
    }

    @Test func `a device cannot be started twice, and takes no handler after its start`() throws {
        let bench = try Bench()
        let device = try bench.device()
        try device.start()
        #expect(throws: MartletError.self) { try device.start() }
        #expect(throws: MartletError.self) { try device.onCommand("late") { _ in .done } }
        device.stop()
        device.stop()
        let error = #expect(throws: MartletError.self) { try device.report("late", 1) }
        #expect(error?.code == .wrongState)
    }

    @Test("ROT-04 a second device on the same state is refused")
    func lock() throws {
        let bench = try Bench()
        let first = try bench.device()
        let error = #expect(throws: MartletError.self) { _ = try bench.device() }
        #expect(error?.code == .state)
        first.stop()
    }

    @Test func `bad readings are refused with their reason`() throws {
        let bench = try Bench()
        let device = try bench.device()
        let names = [
            "", "with space", "-begins", String(repeating: "x", count: 65), "ümlaut", "a\0b", "a\nb", "a\u{1b}[0m",
            "a\u{202e}b", "a+b", "#", "$share", "../a",
        ]
        for name in names {
            #expect(throws: MartletError.self) { try device.report(name, 1) }
        }
        for name in ["", "A", "1", "a b", "a/b", "a_b", "a\0", "a\u{202e}", "ä", String(repeating: "x", count: 33)] {
            #expect(throws: MartletError.self) { try device.onCommand(name) { _ in .done } }
        }
        for name in ["suspend", "activate"] {
            let error = #expect(throws: MartletError.self) { try device.onCommand(name) { _ in .done } }
            #expect(error?.code == .argument && error?.message.contains("the library's own") == true)
        }
        let nine = [Parameter](repeating: .boolean, count: 9)
        let error = #expect(throws: MartletError.self) { try device.onCommand("nine", nine) { _ in .done } }
        #expect(error?.code == .argument && error?.message == "a command has at most 8 parameters")
        #expect(throws: MartletError.self) { try device.report("nan", .nan) }
        #expect(throws: MartletError.self) { try device.report("x", 1, durable: true) }
        #expect(throws: MartletError.self) { try device.report("x", String(repeating: "y", count: 1025)) }
    }
}
