// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import TestSupport

/// Makes messages for one run of the device.
final class Forger {
    let bench: Bench
    let device: [UInt8]
    let challenge: [UInt8]
    /// The challenge of the run before.
    let earlierChallenge: [UInt8]
    let `operator`: PrivateKey
    let gateway: PrivateKey
    let stranger: PrivateKey
    private static let sequences = Sequences()

    private final class Sequences: @unchecked Sendable {
        var last = UInt64(Date().timeIntervalSince1970 * 1000) << 8
    }

    init(_ bench: Bench, earlierChallenge: [UInt8]) throws {
        self.bench = bench
        let (name, challenge) = try bench.backEnd.audience()
        device = name
        self.challenge = challenge.array
        self.earlierChallenge = earlierChallenge
        `operator` = bench.operatorKey
        gateway = bench.gatewayKey
        stranger = try PrivateKey.generate(.p256)
    }

    var sequence: UInt64 {
        Self.sequences.last += 1
        return Self.sequences.last
    }

    /// A valid command with a new sequence number and a new id.
    func parts() -> CommandParts {
        CommandParts(
            key: `operator`, issuer: "urn:martlet:operator", device: device, challenge: challenge, sequence: sequence)
    }

    /// The device obeys it.
    func obeyed(_ parts: CommandParts) throws -> [UInt8] {
        let message = try parts.message()
        bench.backEnd.publish("command", message)
        let digest = try parts.digest
        _ = try bench.backEnd.receipt { $0.digest == digest }
        return message
    }

    /// The newest message of the device with this purpose, as it came.
    func captured(_ purpose: Purpose) throws -> [UInt8] {
        try bench.backEnd.waitFor("\(purpose)") { $0.envelopes[purpose] }
    }
}
