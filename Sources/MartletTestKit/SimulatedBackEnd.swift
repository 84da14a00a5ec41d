// SPDX-License-Identifier: Apache-2.0

internal import MartletAudit
internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages

/// The other side: answers births, signs commands and trust documents, and keeps what it is told.
final class SimulatedBackEnd {
    /// A trust document: who may command what.
    struct Document {
        let message: [UInt8]
        let controllers: [KeyID]
        let commands: [[UInt8]]

        func allows(_ order: SimulatedOrder) -> Bool {
            controllers.contains(order.key.controller) && commands.contains(order.command.name)
        }
    }

    /// What the device must echo, as far as the back end knows.
    private(set) var challenge: Bytes16?
    /// Of the newest birth.
    private var newest: Bytes16?
    /// The highest run that it told.
    private(set) var run: UInt64 = 0
    /// All that was ever in a birth.
    private var known: [Bytes16] = []
    private(set) var journal: ChainHead?
    private(set) var heads = LaneHeads()
    /// Every version from 1 on.
    private(set) var documents: [Document]
    /// Whether anything said that the device's state was lost, copied or rolled back.
    private(set) var sawLoss = false
    private(set) var signings: [SimulatedSigning] = []

    private let device: TestDevice
    private let books: SimulatedBooks

    init(_ device: TestDevice, _ books: SimulatedBooks, commands: [[UInt8]]) {
        self.device = device
        self.books = books
        documents = [
            Document(message: device.document, controllers: [device.operator.key.keyID], commands: commands)
        ]
    }

    func document(_ version: UInt64) -> Document? {
        version > 0 && version <= UInt64(documents.count) ? documents[Int(version) - 1] : nil
    }

    /// Signs the next version. The gateway keeps its role. While suspended a device takes `activate`, or all.
    func publish(
        _ controllers: [TestController], commands: [[UInt8]], whileSuspended: Bool = false
    ) throws(TestKitError) -> DownMessage {
        let version = UInt64(documents.count) + 1
        var document = device.trust.document(
            version: version, [device.gateway] + controllers, commands: commands)
        for index in document.policy[0].rules.indices {
            document.policy[0].rules[index].whileSuspended =
                whileSuspended || document.policy[0].rules[index].command == text("activate")
        }
        let message = try device.trust.message(document)
        documents.append(
            Document(message: message, controllers: controllers.map { $0.key.keyID }, commands: commands))
        return DownMessage(purpose: .trust, bytes: message, signing: nil)
    }

    /// Signs an order, for the challenge that it knows of.
    func sign(
        _ order: SimulatedOrder, _ challenge: Bytes16, expires: UInt64? = nil
    ) throws(TestKitError) -> DownMessage {
        var claims = order.controller.commandClaims(challenge)
        claims.id = order.key.id
        claims.expires = expires
        let message = try order.controller.command(order.command, claims)
        guard let digest = order.controller.lastDigest else { throw .message }
        let signing = SimulatedSigning(order, message, digest, challenge, life: books.life)
        signings.append(signing)
        return DownMessage(purpose: .command, bytes: message, signing: signing)
    }

    // MARK: What the device sent

    /// Takes a message. Gives what there is to answer.
    func take(_ message: RecordingLink.Message, time: UInt64) throws(TestKitError) -> [DownMessage] {
        guard let leaf = device.topics.leaf(of: message.topic.span), case .signed(let purpose) = leaf,
            let envelope = try? Envelope(decoding: message.payload.span)
        else { return [] }
        let payload = message.payload.span.extracting(envelope.payload)
        switch purpose {
        case .birth:
            guard let birth = try? Birth(decoding: payload) else { break }
            return try answer(birth, time)
        case .receipt:
            guard let receipt = try? Receipt(decoding: payload) else { break }
            books.totals.count(.receipt)
            take(receipt)
        case .checkpoint:
            guard let checkpoint = try? Checkpoint(decoding: payload) else { break }
            books.totals.count(.checkpoint)
            take(checkpoint)
        case .event:
            guard let event = try? Event(decoding: payload) else { break }
            if event.kind == .quota { books.totals.count(.quotaEvent) }
            if event.kind == .rolledBack || event.kind == .stateLost { sawLoss = true }
        case .telemetry, .gap:
            if let (lane, head) = enter(message), head.sequence > heads[lane]?.sequence ?? 0 { heads[lane] = head }
        default: break
        }
        return []
    }

