// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
public import MartletEnvelope
public import MartletMessages
internal import MartletReplayWindow

/// An accepted command on its way to its handler.
public struct AcceptedCommand: Sendable {
    public let key: CommandKey
    /// The place of its declaration.
    public let index: Int
    public let arguments: [CommandValue]
    public let priority: UInt8
    /// Boot time in milliseconds by which the handler must have begun.
    public let deadline: UInt64?
}

/// What the gate makes of a message on the command topic. Indirect: its cases are large, and copied often.
public indirect enum Verdict {
    case dropped(Refusal)
    /// The signature held, but the command is refused: this is the answer.
    case refused(Receipt)
    /// The command was carried out before: this is its receipt again.
    case repeated(Receipt)
    /// The command was sent again while its handler has not ended, or while its outcome is not durable: the answer
    /// comes then.
    case running
    /// Its entry must be made durable before its handler is called; if that fails, `withdraw` it.
    case accepted(AcceptedCommand, Ledger.Entry)
}

/// What the gate makes of a message on the trust topic.
public enum TrustVerdict {
    case dropped(Refusal)
    /// The document that is in force already.
    case known
    /// Follows the document in force: it is to be made durable, and then adopted. `floor`: Unix seconds to which the
    /// clock's lower bound may be lowered, if its signers say so for now.
    case successor(TrustPolicy, floor: UInt64?)
}

/// What the gate must know about this moment.
public struct GateMoment: Sendable {
    /// Boot time in milliseconds.
    public var now: UInt64
    /// Unix seconds; nil unless the clock is trusted.
    public var trustedTime: UInt64?
    public var challenge: Bytes16
    /// The challenge before, for one more period.
    public var previousChallenge: Bytes16?
    /// Whether this run's `resume` has arrived.
    public var isResumed: Bool
    /// Whether the device is out of service for now.
    public var isSuspended: Bool
    /// Commands that were accepted and wait for a handler.
    public var waiting: Int

    public init(
        now: UInt64, trustedTime: UInt64?, challenge: Bytes16, previousChallenge: Bytes16?, isResumed: Bool,
        isSuspended: Bool = false, waiting: Int
    ) {
        self.now = now
        self.trustedTime = trustedTime
        self.challenge = challenge
        self.previousChallenge = previousChallenge
        self.isResumed = isResumed
        self.isSuspended = isSuspended
        self.waiting = waiting
    }

    /// Whether `nonce` is one of the two challenges.
    @inline(never)
    func accepts(_ nonce: Bytes16) -> Bool {
        if nonce == challenge { return true }
        guard let previousChallenge else { return false }
        return nonce == previousChallenge
    }
}

/// Decides about commands: the one way from the network to a handler. Not safe for concurrent use.
///
/// The order of the checks is a security property (Sources/PROTOCOL.md, Commands):
/// 1. size, strict decoding, known key, issuer, audience, purpose, completeness, and the replay window read only:
///    cheap, unanswered, without a trace;
/// 2. the signature, within a budget, so that garbage costs a bounded time and locks nobody out;
/// 3. challenge, window, ledger: from here on the sender is known and the answer is a signed receipt; once the
///    challenge is a current one, the sequence number is used up whatever the verdict;
/// 4. rate, time, name, policy, arguments, room.
public final class CommandGate {
    /// Accepted commands that may wait for a handler at once.
    public static let maximumWaiting = 16
    /// How often the handler of one idempotent command is begun: one that ends the program must not do so for ever.
    static let maximumAttempts: UInt64 = 4

    public private(set) var refusals = RefusalCounts()

    /// The document in force; nil: nobody may command.
    public private(set) var policy: TrustPolicy?

    /// The most controllers without a place in the present document that are kept in mind.
    private static let maximumRevoked = 16

