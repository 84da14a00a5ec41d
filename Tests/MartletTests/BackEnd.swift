// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletController
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletPosix
import TestSupport

/// A back end and an operator in one: answers births, verifies everything, signs commands, remembers what came.
final class BackEnd: @unchecked Sendable {  // `state` is guarded; the rest does not change after init
    struct State {
        var verifier: DeviceVerifier
        var messages: [DeviceMessage] = []
        var refused: [VerificationError] = []
        var presences: [Presence] = []
        var isConnected = false
        var answersBirths = true
        /// What `resume` says, in seconds; nil: the time of this machine.
        var time: UInt64?
    }

    let state: Guarded<State>
    let resumeSigner: ResumeSigner
    let signer: CommandSigner
    let gatewayKey: PrivateKey
    let operatorKey: PrivateKey
    private var link: ControllerLink?
    let device: String

    private final class Sequences: SequenceStore {
        var last: UInt64 = 0
        func next() -> UInt64? {
            last += 1
            return last
        }
    }

    init(_ authority: TestAuthority, port: UInt16, device: String) throws {
        self.device = device
        gatewayKey = try PrivateKey.generate(.p256)
        operatorKey = try PrivateKey.generate(.ed25519)
        resumeSigner = try ResumeSigner(issuer: Array("urn:martlet:gateway".utf8), key: gatewayKey)
        signer = try CommandSigner(
            issuer: Array("urn:martlet:operator".utf8), key: operatorKey, sequences: Sequences())
        let verifier = try DeviceVerifier(anchors: [authority.authority.certificate])
        state = Guarded(State(verifier: verifier))
        let identity = try authority.client("back-end")
        let link = try ControllerLink(
            LinkConfiguration(
                host: "localhost", port: port, clientID: Array("back-end".utf8),
                anchors: [authority.authority.certificate], chain: [identity.certificate], key: identity.key,
                subscriptions: ["birth", "telemetry", "gap", "event", "receipt", "presence"].map {
                    Array("martlet/v1/+/\($0)".utf8)
                }), delegate: self)
        self.link = link
        try link.start()
        _ = try waitFor("the back end's connection") { $0.isConnected ? true : nil }
    }

    /// Breaks the cycle with the link.
    func stop() {
        link?.stop()
        link?.wait()
        link = nil
    }

    func publish(_ leaf: String, _ message: [UInt8], isRetained: Bool = false) {
        _ = link?.publish(topic: Array("martlet/v1/\(device)/\(leaf)".utf8), payload: message, isRetained: isRetained)
    }

    struct TimedOut: Error, CustomStringConvertible {
        let description: String
    }

    /// Waits until `body` finds something, and throws after ten seconds.
    func waitFor<Result>(_ what: String, seconds: Int64 = 20, _ body: (inout State) -> Result?) throws -> Result {
        if let result = state.wait(milliseconds: seconds * 1000, for: body) { return result }
        let (messages, refused) = state.with { ($0.messages.count, $0.refused) }
        throw TimedOut(description: "no \(what) (\(messages) messages, refused: \(refused))")
    }

    /// Signs a command for the device's newest challenge and sends it.
    func command(_ name: String, _ arguments: [CommandValue] = [], expires: UInt64? = nil) throws -> SignedCommand {
        let (urn, challenge) = try waitFor("birth") { state -> ([UInt8], Bytes16)? in
            let id = Array(device.utf8)
            guard let urn = state.verifier.name(of: id), let challenge = state.verifier.challenge(of: id) else {
                return nil
            }
            return (urn, challenge)
        }
        let command = try signer.sign(
            Command(name: Array(name.utf8), arguments: arguments), for: urn, challenge: challenge,
            id: CommandSigner.newID(), time: UInt64(Date().timeIntervalSince1970), expires: expires)
        publish("command", command.message)
        return command
    }

    func receipt(for command: SignedCommand) throws -> Receipt {
        try waitFor("receipt") { state in
            for message in state.messages {
                if case .receipt(let receipt) = message.content, receipt.command == command.id { return receipt }
            }
            return nil
        }
    }

    /// Waits for an event of a kind.
    func event(_ kind: EventKind) throws -> Event {
        try waitFor("event \(kind)") { state in
            for message in state.messages {
                if case .event(let event) = message.content, event.kind == kind { return event }
            }
            return nil
        }
    }

    /// All readings so far, by verdict.
    func readings(_ state: State) -> [(reading: Reading, verdict: LaneVerdict)] {
        state.messages.flatMap { message -> [(Reading, LaneVerdict)] in
            if case .telemetry(let readings, let verdict) = message.content { return readings.map { ($0, verdict) } }
            return []
        }
    }
}

extension BackEnd: ControllerLinkDelegate {
    func linkChanged(_ linkState: LinkState) {
        state.with {
            if case .ready = linkState { $0.isConnected = true } else { $0.isConnected = false }
        }
        state.notify()
    }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) {
        let prefix = Array("martlet/v1".utf8)
        guard let (range, leaf) = Topics.parse(topic, prefix: prefix.span) else { return }
        let name = topic.extracting(range)
        let bytes = [UInt8](copying: payload)
        let id = [UInt8](copying: name)
        let now = SystemClock.bootMilliseconds()
        let resume: (Resume, [UInt8], Bytes16)? = state.with { state in
            switch leaf {
            case .presence:
                if let presence = try? Presence(decoding: bytes.span) { state.presences.append(presence) }
                return nil
            case .signed(let purpose):
                do throws(VerificationError) {
                    let message = try state.verifier.verify(
                        bytes.span, from: id.span, as: purpose, at: Int64(Date().timeIntervalSince1970), now: now)
                    state.messages.append(message)
                    guard case .birth(let birth, _) = message.content, state.answersBirths else { return nil }
                    let time = state.time ?? UInt64(Date().timeIntervalSince1970)
                    let answer = Resume(time: time, heads: state.verifier.heads(of: id))
                    return (answer, message.issuer, birth.challenge)
                } catch {
                    state.refused.append(error)
                    return nil
                }
            }
        }
        if let (answer, urn, challenge) = resume,
            let message = try? resumeSigner.sign(answer, for: urn, challenge: challenge)
        {
            publish("resume", message)
        }
        state.notify()
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) {}

    func linkTicked() {}
}
