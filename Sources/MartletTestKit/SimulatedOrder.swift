// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages

/// A command that an operator wants to be carried out, and what came of it.
final class SimulatedOrder {
    let key: CommandKey
    let command: Command
    let isIdempotent: Bool
    /// Carried out by the library itself.
    let isOwn: Bool
    let controller: TestController
    /// How often state had been lost when it was signed first.
    let losses: Int

    var acceptances = 0
    /// The power went while it was being accepted.
    var mayBeAccepted = false
    var effects = 0
    /// What the handler said, once that must be durable.
    var outcome: Outcome?
    /// The final outcome that the device told.
    var told: Outcome?
    /// Whether the back end knows a final outcome.
    var isReported = false
    /// State was lost after it was signed: only that it takes effect no more than once can still be asked for.
    var isExcused = false

    init(
        key: CommandKey, command: Command, isIdempotent: Bool, isOwn: Bool = false, controller: TestController,
        losses: Int
    ) {
        self.key = key
        self.command = command
        self.isIdempotent = isIdempotent
        self.isOwn = isOwn
        self.controller = controller
        self.losses = losses
    }
}

/// One signature for an order.
final class SimulatedSigning {
    let order: SimulatedOrder
    let message: [UInt8]
    let digest: Digest
    let challenge: Bytes16
    /// How often the device had started.
    let life: Int
    /// How the device refused it.
    var refusal: Outcome?

    init(_ order: SimulatedOrder, _ message: [UInt8], _ digest: Digest, _ challenge: Bytes16, life: Int) {
        self.order = order
        self.message = message
        self.digest = digest
        self.challenge = challenge
        self.life = life
    }
}
