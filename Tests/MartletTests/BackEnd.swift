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
        /// The newest of each purpose, as it came.
        var envelopes: [Purpose: [UInt8]] = [:]
        var refused: [VerificationError] = []
        var presences: [Presence] = []
        var isConnected = false
        /// PUBACKs of what was published here.
        var reasonCodes: [UInt8] = []
        var answersBirths = true
        /// What `resume` says, in seconds; nil: the time of this machine.
        var time: UInt64?
    }

    let state: Guarded<State>
    let resumeSigner: ResumeSigner
    let signer: CommandSigner
    private var link: ControllerLink?
    /// What is sent, for another way than the broker.
    private let send: (@Sendable (Leaf, [UInt8]) -> Void)?
    let device: String
    /// Its own, so that the broker's log tells it from another one.
    let clientID = "back-end-\(UUID().uuidString)"

    private final class Sequences: SequenceStore {
        /// Above those of any back end that had the key before.
        var last = UInt64(Date().timeIntervalSince1970 * 1000)
        func next() -> UInt64? {
            last += 1
            return last
        }
    }

    init(_ folder: DeviceFolder, send: (@Sendable (Leaf, [UInt8]) -> Void)?) throws {
        self.send = send
        let (authority, gatewayKey, operatorKey) = (folder.authority, folder.gatewayKey, folder.operatorKey)
        device = DeviceFolder.id
        resumeSigner = try ResumeSigner(issuer: Array("urn:martlet:gateway".utf8), key: gatewayKey)
        signer = try CommandSigner(
            issuer: Array("urn:martlet:operator".utf8), key: operatorKey, sequences: Sequences())
        let verifier = try DeviceVerifier(anchors: [authority.authority.certificate])
        state = Guarded(State(verifier: verifier))
    }

    convenience init(_ folder: DeviceFolder, port: UInt16, send: (@Sendable (Leaf, [UInt8]) -> Void)? = nil) throws {
        try self.init(folder, send: send)
        let authority = folder.authority
        let identity = try authority.client("back-end")
        let link = try ControllerLink(
            LinkConfiguration(
                host: "localhost", port: port, clientID: Array(clientID.utf8),
                anchors: [authority.authority.certificate], chain: [identity.certificate], key: identity.key,
                subscriptions: ["birth", "telemetry", "gap", "event", "receipt", "checkpoint", "presence"].map {
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
        let topic = "martlet/v1/\(device)/\(leaf)"
        if let send, let (_, leaf) = Topics.parse(Array(topic.utf8).span, prefix: Array("martlet/v1".utf8).span) {
            send(leaf, message)
        }
        publish(topic: topic, message, isRetained: isRetained)
    }

    func publish(topic: String, _ message: [UInt8], isRetained: Bool = false) {
        _ = link?.publish(topic: Array(topic.utf8), payload: message, isRetained: isRetained)
    }

    struct TimedOut: Error, CustomStringConvertible {
        let description: String
    }

    /// Waits until `body` finds something, and throws after a while.
    func waitFor<Result>(_ what: String, seconds: Int64 = 30, _ body: (inout State) -> Result?) throws -> Result {
        if let result = state.wait(milliseconds: seconds * 1000, for: body) { return result }
        let (messages, refused) = state.with { ($0.messages.count, $0.refused) }
        throw TimedOut(description: "no \(what) (\(messages) messages, refused: \(refused))")
    }

    /// Answers the newest birth, as happens by itself while `answersBirths`.
    func answerBirth() throws {
        let (urn, challenge) = try audience()
        let (time, heads) = state.with { ($0.time, $0.verifier.heads(of: Array(device.utf8))) }
        let answer = Resume(time: time ?? UInt64(Date().timeIntervalSince1970), heads: heads)
        publish("resume", try resumeSigner.sign(answer, for: urn, challenge: challenge))
    }

    /// The device's URN and its newest challenge.
    func audience() throws -> ([UInt8], Bytes16) {
        try waitFor("birth") { state in
            let id = Array(device.utf8)
            guard let urn = state.verifier.name(of: id), let challenge = state.verifier.challenge(of: id) else {
                return nil
            }
            return (urn, challenge)
        }
    }

    /// Signs a command for the device's newest challenge.
    func sign(
        _ name: String, _ arguments: [CommandValue] = [], deadline: UInt64? = nil, expires: UInt64? = nil
    ) throws -> SignedCommand {
        let (urn, challenge) = try audience()
        return try signer.sign(
            Command(name: Array(name.utf8), arguments: arguments, deadline: deadline), for: urn, challenge: challenge,
            id: CommandSigner.newID(), time: UInt64(Date().timeIntervalSince1970), expires: expires)
    }

    /// The same, and sends it.
    func command(
        _ name: String, _ arguments: [CommandValue] = [], deadline: UInt64? = nil, expires: UInt64? = nil,
        isRetained: Bool = false
    ) throws -> SignedCommand {
        let command = try sign(name, arguments, deadline: deadline, expires: expires)
        publish("command", command.message, isRetained: isRetained)
        return command
    }

    func receipt(for command: SignedCommand, seconds: Int64 = 30) throws -> Receipt {
        try receipt(seconds: seconds) { $0.command == command.id }
    }

    func receipt(seconds: Int64 = 30, where isWanted: (Receipt) -> Bool) throws -> Receipt {
        try waitFor("receipt", seconds: seconds) { receipts($0).first(where: isWanted) }
    }

    /// All receipts so far, in the order of their arrival.
    func receipts(_ state: State) -> [Receipt] {
        state.messages.compactMap { if case .receipt(let receipt) = $0.content { receipt } else { nil } }
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

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool {
        let prefix = Array("martlet/v1".utf8)
        guard let (range, leaf) = Topics.parse(topic, prefix: prefix.span) else { return true }
        let name = topic.extracting(range)
        let bytes = [UInt8](copying: payload)
        let id = [UInt8](copying: name)
        let now = SystemClock.bootMilliseconds()
        let answers = state.with { state in
            switch leaf {
            case .presence:
                if let presence = try? Presence(decoding: bytes.span) { state.presences.append(presence) }
            case .signed(let purpose):
                do throws(VerificationError) {
                    let message = try state.verifier.verify(
                        bytes.span, from: id.span, as: purpose, at: Int64(Date().timeIntervalSince1970), now: now)
                    state.messages.append(message)
                    state.envelopes[purpose] = bytes
                    if case .birth = message.content { return state.answersBirths }
                } catch {
                    state.refused.append(error)
                }
            }
            return false
        }
        if answers { try? answerBirth() }
        state.notify()
        return true
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) {
        state.with { $0.reasonCodes.append(reasonCode) }
        state.notify()
    }

    func linkTicked() {}
}
