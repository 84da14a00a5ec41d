// SPDX-License-Identifier: Apache-2.0

import MartletController

/// One command on its way: waits until the device is there, signs for its challenge, signs again where that changed,
/// and ends with the receipt. Everything happens on the link's thread; the result is there once the link has stopped.
final class Operation: ControllerLinkDelegate {
    enum End {
        case answered(Receipt)
        /// Signed, and not sent.
        case held
        case unanswered(String)
        case failed(String)
    }

    /// How often it is signed again, so that a device that always says `stale` does not keep us busy.
    private static let maximumSignatures = 8
    /// Milliseconds to wait when the device's back end has not answered its birth yet.
    private static let pause: UInt64 = 500

    private let device: String
    private let command: Command
    private let id: Bytes16
    private let expires: UInt64?
    private let signer: CommandSigner
    private let verifier: DeviceVerifier
    private let deadline: UInt64
    private let isHeld: Bool
    /// Returns nil if it could not be queued.
    var publish: (_ topic: String, _ payload: [UInt8]) -> UInt64? = { _, _ in nil }
    var finish: () -> Void = {}

    private(set) var end: End?
    /// The last one.
    private(set) var sent: SignedCommand?
    private var digests: [Digest] = []
    private var presence: Presence?
    private var birth: Birth?
    /// The challenge that was signed for.
    private var challenge: Bytes16?
    /// Boot time in milliseconds at which to sign again.
    private var again: UInt64?
    private var obstacle = "there is no connection to the broker"

    init(
        device: String, command: Command, id: Bytes16, expires: UInt64?, signer: CommandSigner,
        verifier: DeviceVerifier, seconds: Double, isHeld: Bool = false
    ) {
        self.device = device
        self.command = command
        self.id = id
        self.expires = expires
        self.signer = signer
        self.verifier = verifier
        self.isHeld = isHeld
        deadline = SystemClock.bootMilliseconds() + UInt64(seconds * 1000)
    }

    /// Presence before birth: what is retained comes in this order.
    var subscriptions: [String] {
        ["receipt", "presence", "birth"].map { "\(BrokerFiles.prefix)/\(device)/\($0)" }
    }

    // MARK: ControllerLinkDelegate

    func linkChanged(_ state: LinkState) {
        switch state {
        case .ready:
            obstacle = "the broker has no birth of this device: is its id right, and was it ever connected?"
            // A receipt may have been missed: the same id is answered with it again.
            challenge = nil
        case .disconnected(let trouble, _): obstacle = trouble.text
        case .connecting, .stopped: break
        }
    }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool {
        guard end == nil, payload.count > 0,
            let (_, leaf) = Topics.parse(topic, prefix: Array(BrokerFiles.prefix.utf8).span)
        else { return true }
        switch leaf {
        case .presence: presence = try? Presence(decoding: payload)
        case .signed(let purpose): received(payload, as: purpose)
        }
        send()
        return true
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) {
        if reasonCode == 0x10 {
            obstacle = "the device is not connected"
        } else if reasonCode >= 0x80 {
            conclude(.failed("the broker refused the command with code \(reasonCode)"))
        }
    }

    func linkTicked() {
        let now = SystemClock.bootMilliseconds()
        if let again, now >= again {
            self.again = nil
            challenge = nil
            send()
        }
        if now >= deadline { conclude(.unanswered(obstacle)) }
    }

    // MARK: Steps

    private func received(_ payload: Span<UInt8>, as purpose: Purpose) {
        let message: DeviceMessage
        do throws(VerificationError) {
            message = try verifier.verify(
                payload, from: Array(device.utf8).span, as: purpose, at: SystemClock.unixMilliseconds() / 1000,
                now: SystemClock.bootMilliseconds())
        } catch {
            obstacle = "its \(purpose.leaf) was refused: \(error.words)"
            return
        }
        switch message.content {
        case .birth(let birth, let standing): if standing != .older { self.birth = birth }
        case .receipt(let receipt): received(receipt)
        default: break
        }
    }

    private func received(_ receipt: Receipt) {
        // The digest says that it answers what was signed here, so it is fresh.
        guard receipt.command == id, receipt.controller == signer.keyID, digests.contains(receipt.digest) else {
            return
        }
        switch receipt.outcome {
        case .stale:
            obstacle = "the device's challenge keeps changing"
            guard let challenge = receipt.challenge else { return }
            verifier.renewChallenge(of: Array(device.utf8), challenge)
            birth?.challenge = challenge
        case .notReady:
            obstacle = "the device waits for its gateway: is 'martlet-gateway run' running?"
            again = SystemClock.bootMilliseconds() + Self.pause
        default: conclude(.answered(receipt))
        }
    }

    /// Signs and publishes if the device is there and its challenge is another one than before.
    private func send() {
        guard end == nil, again == nil, let birth, birth.challenge != challenge else { return }
        // Advisory: it only tells whether waiting for the next birth is better than sending now.
        if let presence, !presence.isOnline, presence.run == birth.run, presence.connection == birth.connection {
            obstacle = "the device is offline"
            return
        }
        guard digests.count < Self.maximumSignatures else { return }
        let name = verifier.name(of: Array(device.utf8)) ?? []
        let time = UInt64(clamping: SystemClock.unixMilliseconds() / 1000)
        do throws(SigningError) {
            let signed = try signer.sign(
                command, for: name, challenge: birth.challenge, id: id, time: time, expires: expires.map { time + $0 })
            sent = signed
            digests.append(signed.digest)
            challenge = birth.challenge
            if isHeld { return conclude(.held) }
            if digests.count == 1 { obstacle = "the command was sent, and no receipt came" }
            if publish("\(BrokerFiles.prefix)/\(device)/command", signed.message) == nil {
                conclude(.failed("the command could not be queued"))
            }
        } catch {
            if case .noSequence = error {
                conclude(.failed("\(GatewayDirectory.File.sequence) could not be written: is the disk full?"))
            } else {
                conclude(.failed("the command could not be signed: \(error)"))
            }
        }
    }

    private func conclude(_ end: End) {
        if self.end == nil { self.end = end }
        finish()
    }
}
