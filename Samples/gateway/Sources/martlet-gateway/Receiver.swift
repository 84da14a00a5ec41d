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
    private let capture: Capture?
    private let display: any Display
    /// Set before the link starts.
    var publish: (_ topic: String, _ payload: [UInt8]) -> Void = { _, _ in }

    /// Devices that must be stored.
    private var changed: Set<[UInt8]> = []
    private var nextStore: UInt64 = 0

    init(_ directory: GatewayDirectory, capture: Capture?, display: any Display) throws {
        verifier = try DeviceVerifier(anchors: directory.certificates(GatewayDirectory.File.authority))
        signer = try ResumeSigner(
            issuer: Party.gateway.issuer, key: directory.key(Party.gateway.signingKey))
        memory = try DeviceMemoryFiles(directory)
        audit = AuditFiles(directory)
        words = try AuditWords(directory)
        trust = TrustDelivery(try TrustFiles(directory))
        self.capture = capture
        self.display = display
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
            store()
            display.end()
        }
    }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) {
        // An empty message clears what the broker retained: the device has been retired.
        guard let (device, leaf) = Topics.parse(topic, prefix: Array(BrokerFiles.prefix.utf8).span), payload.count > 0
        else { return }
        let id = [UInt8](copying: topic.extracting(device))
        switch leaf {
        case .presence:
            if let presence = try? Presence(decoding: payload) { display.show(.presence(device: id, presence)) }
        case .signed(let purpose): received(payload, from: id, as: purpose)
        }
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) {
        if reasonCode >= 0x80 {
            display.note(.error, "the broker refused a resume or trust document with code \(reasonCode)")
        }
    }

    func linkTicked() {
        let now = SystemClock.bootMilliseconds()
        for (device, change) in verifier.advance(now: now) { display.show(.verdict(device: device, change)) }
        if trust.lookForNewer() { display.note(.info, "trust document \(trust.version) goes to the devices") }
        for (device, documents) in trust.takeDue(now: now) { send(documents, to: device) }
        if now >= nextStore {
            nextStore = now + Self.storeInterval
            store()
        }
        display.tick()
    }

    // MARK: Devices

    private func received(_ payload: Span<UInt8>, from device: [UInt8], as purpose: Purpose) {
        if let problem = capture?.take(payload, from: device, as: purpose) { display.note(.error, problem) }
        memory.recall(device, into: verifier)
        let seconds = SystemClock.unixMilliseconds() / 1000
        let message: DeviceMessage
        do throws(VerificationError) {
            message = try verifier.verify(
                payload, from: device.span, as: purpose, at: seconds, now: SystemClock.bootMilliseconds())
        } catch {
            display.show(.refused(device: device, purpose, error))
            return
        }
        changed.insert(device)
        keep(message, payload)
        show(message)
        if case .birth(let birth, _) = message.content { answer(birth, message, seconds) }
    }

    /// What belongs to the audit log is on disk, and what is known of it, before the broker may forget the message.
    private func keep(_ message: DeviceMessage, _ envelope: Span<UInt8>) {
        do throws(Failure) {
            if let problem = try audit.keep(message, envelope) { display.note(.warning, problem) }
        } catch {
            display.note(.error, "a part of the audit log was not stored: \(error)")
        }
        if case .checkpoint = message.content { store() }
    }

    private func send(_ documents: [[UInt8]], to device: [UInt8]) {
        for message in documents {
            publish("\(BrokerFiles.prefix)/\(String(decoding: device, as: UTF8.self))/trust", message)
        }
    }

    /// A birth of an older state is answered too: a device that was rolled back must hear of it.
    private func answer(_ birth: Birth, _ message: DeviceMessage, _ seconds: Int64) {
        let documents = trust.take(for: message.device, with: birth.trustVersion, now: SystemClock.bootMilliseconds())
        send(documents, to: message.device)
        let resume = Resume(
            time: UInt64(clamping: seconds), journal: verifier.journal(of: message.device),
            leastTrustVersion: trust.version,
            heads: verifier.heads(of: message.device))
        do throws(SigningError) {
            let signed = try signer.sign(resume, for: message.issuer, challenge: birth.challenge)
            publish("\(BrokerFiles.prefix)/\(String(decoding: message.device, as: UTF8.self))/resume", signed)
        } catch {
            display.note(.error, "a resume could not be signed: \(error)")
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
        case .checkpoint(let entries, _, let verdict):
            if entries.isEmpty && verdict.problem == nil { break }
            display.show(.audit(message, entries.map(words.line), verdict))
        }
        for change in message.changes { display.show(.verdict(device: message.device, change)) }
        if let boot = message.datedBoot, let start = verifier.wallClock(of: message.device, boot: boot) {
            display.show(.dated(device: message.device, boot: boot, start: start))
        }
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
