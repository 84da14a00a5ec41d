// SPDX-License-Identifier: Apache-2.0

import Logging
import MartletController

/// The gateway's side of the link: verifies what devices send, answers their births, and shows all of it. Everything
/// happens on the link's thread.
final class Receiver: ControllerLinkDelegate {
    /// Milliseconds between two times that what is known of the devices is stored.
    private static let storeInterval: UInt64 = 10_000

    private let verifier: DeviceVerifier
    private let signer: ResumeSigner
    private let memory: DeviceMemoryFiles
    private let audit: AuditFiles
    private let words: AuditWords
    private let trust: TrustDelivery
    private let registry: Registry
    private let capture: Capture?
    private let display: any Display
    private let registrar: RegistrarEvents?
    private let exchanges: ExchangeBridge?
    /// Set before the link starts. False if too much waits to be sent.
    var publish: (_ topic: String, _ payload: [UInt8]) -> Bool = { _, _ in false }

    /// Devices that must be stored.
    private var changed: Set<[UInt8]> = []
    private var nextStore: UInt64 = 0
    /// The newest births that could not be answered yet: who sent them, and the challenge.
    private var unanswered: [[UInt8]: (issuer: [UInt8], challenge: Bytes16)] = [:]
    /// By which way devices came last.
    private var ways: [[UInt8]: Way] = [:]
    /// What was wrong with the trust documents when it was last looked at them.
    private var trustProblem: String?

    init(
        _ directory: GatewayDirectory, capture: Capture?, display: any Display, registrar: RegistrarEvents? = nil,
        exchanges: ExchangeBridge? = nil
    ) throws {
        verifier = try DeviceVerifier(anchors: directory.certificates(GatewayDirectory.File.authority))
        signer = try ResumeSigner(
            issuer: Party.gateway.issuer, key: directory.key(Party.gateway.signingKey))
        memory = try DeviceMemoryFiles(directory)
        audit = AuditFiles(directory)
        words = try AuditWords(directory)
        trust = try TrustDelivery(TrustFiles(directory))
        registry = try Registry(directory)
        self.capture = capture
        self.display = display
        self.registrar = registrar
        self.exchanges = exchanges
    }

    // MARK: ControllerLinkDelegate

    func linkChanged(_ state: LinkState) {
        switch state {
        case .connecting: display.note(.debug, "connecting to the broker")
        case .ready: display.note(.info, "connected to the broker")
        case .disconnected(let trouble, let retry):
            display.note(
                .warning, "no connection to the broker: \(trouble.text); next try in \((retry + 999) / 1000) s")
        case .stopped:
            showServer()
            store()
            display.end()
        }
    }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool {
        // An empty message clears what the broker retained: the device has been retired.
        guard let (device, leaf) = Topics.parse(topic, prefix: Array(BrokerFiles.prefix.utf8).span), payload.count > 0
        else { return true }
        let id = [UInt8](copying: topic.extracting(device))
        // One that the broker kept says nothing of the way by which the device comes.
        if leaf == .signed(.birth), !isRetained { noteWay(of: id, with: [UInt8](copying: payload)) }
        switch leaf {
        case .presence:
            if let presence = try? Presence(decoding: payload) { display.show(.presence(device: id, presence)) }
            return true
        case .signed(let purpose): return received(payload, from: id, as: purpose)
        }
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) {
        if reasonCode >= 0x80 {
            display.note(.error, "the broker refused a resume or trust document with code \(reasonCode)")
        }
    }

    func linkTicked() {
        showServer()
        let now = SystemClock.bootMilliseconds()
        for (device, change) in verifier.advance(now: now) { display.show(.verdict(device: device, change)) }
        withTrust { () throws(Failure) in
            if try trust.lookForNewer() { display.note(.info, "trust document \(trust.version) goes to the devices") }
            for (device, documents) in try trust.takeDue(now: now) { send(documents, to: device) }
        }
        for (device, birth) in unanswered where !resume(device, birth.issuer, birth.challenge) { break }
        if now >= nextStore {
            nextStore = now + Self.storeInterval
            store()
        }
        display.tick()
    }

    // MARK: Devices

    private func noteWay(of device: [UInt8], with birth: [UInt8]) {
        guard let exchanges else { return }
        let way = exchanges.seen(birth: birth, from: device) ? Way.https : .mqtt
        guard ways[device] != nil || ways.count < ExchangeQueues.maximumDevices else { return }
        if ways.updateValue(way, forKey: device) != way { display.show(.way(device: device, way)) }
    }

    /// Returns whether the broker may forget the message: nothing of it is to be stored any longer.
    private func received(_ payload: Span<UInt8>, from device: [UInt8], as purpose: Purpose) -> Bool {
        do throws(Failure) {
            try capture?.take(payload, from: device, as: purpose)
            if let problem = try memory.recall(device, into: verifier) { display.note(.warning, problem) }
            try take(payload, from: device, as: purpose)
        } catch {
            let name = printable(device)
            display.note(.error, "\(error) (a \(purpose.leaf) of \(name), and what follows, waits at the broker)")
            return false
        }
        if display.isBroken { return false }
        capture?.finish()
        return true
    }