    /// Enters telemetry or a gap record into the books. Gives what an envelope is called.
    func enter(_ message: RecordingLink.Message) -> (Lane, ChainHead)? {
        guard let signed = device.open(message), let lane = signed.envelope.claims.lane else { return nil }
        if signed.leaf == .signed(.gap), let gap = try? Gap(decoding: signed.payload.span) { books.told(lane, gap) }
        guard signed.leaf == .signed(.telemetry), let sequence = signed.envelope.claims.sequence else { return nil }
        books.totals.count(.envelope)
        let head = ChainHead(sequence: sequence, digest: signed.digest)
        if !books.arrived(lane, head, previous: signed.envelope.claims.previous) { sawLoss = true }
        return (lane, head)
    }

    private func answer(_ birth: Birth, _ time: UInt64) throws(TestKitError) -> [DownMessage] {
        if let head = birth.journal { see(head) }
        // An old one may come late, or once more. One that was rolled back raises its run, with the same challenge.
        let isKnown = known.contains(birth.challenge)
        if isKnown, birth.run <= run, birth.challenge != newest { return [] }
        if !isKnown { known.append(birth.challenge) }
        // An older one is answered, but not believed.
        if birth.run >= run {
            run = birth.run
            newest = birth.challenge
            challenge = birth.challenge
        }
        let resume = Resume(
            time: time, journal: journal, leastTrustVersion: UInt64(documents.count), heads: heads)
        var messages = [
            DownMessage(purpose: .resume, bytes: try device.gateway.resume(resume, birth.challenge), signing: nil)
        ]
        // Those that the device lacks, in order. When they are in force there is another birth.
        if birth.trustVersion < UInt64(documents.count) {
            for document in documents.dropFirst(Int(birth.trustVersion)) {
                messages.append(DownMessage(purpose: .trust, bytes: document.message, signing: nil))
            }
        }
        return messages
    }

    private func take(_ receipt: Receipt) {
        guard let order = books.order(CommandKey(controller: receipt.controller, id: receipt.command)) else { return }
        if receipt.outcome.isFinal { order.isReported = true }
        if receipt.outcome == .stale, let current = receipt.challenge,
            signings.last?.digest == receipt.digest
        {
            challenge = current
        }
    }

    private func take(_ checkpoint: Checkpoint) {
        see(checkpoint.head)
        for lane in Lane.allCases {
            if let head = checkpoint.heads[lane], head.sequence > heads[lane]?.sequence ?? 0 { heads[lane] = head }
        }
        for bytes in checkpoint.entries {
            guard let entry = try? AuditEntry(decoding: bytes.span) else {
                books.fail("a checkpoint holds what is no entry")
                return
            }
            if entry.kind == .rolledBack || entry.kind == .damaged { sawLoss = true }
            let digest = device.trust.root.hashing.sha256(bytes.span)
            if !books.take(ChainHead(sequence: entry.index, digest: digest), previous: entry.previous) {
                sawLoss = true
            }
            if entry.kind == .ended { takeEnd(entry.values) }
        }
    }

    private func takeEnd(_ values: [AuditValue]) {
        guard values.count == 4, case .number(let controller) = values[0], case .bytes(let id) = values[1],
            case .number(let code) = values[3], let id = Bytes16(copying: id.span),
            let order = books.order(CommandKey(controller: KeyID(controller), id: id)),
            let outcome = Outcome(rawValue: UInt8(clamping: code))
        else { return }
        books.told(order, outcome)
        order.isReported = true
    }

    private func see(_ head: ChainHead) {
        if !books.take(head, previous: nil) { sawLoss = true }
        if head.sequence > journal?.sequence ?? 0 { journal = head }
    }
}

extension Outcome {
    /// Whether it says what became of a command that was accepted.
    var isFinal: Bool {
        switch self {
        case .done, .failed, .interrupted, .deadlineMissed, .outOfPolicy: true
        default: false
        }
    }
}