    public let root: TrustRoot
    /// Controllers of earlier documents of this run: one that is named again must not begin anew.
    private var revoked: [Controller] = []
    private var declarations: [CommandDeclaration] = []
    private var structure = Envelope.makeStructure()
    public let ledger: Ledger
    /// The window that the newest verified command was marked in, as it was before.
    private var unmarked: (controller: Controller, window: ReplayWindow, rate: TokenBucket)?
    private var budget: TokenBucket
    /// For commands bound to an old challenge, which anybody can record and send again: they must not use up the
    /// budget of those that can still take effect.
    private var staleBudget: TokenBucket
    /// For answers to births: whoever floods the command topic must not keep the device from being resumed.
    private var resumeBudget: TokenBucket
    private var trustBudget: TokenBucket

    /// `policy`: the document in force, if there is one. `ledger`: what the runs before accepted. `now`: boot time in
    /// milliseconds.
    public init(root: TrustRoot, policy: TrustPolicy?, ledger: Ledger = Ledger(), now: UInt64) {
        self.ledger = ledger
        self.root = root
        self.policy = policy
        budget = TokenBucket(rate: 20, burst: 40, now: now)
        staleBudget = TokenBucket(rate: 1, burst: 5, now: now)
        resumeBudget = TokenBucket(rate: 1, burst: 10, now: now)
        trustBudget = TokenBucket(rate: 1, burst: 8, now: now)
    }

    /// The place of the declaration; nil if the name is taken.
    public func declare(_ declaration: CommandDeclaration) -> Int? {
        if declarations.contains(where: { $0.name == declaration.name }) { return nil }
        declarations.append(declaration)
        return declarations.count - 1
    }

    /// Judges one message.
    public func judge(_ message: Span<UInt8>, isRetained: Bool, _ moment: GateMoment) -> Verdict {
        do throws(Refusal) {
            return try judgeOrRefuse(message, isRetained: isRetained, moment)
        } catch {
            return drop(error)
        }
    }

    /// Counts a message that the session drops before the gate sees it.
    public func drop(_ refusal: Refusal) -> Verdict {
        refusals.count(refusal)
        return .dropped(refusal)
    }

    /// The handler of an accepted command ended; the entry must be made durable before its receipt is told. nil if
    /// that was said before. Results that a receipt cannot carry are left out.
    public func finish(_ key: CommandKey, _ outcome: Outcome, results: [CommandValue] = []) -> Ledger.Entry? {
        ledger.finish(key, outcome, results: results)
    }

    /// The newest acceptance could not be made durable: the command was not accepted. `mayComeAgain`: its sequence
    /// number is as if it was never seen. Its rule's rate is not charged in any case.
    public func withdraw(_ key: CommandKey, mayComeAgain: Bool) {
        ledger.withdraw(key)
        if let unmarked {
            unmarked.controller.refund()
            if mayComeAgain {
                unmarked.controller.window = unmarked.window
                unmarked.controller.rate = unmarked.rate
            }
        }
        unmarked = nil
    }

    /// Version of the trust document in force; 0: nobody may command.
    public var trustVersion: UInt64 { policy?.version ?? 0 }

    /// A command that an earlier run accepted and did not end, if its handler may be run again: it was declared
    /// idempotent, and was not begun too often. nil: its outcome will never be known.
    public func unfinished(_ entry: Ledger.Entry) -> AcceptedCommand? {
        let payload = entry.command
        guard entry.stage == .open, entry.attempts < Self.maximumAttempts,
            let command = try? Command(decoding: payload.span),
            let index = declarations.firstIndex(where: { $0.name == command.name && $0.isIdempotent }),
            let arguments = declarations[index].accept(command.arguments)
        else { return nil }
        return AcceptedCommand(
            key: entry.key, index: index, arguments: arguments, priority: command.priority, deadline: nil)
    }

    /// The same, counted as begun once more; the entry must be made durable before it is. nil also if the document in
    /// force does not allow it to its controller any longer.
    public func runAgain(_ entry: Ledger.Entry, isSuspended: Bool) -> AcceptedCommand? {
        guard let command = unfinished(entry), allows(command, isSuspended: isSuspended) else { return nil }
        entry.attempts += 1
        return command
    }

