// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletSenML
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

func bytes16(_ value: UInt8) -> Bytes16 { Bytes16(InlineArray(repeating: value)) }

func presence(_ payload: [UInt8]) throws -> Presence { try Presence(decoding: payload.span) }

func digest(_ value: UInt8) -> Digest { Digest(InlineArray(repeating: value)) }

/// A fresh seed, or that of the environment variable MARTLET_SEED; printed, so that a failure can be repeated.
func announcedSeed(_ test: String) -> UInt64 {
    let seed = ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap(UInt64.init) ?? .random(in: 0 ... .max)
    print("\(test): MARTLET_SEED=\(seed)")
    return seed
}

extension Engine {
    /// The lane normal.
    var lane: TelemetryLane {
        get { lanes[1] }
        set { lanes[1] = newValue }
    }
}

extension TestDevice {
    /// That of the lane normal.
    var spool: Spool { run.spools[1] }
}

/// A device that knows the command `set-interval`.
func device(_ change: (inout TestDevice.Settings) -> Void = { _ in }, seed: UInt64 = 1) throws -> TestDevice {
    var settings = TestDevice.Settings()
    settings.commands = [
        try #require(CommandDeclaration(name: bytes("set-interval"), parameters: [.integer(1...3600)]))
    ]
    change(&settings)
    return try TestDevice(seed: seed, settings)
}

/// The same, connected; birth and presence are acknowledged, and nothing waits.
func connected(_ change: (inout TestDevice.Settings) -> Void = { _ in }, seed: UInt64 = 1) throws -> TestDevice {
    let device = try device(change, seed: seed)
    device.connect()
    device.acknowledgeAll()
    device.engine.flush(device.now)
    return device
}

/// The same, resumed; everything is acknowledged, also the audit log.
func resumed(_ change: (inout TestDevice.Settings) -> Void = { _ in }, seed: UInt64 = 1) throws -> TestDevice {
    let device = try connected(change, seed: seed)
    #expect(try device.resume())
    device.acknowledgeAll()
    // What happened so far is told.
    device.wait(Engine.checkpointDelay)
    device.acknowledgeAll()
    device.engine.flush(device.now)
    return device
}

extension TestDevice {
    var leaves: [Leaf?] { link.published.map { topics.leaf(of: $0.topic.span) } }

    var waitingLeaves: [Leaf?] { link.unacknowledged.map { topics.leaf(of: $0.topic.span) } }

    /// The newest challenge that the back end knows.
    var challenge: Bytes16 {
        get throws { try #require(newestBirth).challenge }
    }

    /// The operator sends a command.
    func send(_ arguments: [CommandValue] = [.integer(60)], _ nonce: Bytes16? = nil) throws {
        let command = Command(name: bytes("set-interval"), arguments: arguments)
        let message = try self.operator.command(command, try nonce ?? challenge)
        #expect(deliver(message, as: .command))
    }

    func finish(_ index: Int = 0, _ outcome: Outcome = .done, results: [CommandValue] = []) {
        engine.finished(owner.commands[index].key, outcome, results: results, now)
        engine.advance(now)
    }

    /// Puts a number into the batch, and leaves it there.
    func collect(_ name: String) throws {
        let name = bytes(name)
        try batch.append(name: name.span, unit: Span(), value: .number(0.1), time: now.boot)
    }

    func stop() {
        engine.beginStop()
        engine.finishStop(now)
        link.didClose()
    }

    /// Sequence numbers of the telemetry, in the order of publishing.
    var sequences: [UInt64] { sent(.telemetry).compactMap { $0.envelope.claims.sequence } }

    func hasLogged(_ text: String) -> Bool {
        owner.lines.contains { String(decoding: $0.bytes, as: UTF8.self).contains(text) }
    }
}

extension SimulatedDisk {
    /// Whether nothing can be written, as on a full or worn-out disk.
    func isFull(_ isFull: Bool) {
        fault = isFull ? Fault(operations + 1, .full, isSticky: true) : nil
    }
}
