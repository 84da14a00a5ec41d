// SPDX-License-Identifier: Apache-2.0

import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletState
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

@Suite struct RunAgainTests {
    /// A device that the back end resumed when its disk took nothing: a command is to be run again once it does.
    private func waiting() throws -> TestDevice {
        let declaration = try #require(
            CommandDeclaration(name: bytes("set-interval"), parameters: [.integer(1...3600)], isIdempotent: true))
        let device = try device { $0.commands = [declaration] }
        let first = device.trust.document(
            version: 2, [device.gateway, device.operator], commands: [declaration.name, bytes("suspend")])
        device.document = try device.trust.message(first)
        try device.restart()
        device.connect()
        #expect(try device.resume())
        device.acknowledgeAll()
        try device.send()
        try device.cutPower(.losesAll)
        device.connect()
        device.acknowledgeAll()
        device.engine.flush(device.now)
        device.disk.isFull(true)
        #expect(try device.resume())
        device.acknowledgeAll()
        #expect(device.engine.isResumed && device.owner.commands.isEmpty)
        device.disk.isFull(false)
        return device
    }

    @Test("CMD-01 a document that becomes durable together with what is to be run again decides whether it begins")
    func revoked() throws {
        let device = try waiting()
        let document = device.trust.document(version: 3, [device.gateway], commands: [bytes("set-interval")])
        #expect(device.deliver(try device.trust.message(document), as: .trust))
        device.acknowledgeAll()
        #expect(device.owner.commands.isEmpty && device.receipts.isEmpty)
        #expect(try device.resume())
        device.acknowledgeAll()
        #expect(device.owner.commands.isEmpty && device.receipts.map(\.outcome) == [.interrupted])
        #expect(device.engine.waiting == 0)
    }

    @Test("CMD-01 nothing is run again on a device that is suspended before it begins")
    func suspended() throws {
        let device = try waiting()
        let command = Command(name: bytes("suspend"))
        #expect(device.deliver(try device.operator.command(command, device.challenge), as: .command))
        device.acknowledgeAll()
        #expect(device.run.state.isSuspended && device.owner.commands.isEmpty && device.engine.waiting == 0)
        #expect(Set(device.receipts.map(\.outcome)) == [.interrupted, .done])
    }

    @Test("CMD-05 what is to be run again begins whatever it became durable with")
    func reserved() throws {
        let device = try waiting()
        device.engine.lane.reservedUntil = device.engine.lane.next
        #expect(device.report(1))
        try #require(device.owner.commands.count == 1)
        device.finish()
        #expect(device.receipts.map(\.outcome) == [.done])
    }

    @Test("CMD-05 it begins without anything else happening when the disk takes it")
    func retried() throws {
        let device = try waiting()
        device.wait(Engine.flushRetry)
        #expect(device.owner.commands.count == 1)
    }
}