    /// Whether the document in force allows an accepted command to its controller, rates aside.
    @inline(never)
    public func allows(_ command: AcceptedCommand, isSuspended: Bool) -> Bool {
        policy?.controllers.first { $0.keyID == command.key.controller }?
            .allows(name(of: command.index), command.arguments, isSuspended: isSuspended) ?? false
    }

    /// The name of the declaration at `index`.
    public func name(of index: Int) -> [UInt8] { declarations.indices.contains(index) ? declarations[index].name : [] }

    private func judgeOrRefuse(
        _ message: Span<UInt8>, isRetained: Bool, _ moment: GateMoment
    ) throws(Refusal) -> Verdict {
        if isRetained { throw .retained }
        let opened = try open(message, as: .command)
        let (envelope, controller) = (opened.envelope, opened.controller)
        guard let sequence = envelope.claims.sequence, let id = envelope.claims.id, let nonce = envelope.claims.nonce
        else { throw .incomplete }
        if !controller.window.allows(sequence) { throw .replayed }

        let isCurrent = moment.accepts(nonce)
        guard isCurrent ? budget.take(now: moment.now) : staleBudget.take(now: moment.now) else { throw .overBudget }
        let digest = try verify(opened, message)

        let key = CommandKey(controller: controller.keyID, id: id)
        var refusal = Receipt(command: id, controller: controller.keyID, outcome: .stale, digest: digest)
        if !isCurrent {
            // Not marked in the window: it can never take effect, and its sequence number may be of an earlier run.
            refusal.challenge = moment.challenge
            return .refused(refusal)
        }
        unmarked = (controller, controller.window, controller.rate)
        if !controller.window.accept(sequence) { throw .replayed }
        if let seen = ledger.entry(key) {
            guard let receipt = seen.receipt, seen.stage != .ended else { return .running }
            return .repeated(receipt)
        }
        switch admit(envelope, controller, message, moment) {
        case .failure(let outcome):
            refusal.outcome = outcome
            return .refused(refusal)
        case .success(let admitted):
            var command: [UInt8] = []
            // One that is for now only is not run again after a restart.
            if declarations[admitted.index].isIdempotent, case nil = admitted.deadline,
                case nil = envelope.claims.expires
            {
                command = [UInt8](copying: message.extracting(envelope.payload))
            }
            guard let entry = ledger.accept(key, digest: digest, command: command) else {
                refusal.outcome = .busy
                return .refused(refusal)
            }
            return .accepted(
                AcceptedCommand(
                    key: key, index: admitted.index, arguments: admitted.arguments, priority: admitted.priority,
                    deadline: admitted.deadline), entry)
        }
    }

    private struct Admitted {
        let index: Int
        let arguments: [CommandValue]
        let priority: UInt8
        let deadline: UInt64?
    }

    /// Policy and arguments.
    private func admit(
        _ envelope: Envelope, _ controller: Controller, _ message: Span<UInt8>, _ moment: GateMoment
    ) -> Result<Admitted, Outcome> {
        guard controller.rate.take(now: moment.now) else { return .failure(.rateLimited) }
        guard moment.isResumed else { return .failure(.notReady) }
        if let time = moment.trustedTime {
            if let expires = envelope.claims.expires, time >= expires { return .failure(.expired) }
            if let notBefore = envelope.claims.notBefore, time < notBefore { return .failure(.notYetValid) }
        }
        guard let command = try? Command(decoding: message.extracting(envelope.payload)) else {
            return .failure(.badCommand)
        }
        guard controller.mayAsk(for: command.name, isSuspended: moment.isSuspended) else {
            return .failure(.notAuthorised)
        }
        let name = command.name
        guard let index = declarations.firstIndex(where: { $0.name.isEqual(to: name.span) }) else {
            return .failure(.unknownCommand)
        }
        guard let arguments = declarations[index].accept(command.arguments) else { return .failure(.badArguments) }
        if !declarations[index].isBuiltIn, moment.waiting >= Self.maximumWaiting { return .failure(.busy) }
        if let refusal = controller.refusal(
            of: command.name, arguments, isSuspended: moment.isSuspended, now: moment.now)
        {
            return .failure(refusal)
        }
        return .success(
            Admitted(
                index: index, arguments: arguments, priority: command.priority,
                deadline: command.deadline.map { moment.now &+ $0 * 1000 }))
    }

