// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletTestKit
import Testing

func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

func bytes16(_ value: UInt8) -> Bytes16 { Bytes16(InlineArray(repeating: value)) }

/// A gate of one run, with an operator and a gateway.
final class Bench {
    static let device = bytes("urn:dev:ops:32473-device-1")

    let trust: TestTrust
    let gate: CommandGate
    let controller: TestController
    let gateway: TestController
    let entropy = SeededEntropy(seed: 7)
    var moment = GateMoment(
        now: 1_000_000, trustedTime: nil, challenge: bytes16(1), previousChallenge: bytes16(2), isResumed: true,
        waiting: 0)

    init(_ parameters: [Parameter] = [.integer(1...3600)]) throws {
        controller = try TestController(
            name: bytes("urn:example:operator"), role: .operate, audience: Self.device, seed: 1)
        gateway = try TestController(name: bytes("urn:example:gateway"), role: .gateway, audience: Self.device, seed: 2)
        trust = try TestTrust(deviceName: Self.device, seed: 500)
        let commands = [bytes("set-interval"), bytes("reboot")]
        gate = CommandGate(
            root: trust.root, policy: try trust.policy([controller, gateway], commands: commands), now: moment.now)
        guard let declaration = CommandDeclaration(name: bytes("set-interval"), parameters: parameters) else {
            fatalError("the declaration obeys the rules")
        }
        _ = gate.declare(declaration)
    }

    /// What the gate makes of `message`, in short.
    func judge(_ message: [UInt8], isRetained: Bool = false) -> Judged {
        switch gate.judge(message.span, isRetained: isRetained, moment) {
        case .dropped(let refusal): .dropped(refusal)
        case .refused(let receipt), .repeated(let receipt): .answered(receipt.outcome)
        case .running: .running
        case .accepted: .accepted
        }
    }

    /// Gives the gate a command that it must accept.
    func accept(_ change: (inout Claims) -> Void = { _ in }) throws {
        let verdict = judge(try command(change))
        #expect(verdict == .accepted)
    }

    func receipt(_ message: [UInt8]) -> Receipt? {
        switch gate.judge(message.span, isRetained: false, moment) {
        case .refused(let receipt), .repeated(let receipt): receipt
        default: nil
        }
    }

    /// A command that the device accepts.
    func command(_ arguments: [CommandValue] = [.integer(60)]) throws -> [UInt8] {
        try controller.command(Command(name: bytes("set-interval"), arguments: arguments), moment.challenge)
    }

    /// The same with other claims.
    func command(_ change: (inout Claims) -> Void) throws -> [UInt8] {
        var claims = controller.commandClaims(moment.challenge)
        change(&claims)
        return try controller.command(Command(name: bytes("set-interval"), arguments: [.integer(60)]), claims)
    }
}

enum Judged: Equatable {
    case dropped(Refusal)
    case answered(Outcome)
    case running
    case accepted
}
