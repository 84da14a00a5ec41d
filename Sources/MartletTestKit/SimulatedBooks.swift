// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages
internal import MartletSession
internal import MartletState

/// What really happened, kept outside of the device, and what must never be true of it.
final class SimulatedBooks {
    var totals = SimulationTotals()
    /// Why readings may be given up.
    var reasons = [GapReason.retention]
    /// The first thing that must not be.
    private(set) var problem: [UInt8]?
    private(set) var orders: [SimulatedOrder] = []
    /// How often state was lost: damaged, or replaced by an older copy.
    private(set) var losses = 0
    /// How often the program started.
    private(set) var life = 0
    private var isLifeNamed = false
    /// That of the newest birth since the last loss; 0 before it.
    private(set) var lastRun: UInt64 = 0
    /// Whether the device found in this life that it was rolled back.
    private(set) var isRolledBack = false

    /// When each challenge was first told, in boot time of the life that told it.
    private var challenges: [(value: Bytes16, life: Int, since: UInt64)] = []
    /// In the order of their codes.
    var lanes = [SimulatedLane](repeating: SimulatedLane(), count: Lane.allCases.count)
    /// What each index of the audit log was given to.
    private var entries: [UInt64: Digest] = [:]
    private var previous: [UInt64: Digest] = [:]
    private var trustVersion: UInt64 = 0

    func fail(_ text: StaticString, _ number: UInt64 = 0) {
        if problem != nil { return }
        var line = LogLine()
        line.text(text)
        line.text(": ")
        line.number(number)
        problem = line.bytes
    }

    // MARK: Orders

    func add(_ order: SimulatedOrder) { orders.append(order) }

    func order(_ key: CommandKey) -> SimulatedOrder? { orders.first { $0.key == key } }

    func number(of order: SimulatedOrder) -> UInt64 {
        UInt64(orders.firstIndex { $0 === order } ?? 0)
    }

    // MARK: What happens to the device

    func didStart(trustVersion: UInt64, damage: Int) {
        totals.count(.start)
        life += 1
        isLifeNamed = false
        isRolledBack = false
        if losses > 0 { return }
        if damage > 0 { fail("damage without damage", UInt64(damage)) }
        trustIs(trustVersion)
    }

    func trustIs(_ version: UInt64) {
        if version > trustVersion { totals.count(.trustDocument) }
        if version < trustVersion, losses == 0 { fail("trust went back to version", version) }
        trustVersion = version
    }

    /// State was damaged, or an older copy took its place.
    func didLose() {
        losses += 1
        for order in orders { order.isExcused = true }
        forgetReadings()
        trustVersion = 0
        lastRun = 0
    }

    /// The device said that it was rolled back.
    func foundRollback() { isRolledBack = true }

    /// The device accepted a command: a message that `signing` made, or one that nobody signed.
    func accepted(
        _ key: CommandKey, _ signing: SimulatedSigning?, isRetained: Bool, document: SimulatedBackEnd.Document?,
        boot: UInt64
    ) {
        totals.count(.acceptance)
        guard let signing, signing.order.key == key else { return fail("a command that nobody signed was accepted") }
        let order = signing.order
        let number = number(of: order)
        order.acceptances += 1
        if isRetained { fail("a retained message was accepted", number) }
        if signing.refusal != nil { fail("a message that was refused took effect", number) }
        guard let document, document.allows(order) else {
            return fail("a command without authority was accepted", number)
        }
        if signing.life != life { fail("a command of an earlier run was accepted", number) }
        guard let seen = challenges.first(where: { $0.value == signing.challenge && $0.life == life }) else {
            return fail("a command for a challenge that this run never told was accepted", number)
        }
        if boot - min(boot, seen.since) > 2 * Challenge.period { fail("an old command was accepted", number) }
    }

    /// The handler begins: the command takes effect.
    func takesEffect(_ order: SimulatedOrder) {
        totals.count(.effect)
        order.effects += 1
        let number = number(of: order)
        if !order.isIdempotent, order.effects > 1 { fail("a command took effect twice", number) }
        if order.isIdempotent, order.effects > 4, !order.isExcused { fail("a command took effect five times", number) }
    }

    /// A final outcome was told, in a receipt or in the audit log.
    func told(_ order: SimulatedOrder, _ outcome: Outcome) {
        if order.isExcused { return }
        let number = number(of: order)
        if let told = order.told, told != outcome { fail("two outcomes were told of one command", number) }
        if let durable = order.outcome, durable != outcome { fail("not the outcome was told that is durable", number) }
        order.told = outcome
    }

    // MARK: What the device says

    func published(_ birth: Birth, boot: UInt64) {
        see(birth.challenge, boot)
        if !isLifeNamed {
            isLifeNamed = true
            if birth.run <= lastRun { fail("a run number came again", birth.run) }
        } else if birth.run != lastRun, losses == 0 || birth.run < lastRun &+ DeviceState.damageMargin {
            fail("a run changed its number", birth.run)
        }
        lastRun = birth.run
    }

    func published(_ receipt: Receipt, _ signings: [SimulatedSigning], boot: UInt64) {
        totals.count(receipt.outcome)
        if let challenge = receipt.challenge { see(challenge, boot) }
        guard let order = order(CommandKey(controller: receipt.controller, id: receipt.command)) else {
            return fail("a receipt for a command that nobody signed")
        }
        if receipt.outcome.isFinal {
            told(order, receipt.outcome)
        } else if let signing = signings.last(where: { $0.digest == receipt.digest }) {
            signing.refusal = receipt.outcome
        } else {
            fail("a receipt for a message that nobody signed")
        }
    }

    private func see(_ challenge: Bytes16, _ boot: UInt64) {
        if challenges.contains(where: { $0.value == challenge && $0.life == life }) { return }
        challenges.append((challenge, life, boot))
    }

    // MARK: The audit log

    /// An entry of the log, or its head, reached the back end. False if another one with this index is known.
    func take(_ head: ChainHead, previous: Digest?) -> Bool {
        let known = entries[head.sequence]
        if let known, known != head.digest {
            if losses == 0 { fail("the audit log forks", head.sequence) }
            return false
        }
        entries[head.sequence] = head.digest
        guard let previous else { return true }
        self.previous[head.sequence] = previous
        if losses > 0 { return true }
        if let before = entries[head.sequence &- 1], before != previous {
            fail("the audit log is not linked", head.sequence)
        }
        if let after = self.previous[head.sequence &+ 1], after != head.digest {
            fail("the audit log is not linked", head.sequence &+ 1)
        }
        return true
    }

    /// The last of the entries up to this one that is missing.
    func missing(upTo index: UInt64) -> UInt64? {
        var rest = index
        while rest > 0 {
            if previous[rest] == nil { return rest }
            rest -= 1
        }
        return nil
    }
}
