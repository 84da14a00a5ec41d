// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletEnvelope
import MartletMessages
import MartletMosquitto
import MartletOpenSSL
import MartletPosix
import MartletSession

/// A short connection of the tool to a device's broker. For the broker it is the device, whose certificate and client id
/// it has: it takes the place of the device's own connection, if there is one, and of its session. A device that runs
/// comes back and begins a new one.
///
/// Used by one thread. Ends with the object.
final class BrokerConnection: BackEndConnection {
    /// Milliseconds from the first address until CONNACK, and from a message until PUBACK.
    static let patience: UInt64 = 30_000

    /// Protocol version, client id, user or authorisation: CONNACK of MQTT 3.1.1, and of 5.0.
    private static let judgements: [UInt8] = [1, 2, 4, 5, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C]

    let topics: Topics
    let issuer: [UInt8]
    private let tls: TLSContext
    private let waiter: Waiter
    private var connection: MosquittoConnection?
    private var isAccepted = false
    /// The last PUBACK.
    private var answer: (id: Int32, code: UInt8)?
    private var failure: Failure?

    /// Connects; it is accepted on return.
    ///
    /// - Parameters:
    ///   - configuration: says where the broker is.
    ///   - anchors: the only authorities that the broker's certificate may come from.
    ///   - chain: the certificate to show, leaf first.
    ///   - key: its key.
    init(
        _ configuration: Configuration, anchors: [Certificate], chain: [Certificate], key: PrivateKey
    ) throws(Failure) {
        let (prefix, id) = (configuration.prefix, configuration.id)
        guard let topics = Topics(prefix: prefix.span, device: id.span) else {
            throw Failure(.usage, "the topic prefix or the device id is not valid")
        }
        self.topics = topics
        issuer = chain.first?.uris.first ?? []
        do throws(OpenSSLError) {
            tls = try TLSContext(serverName: configuration.host, anchors: anchors, chain: chain, key: key)
        } catch {
            throw Failure(
                .usage, "TLS cannot be set up with this key, these certificates, and the broker's name ",
                Array(configuration.host.utf8))
        }
        do throws(PosixError) { waiter = try Waiter() } catch { throw Failure(.system, "eventfd: ", error.text) }
        try connect(configuration)
    }

    deinit { connection?.abort() }

    func publish(_ leaf: Leaf, _ payload: [UInt8], retained: Bool) throws(Failure) {
        answer = nil
        let id: Int32
        do throws(MosquittoError) {
            let topic = topics.topic(leaf)
            guard let connection else { throw MosquittoError.wrongState }
            id = try connection.publish(topic: topic.span, payload: payload.span, retained: retained)
        } catch { throw failure ?? Failure(.negative, "the broker takes no messages of this kind or size") }
        try drive(until: SystemClock.bootMilliseconds() + Self.patience) { self.answer?.id == id }
        try BackEnd.judge(answer?.code ?? 0xFF, of: "the broker", retained: retained)
    }

    /// Says goodbye. What was sent has been taken.
    func close() {
        connection?.disconnect()
        let end = SystemClock.bootMilliseconds() + 1000
        try? drive(until: end) { self.connection == nil }
    }

    // MARK: Connecting

    private func connect(_ configuration: Configuration) throws(Failure) {
        let addresses: [[UInt8]]
        do throws(PosixError) { addresses = try Resolver.addresses(of: configuration.host) } catch {
            throw Failure(.system, "the broker's name was not resolved: ", error.text)
        }
        var first: Failure?
        for address in addresses {
            // One that swallows packets leaves time for the others.
            let end = SystemClock.bootMilliseconds() + Self.patience / UInt64(addresses.count)
            do throws(Failure) { return try connect(configuration, address, until: end) } catch {
                // One that answered tells more than one where nobody does.
                if first?.status != .negative { first = error }
            }
        }
        throw first ?? Failure(.system, "the broker's name has no address: ", Array(configuration.host.utf8))
    }

    private func connect(_ configuration: Configuration, _ address: [UInt8], until end: UInt64) throws(Failure) {
        let clock = DeviceClock(buildTime: MartletVersion.buildTime)
        let now = TimeSample.now()
        // As the device itself before its first resume: a board may have no clock.
        tls.prepare(time: clock.verificationTime(now), boottime: now.boot, acceptNotYetValid: true)
        let connection: MosquittoConnection
        do throws(MosquittoError) {
            connection = try MosquittoConnection(
                clientID: configuration.id, version: configuration.usesVersion311 ? .v311 : .v5,
                cleanStart: true, sessionExpiry: 0, keepAlive: 60, window: 1, receiveMaximum: 1,
                maximumPacketSize: 32 * 1024, tls: tls.handle, events: self)
            try connection.open(address: address.span, port: configuration.port)
        } catch { throw reason(error) }
        self.connection = connection
        try drive(until: end) { self.isAccepted }
    }

    private func drive(until end: UInt64, _ isDone: () -> Bool) throws(Failure) {
        while !isDone() {
            guard let connection else { throw failure ?? Failure(.system, "the broker ended the connection") }
            let now = SystemClock.bootMilliseconds()
            if now >= end {
                connection.abort()
                self.connection = nil
                throw Failure(.system, "the broker did not answer in time")
            }
            let ready = waiter.wait(
                socket: connection.descriptor, writing: connection.wantsWrite, milliseconds: min(end - now, 5000))
            connection.ready(readable: ready.readable, writable: ready.writable)
            connection.tick()
        }
    }

    private func reason(_ error: MosquittoError?) -> Failure {
        let text = FailureText.describe(error, tls: tls.failure, wasConnected: isAccepted).text
        var failure = Failure(isJudgement(error) ? .negative : .system, "the broker: ", text)
        failure.wasAccepted = isAccepted
        return failure
    }

    /// Whether the broker, verified, refused this credential.
    private func isJudgement(_ error: MosquittoError?) -> Bool {
        switch error {
        case .refused(let code): return Self.judgements.contains(code)
        case .tls, .connectionLost: break
        case .network(let errno): if !PosixError.system("connect", code: errno).isReset { return false }
        default: return false
        }
        if isAccepted || !tls.hasServerProof { return false }
        switch tls.failure {
        case .certificateRefused: return true
        // TLS 1.3 refuses a certificate after the handshake, by an alert that may be lost.
        case nil: return true
        default: return false
        }
    }
}

extension BrokerConnection: MosquittoEvents {
    func connected(sessionPresent: Bool, limits: MosquittoLimits) {
        tls.resetInputCount()
        isAccepted = true
        failure = nil
    }

    /// It subscribes to nothing.
    func received(topic: Span<UInt8>, payload: Span<UInt8>, retained: Bool) -> Bool { false }

    func acknowledged(id: Int32, reasonCode: UInt8) {
        tls.resetInputCount()
        answer = (id, reasonCode)
    }

    func subscribed(id: Int32, reasonCode: UInt8) {}

    func alive() { tls.resetInputCount() }

    func closed(_ error: MosquittoError?) {
        connection = nil
        failure = reason(error)
    }
}
