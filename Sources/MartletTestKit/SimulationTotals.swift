// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletMessages

/// What can happen in a simulation.
public enum SimulatedEvent: Int, CaseIterable, Sendable {
    case start, powerCut, cutInRecovery, kill, stop
    case diskError, damage, restore, lossSeen, clockStep, suspend
    case brokenConnection, brokerRestart, brokerLoss, duplicate, reordering, lostAcknowledgement
    case replay, forgery, trustDocument
    case signing, signedAgain, acceptance, effect, ownCommand, runAgain, receipt, checkpoint, envelope
    case durableEnvelope, gap, quotaGap, quotaEvent, alarmPassed

    public var name: StaticString {
        switch self {
        case .start: "starts"
        case .powerCut: "power cuts"
        case .cutInRecovery: "power cuts during recovery"
        case .kill: "kills"
        case .stop: "stops in order"
        case .diskError: "failures of the disk"
        case .damage: "damages of the state"
        case .restore: "older images restored"
        case .lossSeen: "seeds in which the back end saw a fork, a rollback or a loss"
        case .clockStep: "steps of the system clock"
        case .suspend: "suspends"
        case .brokenConnection: "broken connections"
        case .brokerRestart: "broker restarts"
        case .brokerLoss: "broker restarts without its store"
        case .duplicate: "duplicates"
        case .reordering: "messages out of order"
        case .lostAcknowledgement: "lost acknowledgements"
        case .replay: "replayed messages"
        case .forgery: "forged messages"
        case .trustDocument: "trust documents in force"
        case .signing: "commands signed"
        case .signedAgain: "commands signed again"
        case .acceptance: "commands accepted"
        case .effect: "effects"
        case .ownCommand: "suspended or activated"
        case .runAgain: "idempotent commands run again"
        case .receipt: "receipts that arrived"
        case .checkpoint: "checkpoints that arrived"
        case .envelope: "envelopes of readings that arrived"
        case .durableEnvelope: "envelopes of readings made durable"
        case .gap: "gap records that arrived"
        case .quotaGap: "gap records because of a quota"
        case .quotaEvent: "events that told of a quota"
        case .alarmPassed: "alarms that passed readings which a quota held back"
        }
    }
}

/// How often things happened.
public struct SimulationTotals: Sendable {
    public private(set) var events = [UInt64](repeating: 0, count: SimulatedEvent.allCases.count)
    /// Refusals, by code.
    public private(set) var refusals = [UInt64](repeating: 0, count: 16)
    /// Receipts that the device published, by outcome.
    public private(set) var outcomes = [UInt64](repeating: 0, count: 32)

    public init() {}

    public subscript(event: SimulatedEvent) -> UInt64 { events[event.rawValue] }

    mutating func count(_ event: SimulatedEvent) { events[event.rawValue] += 1 }

    mutating func count(_ outcome: Outcome) {
        if outcomes.indices.contains(Int(outcome.rawValue)) { outcomes[Int(outcome.rawValue)] += 1 }
    }

    mutating func add(_ counts: RefusalCounts) {
        for refusal in Refusal.allCases where refusals.indices.contains(Int(refusal.rawValue)) {
            refusals[Int(refusal.rawValue)] += counts[refusal]
        }
    }

    public mutating func add(_ other: SimulationTotals) {
        for index in events.indices { events[index] += other.events[index] }
        for index in refusals.indices { refusals[index] += other.refusals[index] }
        for index in outcomes.indices { outcomes[index] += other.outcomes[index] }
    }
}