    private struct Opened {
        let envelope: Envelope
        let controller: Controller
    }

    /// Everything that can be checked without a signature.
    private func open(_ message: Span<UInt8>, as purpose: Purpose) throws(Refusal) -> Opened {
        if message.count > Envelope.maximumSize { throw .tooLarge }
        guard let envelope = try? Envelope(decoding: message) else { throw .malformed }
        guard let controller = policy?.controllers.first(where: { $0.keyID == envelope.keyID }) else {
            throw .unknownKey
        }
        if !controller.name.isEqual(to: message.extracting(envelope.issuer)) { throw .wrongIssuer }
        guard let audience = envelope.audience, root.deviceName.isEqual(to: message.extracting(audience)) else {
            throw .wrongAudience
        }
        if envelope.claims.purpose != purpose || envelope.contentType != ContentFormat.cbor { throw .wrongPurpose }
        return Opened(envelope: envelope, controller: controller)
    }

    private func verify(_ opened: Opened, _ message: Span<UInt8>) throws(Refusal) -> Digest {
        do throws(EnvelopeError) {
            return try opened.envelope.verify(
                message, as: opened.envelope.claims.purpose, with: opened.controller.key, hashing: root.hashing,
                structure: &structure)
        } catch {
            throw .badSignature
        }
    }

    /// Checks a message on the resume topic: signed by a gateway, for this device, bound to a current challenge.
    /// nil, and counted, if it is not.
    public func judgeResume(_ message: Span<UInt8>, isRetained: Bool, _ moment: GateMoment) -> Resume? {
        do throws(Refusal) {
            if isRetained { throw .retained }
            let opened = try open(message, as: .resume)
            if !opened.controller.isGateway { throw .unknownKey }
            guard let nonce = opened.envelope.claims.nonce else { throw .incomplete }
            guard moment.accepts(nonce) else { throw .replayed }
            guard resumeBudget.take(now: moment.now) else { throw .overBudget }
            _ = try verify(opened, message)
            guard let resume = try? Resume(decoding: message.extracting(opened.envelope.payload)) else {
                throw .malformed
            }
            return resume
        } catch {
            _ = drop(error)
            return nil
        }
    }

    /// Judges a message on the trust topic. Whether the broker had kept it does not matter, nor when it was signed: a
    /// document proves itself.
    public func judgeTrust(_ message: Span<UInt8>, _ moment: GateMoment) -> TrustVerdict {
        do throws(Refusal) {
            let opened = try TrustCandidate(decoding: message, root)
            if let policy, policy.digest == opened.digest { return .known }
            try opened.checkSigners(after: policy, root)
            guard trustBudget.take(now: moment.now) else { throw .overBudget }
            try opened.verify(message, after: policy, root, &structure)
            return .successor(try TrustPolicy(opened, message, root), floor: opened.time(moment))
        } catch {
            _ = drop(error)
            return .dropped(error)
        }
    }

    /// Puts a successor, which is durable now, into force. A key that stays, or comes back, goes on where it was: what
    /// it sent in this run stays seen.
    public func adopt(_ policy: TrustPolicy) {
        let earlier = (self.policy?.controllers ?? []) + revoked
        for controller in policy.controllers {
            if let old = earlier.first(where: { $0.keyID == controller.keyID }) { controller.goOn(from: old) }
        }
        let gone = earlier.filter { old in !policy.controllers.contains { $0.keyID == old.keyID } }
        revoked = [Controller](gone.prefix(Self.maximumRevoked))
        self.policy = policy
    }
}

extension Refusal: Error {}
extension Outcome: Error {}
