// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletCOSE
public import MartletEnvelope

/// How a verified command ended. Codes are part of the protocol and never change their meaning.
public enum Outcome: UInt8, CaseIterable, Sendable {
    /// The handler ran and says that it is done.
    case done = 0
    /// The handler ran and says that it failed.
    case failed = 1
    /// Accepted, then the device stopped: whether it took effect is not known.
    case interrupted = 2
    /// The challenge is not one of the device's two; the receipt carries the current one.
    case stale = 10
    /// Past its `exp`, by a trusted clock.
    case expired = 11
    /// Before its `nbf`, by a trusted clock.
    case notYetValid = 12
    /// The payload is not a command.
    case badCommand = 13
    /// The controller may not do this.
    case notAuthorised = 14
    /// The device has no such command.
    case unknownCommand = 15
    /// An argument is missing, superfluous, of the wrong type or out of range.
    case badArguments = 16
    /// More commands wait than the device takes.
    case busy = 17
    /// The handler could not begin in time.
    case deadlineMissed = 18
    /// This run's `resume` has not arrived yet.
    case notReady = 19
    /// The controller sends more than its rate.
    case rateLimited = 20
    /// An argument is outside what policy allows this controller, or policy changed before the handler began.
    case outOfPolicy = 21
    /// Its acceptance could not be made durable, twice.
    case notRecorded = 22

    /// For people.
    public var text: StaticString {
        switch self {
        case .done: "done"
        case .failed: "the handler failed"
        case .interrupted: "interrupted: the device stopped before it knew the outcome"
        case .stale: "stale: bound to an old challenge"
        case .expired: "expired"
        case .notYetValid: "not yet valid"
        case .badCommand: "the payload is not a command"
        case .notAuthorised: "this controller is not authorised"
        case .unknownCommand: "the device has no such command"
        case .badArguments: "bad arguments"
        case .busy: "busy: too many commands wait"
        case .deadlineMissed: "could not begin before its deadline"
        case .notReady: "not ready: the back end has not resumed this run"
        case .rateLimited: "too many commands from this controller"
        case .outOfPolicy: "outside what policy allows this controller"
        case .notRecorded: "could not be recorded: is the disk full or worn out?"
        }
    }
}

/// The device's signed answer to a verified command.
public struct Receipt: Equatable, Sendable {
    public var command: Bytes16
    /// The controller's key.
    public var controller: KeyID
    public var outcome: Outcome
    /// The hash of the command's Sig_structure.
    public var digest: Digest
    public var results: [CommandValue]
    /// The current challenge, with `stale`.
    public var challenge: Bytes16?

    public init(
        command: Bytes16, controller: KeyID, outcome: Outcome, digest: Digest, results: [CommandValue] = [],
        challenge: Bytes16? = nil
    ) {
        self.command = command
        self.controller = controller
        self.outcome = outcome
        self.digest = digest
        self.results = results
        self.challenge = challenge
    }

    /// nil if a reader would refuse the results: a count, length or value out of bounds, a text that is not UTF-8.
    public func encoded() -> [UInt8]? {
        if !Self.canCarry(results) { return nil }
        return CBORWriter.encode(limit: 12 * 1024) { writer in
            writer.map(challenge == nil ? 5 : 6)
            writer.unsigned(0)
            writer.bytes(command.bytes.span)
            writer.unsigned(1, controller.value)
            writer.unsigned(2, UInt64(outcome.rawValue))
            writer.unsigned(3)
            writer.bytes(digest.bytes.span)
            writer.unsigned(4)
            writer.values(results)
            if let challenge {
                writer.unsigned(5)
                writer.bytes(challenge.bytes.span)
            }
        }
    }

    /// Whether `results` obey the limits that `Command` sets for arguments.
    public static func canCarry(_ results: [CommandValue]) -> Bool {
        results.count <= Command.maximumArguments
            && results.allSatisfy { value in
                switch value {
                case .integer, .boolean: true
                case .number(let number): number.isFinite
                case .text(let text): text.isText(limit: Command.maximumValueLength)
                case .data(let data): data.count <= Command.maximumValueLength
                }
            }
    }

    public init(decoding payload: Span<UInt8>) throws(MessageError) {
        var command: Bytes16?
        var controller: UInt64?
        var outcome: UInt64?
        var digest: Digest?
        var results: [CommandValue] = []
        var challenge: Bytes16?
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: command = try reader.bytes16(payload)
            case 1: controller = try reader.unsigned()
            case 2: outcome = try reader.unsigned()
            case 3: digest = try reader.digest(payload)
            case 4: results = try reader.values(payload)
            case 5: challenge = try reader.bytes16(payload)
            default: return false
            }
            return true
        }
        guard let command else { throw .missing(0) }
        guard let controller else { throw .missing(1) }
        guard let outcome else { throw .missing(2) }
        guard let outcome = Outcome(rawValue: UInt8(clamping: outcome)) else { throw .badValue(2) }
        guard let digest else { throw .missing(3) }
        self.init(
            command: command, controller: KeyID(controller), outcome: outcome, digest: digest, results: results,
            challenge: challenge)
    }
}