    private func take(_ payload: Span<UInt8>, from device: [UInt8], as purpose: Purpose) throws(Failure) {
        let message: DeviceMessage
        do throws(VerificationError) {
            message = try verifier.verify(
                payload, from: device.span, as: purpose, at: SystemClock.unixMilliseconds() / 1000,
                now: SystemClock.bootMilliseconds())
        } catch {
            display.show(.refused(device: device, purpose, error))
            return
        }
        // Before the new key is known for good: twice is better than never.
        if message.keyChange == .unannounced {
            display.note(
                .warning,
                "\(printable(device)) has another key, which the one before did not announce: was it onboarded "
                    + "anew? If not, suspend it")
        }
        do throws(Failure) { try keep(message, payload) } catch {
            verifier.revert()
            throw error
        }
        show(message)
        if case .birth(let birth, _) = message.content { answer(birth, message) }
    }

    /// What belongs to the audit log, and the keys, are on disk before the broker may forget the message.
    private func keep(_ message: DeviceMessage, _ envelope: Span<UInt8>) throws(Failure) {
        if let problem = try audit.keep(message, envelope) { display.note(.warning, problem) }
        switch message.content {
        case .decommission:
            try retire(message.device)
            changed.insert(message.device)
        case .event(let event) where event.kind == .nextKey:
            if let remembered = verifier.memory(of: message.device) { try memory.store(message.device, remembered) }
        case .birth(_, .first), .birth(_, .newer), .checkpoint:
            if let remembered = verifier.memory(of: message.device) { try memory.store(message.device, remembered) }
        default: changed.insert(message.device)
        }
    }

    /// Retires the device that has the newest certificate of this id, or its predecessor: a board that was replaced says
    /// nothing of its successor.
    private func retire(_ device: [UInt8]) throws(Failure) {
        let id = String(decoding: device, as: UTF8.self)
        guard let entry = try registry.entry(id) else { return }
        let own = verifier.memory(of: device)?.keys.last?.chain.first ?? []
        let fingerprint = try Token.digest(own)
        guard own == entry.certificate || fingerprint == entry.predecessor else {
            return display.note(
                .warning, "\(id): another board than the one that was certified last says that it has retired")
        }
        try registry.change(id) { entry throws(Failure) in entry.state = .retired }
    }

    private func send(_ documents: [[UInt8]], to device: [UInt8]) {
        for message in documents where !publish(topic("trust", of: device), message) {
            trust.postpone(device)
            break
        }
    }

    /// A birth of an older state is answered too: a device that was rolled back must hear of it.
    private func answer(_ birth: Birth, _ message: DeviceMessage) {
        withTrust { () throws(Failure) in
            let documents = try trust.take(
                for: message.device, with: birth.trustVersion, now: SystemClock.bootMilliseconds())
            send(documents, to: message.device)
        }
        _ = resume(message.device, message.issuer, birth.challenge)
    }

    /// False if there is no room for it: it is due until there is.
    private func resume(_ device: [UInt8], _ issuer: [UInt8], _ challenge: Bytes16) -> Bool {
        unanswered[device] = nil
        let resume = Resume(
            time: UInt64(clamping: SystemClock.unixMilliseconds() / 1000), journal: verifier.journal(of: device),
            leastTrustVersion: trust.version, heads: verifier.heads(of: device))
        do throws(SigningError) {
            let signed = try signer.sign(resume, for: issuer, challenge: challenge)
            if publish(topic("resume", of: device), signed) { return true }
            unanswered[device] = (issuer, challenge)
            return false
        } catch {
            display.note(.error, "a resume could not be signed: \(error)")
            return true
        }
    }

    private func topic(_ leaf: String, of device: [UInt8]) -> String {
        "\(BrokerFiles.prefix)/\(String(decoding: device, as: UTF8.self))/\(leaf)"
    }

    /// What is wrong with the trust documents is told once.
    private func withTrust(_ body: () throws(Failure) -> Void) {
        do throws(Failure) {
            try body()
            trustProblem = nil
        } catch {
            if trustProblem != error.description { display.note(.error, error.description) }
            trustProblem = error.description
        }
    }

    private func show(_ message: DeviceMessage) {
        switch message.content {
        case .birth(let birth, let standing):
            display.show(.birth(message, birth, standing))
            if let verdict = message.journal, verdict.problem != nil { display.show(.audit(message, [], verdict)) }
        case .telemetry(let readings, let verdict): display.show(.telemetry(message, readings, verdict))
        case .gap(let gap): display.show(.gap(message, gap))
        case .event(let event): display.show(.event(message, event))
        case .receipt(let receipt): display.show(.receipt(message, receipt))
        case .decommission: display.show(.decommission(message))
        case .checkpoint(let entries, _, let verdict):
            if entries.isEmpty && verdict.problem == nil { break }
            display.show(.audit(message, entries.map(words.line), verdict))
        }
        for change in message.changes { display.show(.verdict(device: message.device, change)) }
        if let boot = message.datedBoot, let start = verifier.wallClock(of: message.device, boot: boot) {
            display.show(.dated(device: message.device, boot: boot, start: start))
        }
    }

    private func showServer() {
        for event in registrar?.take() ?? [] { display.show(.registrar(event)) }
        for note in exchanges?.takeNotes() ?? [] { display.note(.warning, note) }
    }

    private func store() {
        var failed: Set<[UInt8]> = []
        for device in changed {
            guard let remembered = verifier.memory(of: device) else { continue }
            do throws(Failure) { try memory.store(device, remembered) } catch {
                display.note(.error, "\(error)")
                failed.insert(device)
            }
        }
        changed = failed
    }
}
