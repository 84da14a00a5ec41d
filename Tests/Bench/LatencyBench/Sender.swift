// SPDX-License-Identifier: Apache-2.0

import CBench
import MartletController
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletPosix

/// Root, gateway and operator in one: makes itself known to the device, answers its births, and sends it commands.
final class Sender: ControllerLinkDelegate, @unchecked Sendable {  // what threads share is in `birth`
    private static let name = bytes("urn:martlet:operator")
    /// Microseconds between two commands: a device takes 10 a second of each controller.
    private static let interval = 105_000

    private let topics: Topics
    private let root: TrustSigner
    private let gateway: ResumeSigner
    private let signer: CommandSigner
    private let trust: TrustDocument
    /// What the device said last of itself, and its name.
    private let birth = Guarded<(challenge: Bytes16, device: [UInt8])?>(nil)
    private var link: ControllerLink?

    init(_ directory: String, port: UInt16) {
        let id = bytes("pump-7")
        guard let topics = Topics(prefix: bytes("martlet/v1").span, device: id.span) else { fail() }
        self.topics = topics
        let identity: LinkConfiguration
        do throws(OpenSSLError) {
            let anchors = file(directory + "/ca.pem")
            let chain = file(directory + "/watcher.pem")
            let (authorities, certificates) = (
                try Certificate.all(inPEM: anchors.span), try Certificate.all(inPEM: chain.span)
            )
            identity = LinkConfiguration(
                host: "localhost", port: port, clientID: bytes("watcher"), anchors: authorities, chain: certificates,
                key: key(directory + "/watcher.key"), subscriptions: [bytes("martlet/v1/pump-7/#")])
        } catch {
            fail()
        }
        do throws(SigningError) {
            let rootKey = key(directory + "/gateway.key")
            let key = key(directory + "/operator.key")
            root = try TrustSigner(issuer: bytes("urn:martlet:root"), keys: [rootKey])
            gateway = try ResumeSigner(issuer: Self.name, key: key)
            signer = try CommandSigner(issuer: Self.name, key: key, sequences: Sequences())
            trust = TrustDocument(
                version: 1, roots: [try TrustSigner.entry(rootKey.publicKey)], threshold: 1,
                controllers: [
                    TrustDocument.Controller(
                        name: Self.name, key: try TrustSigner.entry(key.publicKey),
                        roles: [bytes(TrustDocument.gatewayRole), bytes("operate")])
                ],
                policy: [
                    TrustDocument.Role(name: bytes("operate"), rules: [TrustDocument.Rule(command: bytes("mark"))])
                ])
        } catch {
            fail()
        }
        do throws(LinkTrouble) { link = try ControllerLink(identity, delegate: self) } catch { fail() }
    }

    /// Sends commands, and tells when each was published.
    func send(_ count: Int) {
        guard let link else { fail() }
        do throws(PosixError) { try link.start() } catch { fail() }
        var times: [Double] = []
        for number in 0..<count {
            guard let birth = birth.wait(milliseconds: 10_000, for: { $0 }) else { fail() }
            let isLoaded = number / LatencyBench.turn % 2 == 1
            let command = Command(name: bytes("mark"), arguments: [.integer(Int64(number)), .boolean(isLoaded)])
            do throws(SigningError) {
                let signed = try signer.sign(
                    command, for: birth.device, challenge: birth.challenge, id: CommandSigner.newID(),
                    time: UInt64(clamping: SystemClock.unixMilliseconds() / 1000))
                times.append(CBench_now())
                _ = link.publish(topic: topics.topic(.signed(.command)), payload: signed.message)
            } catch {
                fail()
            }
            // Not in step with the device.
            CBench_sleep(Int32(Self.interval + number * 7919 % 10_000))
        }
        link.stop()
        link.wait()
        for (number, time) in times.enumerated() { CBench_mark(Int64(number), time) }
    }

    // MARK: ControllerLinkDelegate

    func linkChanged(_ state: LinkState) {
        if case .disconnected = state { fail() }
    }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool {
        guard topics.leaf(of: topic) == .signed(.birth), let envelope = try? Envelope(decoding: payload),
            let content = try? Birth(decoding: payload.extracting(envelope.payload))
        else { return true }
        do throws(SigningError) {
            // A device that knows nobody must be told first; it says so in another birth.
            guard content.trustVersion == trust.version else {
                let message = try root.sign(trust)
                _ = link?.publish(topic: topics.topic(.signed(.trust)), payload: message)
                return true
            }
            let device = [UInt8](copying: payload.extracting(envelope.issuer))
            let resume = Resume(time: UInt64(clamping: SystemClock.unixMilliseconds() / 1000))
            let message = try gateway.sign(resume, for: device, challenge: content.challenge)
            _ = link?.publish(topic: topics.topic(.signed(.resume)), payload: message)
            birth.with { $0 = (content.challenge, device) }
            birth.notify()
            return true
        } catch {
            fail()
        }
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) {
        if reasonCode >= 0x80 { fail() }
    }

    func linkTicked() {}
}

/// One run has all numbers.
private final class Sequences: SequenceStore {
    private var last: UInt64 = 0

    func next() -> UInt64? {
        last += 1
        return last
    }
}

private func bytes(_ text: StaticString) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}

private func fail() -> Never { CBench_fail("LatencyBench: the sender failed") }

private func file(_ path: String) -> [UInt8] {
    do throws(PosixError) { return try PublicFile.read(path, limit: 65_536) } catch { fail() }
}

private func key(_ path: String) -> PrivateKey {
    let pem = file(path)
    do throws(OpenSSLError) { return try PrivateKey(pem: pem.span) } catch { fail() }
}
