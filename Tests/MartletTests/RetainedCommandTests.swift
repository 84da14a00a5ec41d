// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletMessages
import MartletPosix
import TestSupport
import Testing

/// Commands that the broker keeps, or publishes in the name of somebody who is gone.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RetainedCommandTests {
    private let bench: Bench
    private let plainPort: UInt16
    private let calls = Guarded(0)

    init() throws {
        plainPort = try LoopbackListener().port
        bench = try Bench(settings: ["listener \(plainPort) 127.0.0.1"])
    }

    /// Started, and answered by the back end.
    private func device() throws -> Device {
        bench.log.with { $0 = [] }
        let (device, calls) = (try bench.device(), calls)
        try device.onCommand("count") { _ in
            calls.with { $0 += 1 }
            return .done
        }
        try bench.startResumed(device)
        return device
    }

    /// Another client with the device's id: the broker forgets the device's session.
    private func endSession() throws { try PlainClient(port: plainPort, id: DeviceFolder.id).leave() }

    private func obeys(_ device: Device) throws {
        let before = calls.with { $0 }
        let command = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        #expect(calls.with { $0 } == before + 1)
    }

    @Test("CMD-02 a retained command has one effect over 100 connections, with and without a session")
    func connections() throws {
        var device = try device()
        let command = try bench.backEnd.command("count", isRetained: true)
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        for round in 1...100 {
            device.stop()
            if round % 2 == 0 { try endSession() }
            device = try self.device()
            try bench.waitForLog("command refused: kept by the broker, not sent for now")
            #expect(bench.refusedMessages(device, atLeast: 1) == 1)
        }
        #expect(calls.with { $0 } == 1)
        // Session present, reason code.
        for answer in ["(0, 0)", "(1, 0)"] {
            let count = bench.broker.log.components(separatedBy: "Sending CONNACK to pump-7 \(answer)").count - 1
            #expect(count >= 50, "\(answer)")
        }
        try obeys(device)
        device.stop()
    }

    @Test("CMD-02 a retained command for a device that subscribes later has no effect")
    func lateSubscription() throws {
        try device().stop()
        try endSession()
        _ = try bench.backEnd.command("count", isRetained: true)
        _ = try bench.backEnd.waitFor("PUBACK") { $0.reasonCodes.first { $0 == 0x10 } }
        let device = try device()
        try bench.waitForLog("command refused: kept by the broker, not sent for now")
        #expect(calls.with { $0 } == 0)
        try obeys(device)
        device.stop()
    }

    @Test("CMD-02 a command in the wills of three clients has one effect", arguments: [false, true])
    func will(isRetained: Bool) throws {
        var device = try device()
        let command = try bench.backEnd.sign("count")
        let topic = "martlet/v1/\(DeviceFolder.id)/command"
        for index in 1...3 {
            let will = PlainClient.Will(topic: topic, payload: command.message, isRetained: isRetained)
            try PlainClient(port: plainPort, id: "dying-\(index)", will: will).die()
            if index == 1 { #expect(try bench.backEnd.receipt(for: command).outcome == .done) }
        }
        try bench.waitForLog("command refused: replayed", times: 2)
        #expect(calls.with { $0 } == 1)
        device.stop()
        device = try self.device()
        if isRetained { try bench.waitForLog("command refused: kept by the broker, not sent for now") }
        #expect(calls.with { $0 } == 1)
        try obeys(device)
        device.stop()
    }
}
