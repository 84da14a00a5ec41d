// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletMessages
import MartletPosix
import Synchronization
import TestSupport
import Testing

/// What a broker keeps, refuses, loses and repeats, and what reaches the device and the back end of it.
@Suite(.timeLimit(.minutes(5))) struct DeliveryTests {
    /// Counts the calls of the command `count`.
    private final class Counter: Sendable {
        let calls = Guarded(0)

        func declare(on device: Device) throws {
            try device.onCommand("count") { _ in
                self.calls.with { $0 += 1 }
                self.calls.notify()
                return .done
            }
        }

        var count: Int { calls.with { $0 } }

        func wait(for count: Int) throws {
            let found = calls.wait(milliseconds: 30_000) { $0 >= count ? true : nil }
            if found == nil { throw TestFailure("\(self.count) calls instead of \(count)") }
        }
    }

    private func names(_ bench: Bench, count: Int) throws -> [String] {
        let readings = try bench.backEnd.waitFor("\(count) readings", seconds: 60) { state in
            let all = bench.backEnd.readings(state).filter { $0.verdict != .duplicate }
            return all.count >= count ? all : nil
        }
        return readings.map { String(decoding: $0.reading.name, as: UTF8.self) }
    }

    /// The device ends its connection by RST and makes another.
    private func reconnect(_ bench: Bench, _ round: Int) throws {
        bench.proxy?.cut()
        try awaitBirths(bench, round + 1)
    }

    /// Waits for the births of so many connections: a birth leaves after both subscriptions were confirmed.
    private func awaitBirths(_ bench: Bench, _ count: Int) throws {
        _ = try bench.backEnd.waitFor("\(count) births", seconds: 60) { state in
            var connections: Set<UInt64> = []
            for message in state.messages {
                if case .birth(let birth, _) = message.content { connections.insert(birth.connection) }
            }
            return connections.count >= count ? true : nil
        }
    }

    // MARK: Commands

    @Test("CMD-03 a command whose PUBACK was lost is redelivered and has one effect")
    func redelivery() throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        let counter = Counter()
        let device = try bench.device()
        try counter.declare(on: device)
        try bench.startResumed(device)
        proxy.holdingClients = true
        let command = try bench.backEnd.command("count")
        try counter.wait(for: 1)
        proxy.cut()
        proxy.holdingClients = false
        try bench.broker.waitForLog("Sending PUBLISH to pump-7 (d1", seconds: 60)
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        try bench.waitForLog("command refused: replayed")
        let next = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: next).outcome == .done)
        #expect(counter.count == 2)
        #expect(bench.refusedMessages(device, atLeast: 1) == 1)
        device.stop()
    }

    @Test("CMD-02 a retained command has one effect, however often the device connects")
    func retained() throws {
        let bench = try Bench(throughProxy: true)
        let counter = Counter()
        let device = try bench.device()
        try counter.declare(on: device)
        try bench.startResumed(device)
        let command = try bench.backEnd.command("count", isRetained: true)
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        for round in 1...3 {
            try reconnect(bench, round)
            try bench.waitForLog("command refused: kept by the broker, not sent for now", times: round)
        }
        #expect(counter.count == 1)
        // More often if the connection broke before its PUBACK left.
        #expect(bench.refusedMessages(device, atLeast: 3) >= 3)
        #expect(bench.logged.allSatisfy { !$0.contains("refused") || $0.contains("kept by the broker") })
        device.stop()
    }

    @Test("CMD-02 what the broker queued while the device was offline has one effect each")
    func queued() throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        let counter = Counter()
        let device = try bench.device()
        try counter.declare(on: device)
        try bench.startResumed(device)
        proxy.refusing = true
        proxy.cut()
        try bench.waitForLog("not connected")
        let first = try bench.backEnd.command("count")
        let second = try bench.backEnd.command("count")
        bench.backEnd.publish("command", first.message)
        proxy.refusing = false
        #expect(try bench.backEnd.receipt(for: first).outcome == .done)
        #expect(try bench.backEnd.receipt(for: second).outcome == .done)
        try bench.waitForLog("command refused: replayed")
        #expect(counter.count == 2)
        device.stop()
    }

    @Test("a command for a device whose session has ended is lost, which the back end learns")
    func endedSession() throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        let counter = Counter()
        let device = try bench.device()
        try counter.declare(on: device)
        try bench.startResumed(device)
        proxy.refusing = true
        proxy.cut()
        try bench.waitForLog("not connected")
        // A broker without persistence forgets all sessions, and the births.
        bench.broker.stop()
        _ = try bench.backEnd.waitFor("the end of the connection") { $0.isConnected ? nil : true }
        try bench.broker.start()
        _ = try bench.backEnd.waitFor("the connection", seconds: 60) { $0.isConnected ? true : nil }
        bench.backEnd.state.with { $0.reasonCodes = [] }
        _ = try bench.backEnd.command("count")
        let code = try bench.backEnd.waitFor("PUBACK") { $0.reasonCodes.first }
        #expect(code == 0x10)
        proxy.refusing = false
        try awaitBirths(bench, 2)
        let next = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: next).outcome == .done)
        #expect(counter.count == 1)
        device.stop()
    }

    // MARK: Telemetry

    @Test("P1 messages that the access rules refuse are kept, and delivered once the rules are mended")
    func accessRules() throws {
        let controller = "user back-end\ntopic readwrite martlet/v1/#\n"
        let device = "pattern read martlet/v1/%u/#\npattern write martlet/v1/%u/"
        let narrow = controller + ["birth", "presence", "event", "receipt"].map { device + $0 + "\n" }.joined()
        let bench = try Bench(
            settings: ["use_identity_as_username true", "acl_file $folder/acl"], files: ["acl": narrow])
        let program = try bench.device()
        try bench.startResumed(program)
        try program.report("first", 1)
        try bench.waitForLog("the broker does not authorise this device to publish: they are kept; next try in ")
        try program.report("second", 2)
        try bench.waitForLog(
            "the broker does not authorise this device to publish: they are kept; next try in ", times: 2)
        #expect(program.status.waitingMessages == 2)
        #expect(bench.backEnd.state.with { bench.backEnd.readings($0) }.isEmpty)
        try bench.broker.reload("acl", narrow + device + "telemetry\n")
        #expect(try names(bench, count: 2) == ["first", "second"])
        program.stop()
        #expect(program.status.waitingMessages == 0)
    }

    @Test("P1 what nobody listens to is kept until somebody does")
    func nobodyListens() throws {
        let bench = try Bench()
        let device = try bench.device()
        try bench.startResumed(device)
        try bench.restartBackEnd {
            try device.report("first", 1)
            try device.report("second", 2)
            try bench.waitForLog("the broker has nobody to give messages to: they are kept; next try in ")
        }
        #expect(try names(bench, count: 2) == ["first", "second"])
        device.stop()
        #expect(device.status.waitingMessages == 0)
    }

    @Test("P1 a message larger than the broker takes becomes a signed gap, and the lane goes on")
    func maximumPacketSize() throws {
        let bench = try Bench(settings: ["max_packet_size 1200"])
        let device = try bench.device()
        try bench.startResumed(device)
        try device.report("before", 1)
        #expect(try names(bench, count: 1) == ["before"])
        try device.report("large", String(repeating: "x", count: 1024))
        let gap = try gap(bench)
        #expect(gap.reason == .refused)
        #expect(gap.first == gap.last)
        #expect(gap.readings == 1)
        try device.report("after", 2)
        #expect(try names(bench, count: 2) == ["before", "after"])
        #expect(
            bench.backEnd.state.with { bench.backEnd.readings($0) }.map(\.verdict) == [
                .first, .explained(uncovered: 0),
            ])
        device.stop()
        #expect(device.status.waitingMessages == 0)
    }

    @Test("P1 a spool that overflows while there is no connection becomes a signed gap in an intact chain")
    func overflow() throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        try bench.reconfigure(["spool-bytes": "1048576"])
        let device = try bench.device()
        proxy.refusing = true
        try device.start()
        let text = String(repeating: "x", count: 1000)
        let total = 1800
        for index in 1...total {
            // As fast as it can be signed.
            while true {
                do throws(MartletError) {
                    try device.report("r\(index)", text)
                    break
                } catch { try #require(error.code == .full) }
            }
        }
        proxy.refusing = false
        let last = "r\(total)"
        let readings = try bench.backEnd.waitFor("the last reading", seconds: 60) { state in
            let all = bench.backEnd.readings(state)
            return all.contains { $0.reading.name == Array(last.utf8) } ? all : nil
        }
        let gap = try gap(bench)
        #expect(gap.reason == .retention)
        #expect(Int(gap.readings) + readings.count == total)
        // The oldest gave way; what is left is whole and in order.
        #expect(
            readings.map { String(decoding: $0.reading.name, as: UTF8.self) }
                == (Int(gap.readings) + 1...total).map { "r\($0)" })
        let verdicts = readings.map(\.verdict)
        #expect(verdicts.allSatisfy { [.linked, .explained(uncovered: 0), .beginning].contains($0) }, "\(verdicts)")
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
        device.stop()
    }

    private func gap(_ bench: Bench) throws -> Gap {
        try bench.backEnd.waitFor("gap", seconds: 60) { state in
            for message in state.messages { if case .gap(let gap) = message.content { return gap } }
            return nil
        }
    }

    // MARK: Versions and presence

    @Test func `MQTT 3_1_1 carries readings and commands`() throws {
        let bench = try Bench(throughProxy: true)
        try bench.reconfigure(["protocol": "3.1.1"])
        let counter = Counter()
        let device = try bench.device()
        try counter.declare(on: device)
        try bench.startResumed(device)
        try device.report("first", 1)
        #expect(try bench.backEnd.receipt(for: bench.backEnd.command("count")).outcome == .done)
        try reconnect(bench, 1)
        try device.report("second", 2)
        #expect(try bench.backEnd.receipt(for: bench.backEnd.command("count")).outcome == .done)
        #expect(try names(bench, count: 2) == ["first", "second"])
        // What was not acknowledged when the connection broke came twice.
        let verdicts = bench.backEnd.state.with { bench.backEnd.readings($0) }.map(\.verdict)
        #expect(verdicts.filter { $0 != .duplicate } == [.first, .linked])
        // The broker's number of 3.1.1.
        #expect(bench.broker.log.contains("as pump-7 (p2"))
        #expect(counter.count == 2)
        device.stop()
    }

    @Test func `presence is unsigned: the will says offline, and nothing is decided by it`() throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        let counter = Counter()
        let device = try bench.device()
        try counter.declare(on: device)
        try bench.startResumed(device)
        let online = try bench.backEnd.waitFor("online") { $0.presences.last }
        #expect(online.isOnline && online.connection == 1)
        // Anybody who may publish there can say this.
        bench.backEnd.publish(
            "presence", Presence(isOnline: false, run: online.run, connection: 99).encoded(), isRetained: true)
        _ = try bench.backEnd.waitFor("the forged presence") { $0.presences.last?.connection == 99 ? true : nil }
        #expect(try bench.backEnd.receipt(for: bench.backEnd.command("count")).outcome == .done)
        proxy.refusing = true
        proxy.cut()
        let will = try bench.backEnd.waitFor("the will") {
            $0.presences.last?.connection == 1 ? $0.presences.last : nil
        }
        #expect(!will.isOnline && will.run == online.run)
        proxy.refusing = false
        let again = try bench.backEnd.waitFor("online again", seconds: 60) { state in
            state.presences.last.flatMap { $0.isOnline ? $0 : nil }
        }
        #expect(again.connection > 1)
        device.stop()
    }
}
