// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
public import MartletMosquitto
internal import MartletOpenSSL
public import MartletPosix
internal import MartletSession

/// The connection of a back end or an operator to the broker: mutual TLS with the policy of the devices, MQTT 5, one
/// thread of its own, and reconnecting with full jitter for as long as it is not stopped.
public final class ControllerLink: @unchecked Sendable {  // what threads share is in `shared`; the rest is the thread's
    /// Milliseconds from the begin of an attempt until CONNACK.
    public static let connectDeadline: UInt64 = 30_000
    /// Messages that may wait to be sent.
    public static let maximumWaiting = 1024
    /// Bytes of a packet that the broker may send: an envelope, its topic and MQTT's own.
    private static let maximumPacketSize: UInt32 = 32 * 1024

    private struct Outgoing {
        let token: UInt64
        let topic: [UInt8]
        let payload: [UInt8]
        let isRetained: Bool
        /// The packet identifier while it waits for PUBACK.
        var id: Int32?
    }

    private struct Shared {
        var isStopping = false
        var nextToken: UInt64 = 1
        var outgoing: [Outgoing] = []
    }

    private enum Phase {
        case waiting(until: UInt64)
        case opening(deadline: UInt64)
        case connected(since: UInt64)
    }

    private let configuration: LinkConfiguration
    private let delegate: any ControllerLinkDelegate
    private let tls: TLSContext
    private let waiter: Waiter
    private let shared = Guarded(Shared())
    private let entropy = SystemEntropy()

    private var thread: Thread?
    private var connection: MosquittoConnection?
    private var phase = Phase.waiting(until: 0)
    private var backoff = Backoff()
    /// Addresses of the host that this attempt has not tried.
    private var addresses: [[UInt8]] = []
    private var isReady = false
    /// Why the connection was ended by us.
    private var ownTrouble: LinkTrouble?
    /// What was wrong at an earlier address of this attempt, if a server answered there: that tells more than that
    /// nobody answers at the next one.
    private var answered: LinkTrouble?

    /// The delegate is retained as long as the link lives.
    public init(_ configuration: LinkConfiguration, delegate: any ControllerLinkDelegate) throws(LinkTrouble) {
        self.configuration = configuration
        self.delegate = delegate
        do throws(OpenSSLError) {
            tls = try TLSContext(
                serverName: configuration.host, anchors: configuration.anchors, chain: configuration.chain,
                key: configuration.key)
        } catch {
            throw .mosquitto(.invalidArgument)
        }
        do throws(PosixError) { waiter = try Waiter() } catch { throw .unresolved(error) }
    }

    /// Begins to connect. Call it once.
    public func start() throws(PosixError) {
        thread = try Thread { [self] in run() }
    }

    /// Waits until the link has stopped. Not to be called on the link's thread, and by one thread only.
    public func wait() {
        thread?.join()
        thread = nil
    }

    /// Says goodbye and ends the thread, which takes a second at most unless the system's resolver blocks. Does not
    /// wait for that; any thread.
    public func stop() {
        shared.with { $0.isStopping = true }
        waiter.wake()
    }

    /// Queues a message (QoS 1) and returns its token; nil if too many wait. It is sent again after a lost connection
    /// until the broker acknowledges it. Any thread.
    public func publish(topic: [UInt8], payload: [UInt8], isRetained: Bool = false) -> UInt64? {
        let token: UInt64? = shared.with { shared in
            guard shared.outgoing.count < Self.maximumWaiting else { return nil }
            let token = shared.nextToken
            shared.nextToken += 1
            shared.outgoing.append(Outgoing(token: token, topic: topic, payload: payload, isRetained: isRetained))
            return token
        }
        waiter.wake()
        return token
    }

    /// Takes messages back that the broker has not acknowledged, or may have without our knowing: they are not sent again,
    /// and nothing more is told of them. Any thread.
    public func withdraw(_ tokens: Set<UInt64>) {
        shared.with { shared in shared.outgoing.removeAll { tokens.contains($0.token) } }
    }

    // MARK: The thread

    private func run() {
        while !shared.with({ $0.isStopping }) {
            advance(SystemClock.bootMilliseconds())
            let (descriptor, writing) = (connection?.descriptor ?? -1, connection?.wantsWrite ?? false)
            let ready = waiter.wait(socket: descriptor, writing: writing, milliseconds: untilNextStep())
            connection?.ready(readable: ready.readable, writable: ready.writable)
            connection?.tick()
            send()
            delegate.linkTicked()
        }
        leave()
        delegate.linkChanged(.stopped)
    }

    private func untilNextStep() -> UInt64 {
        guard case .waiting(let until) = phase else { return 1000 }
        let now = SystemClock.bootMilliseconds()
        return until > now ? min(until - now, 1000) : 0
    }

    private func advance(_ now: UInt64) {
        switch phase {
        case .waiting(let until):
            if now >= until { begin(now) }
        case .opening(let deadline):
            if now >= deadline { abort(.timeout) }
        case .connected: break
        }
    }

    private func begin(_ now: UInt64) {
        delegate.linkChanged(.connecting)
        answered = nil
        do throws(PosixError) {
            addresses = try Resolver.addresses(of: configuration.host).reversed()
        } catch {
            ended(.unresolved(error))
            return
        }
        open(now)
    }

    /// Tries the next address of the host.
    private func open(_ now: UInt64) {
        let address = addresses.popLast() ?? []
        phase = .opening(deadline: now &+ Self.connectDeadline)
        isReady = false
        ownTrouble = nil
        tls.prepare(time: SystemClock.unixMilliseconds() / 1000, boottime: now, acceptNotYetValid: false)
        tls.resetInputCount()
        do throws(MosquittoError) {
            let connection = try MosquittoConnection(
                clientID: configuration.clientID, cleanStart: configuration.sessionExpiry == 0,
                sessionExpiry: configuration.sessionExpiry, keepAlive: 30, window: 20, receiveMaximum: 20,
                maximumPacketSize: Self.maximumPacketSize, tls: tls.handle, events: self)
            self.connection = connection
            try connection.open(address: address.span, port: configuration.port)
        } catch {
            lost(trouble(error))
        }
    }

    private func abort(_ trouble: LinkTrouble) {
        connection?.abort()
        lost(trouble)
    }

    /// An attempt or a connection is over.
    private func lost(_ trouble: LinkTrouble) {
        connection = nil
        if case .opening = phase, !addresses.isEmpty {
            if case .tls = trouble { answered = trouble }
            open(SystemClock.bootMilliseconds())
        } else {
            ended(answered ?? trouble)
        }
    }

    /// What the failure of the connection means; the TLS context knows more than the library.
    private func trouble(_ error: MosquittoError?) -> LinkTrouble {
        if let ownTrouble { return ownTrouble }
        if let failure = tls.failure { return .tls(failure) }
        return .mosquitto(error ?? .connectionLost)
    }

    private func ended(_ trouble: LinkTrouble) {
        let now = SystemClock.bootMilliseconds()
        if case .connected(let since) = phase { backoff.connectionHeld(for: now &- since) }
        let delay = backoff.next(random: entropy.next() ?? 0)
        phase = .waiting(until: now &+ delay)
        shared.with { shared in
            for index in shared.outgoing.indices { shared.outgoing[index].id = nil }
        }
        delegate.linkChanged(.disconnected(trouble, retry: delay))
    }

    /// Hands the connection what its window takes.
    private func send() {
        guard case .connected = phase, let connection, isReady else { return }
        var refused: [UInt64] = []
        shared.with { shared in
            for index in shared.outgoing.indices where shared.outgoing[index].id == nil {
                let message = shared.outgoing[index]
                do throws(MosquittoError) {
                    shared.outgoing[index].id = try connection.publish(
                        topic: message.topic.span, payload: message.payload.span, retained: message.isRetained)
                } catch {
                    switch error {
                    case .packetTooLarge, .invalidTopic, .unsupported: refused.append(message.token)
                    default: return
                    }
                }
            }
        }
        // Packet too large: it can never be sent.
        for token in refused { finish(token, reasonCode: 0x95) }
    }

    private func finish(_ token: UInt64, reasonCode: UInt8) {
        shared.with { shared in shared.outgoing.removeAll { $0.token == token } }
        delegate.linkPublished(token: token, reasonCode: reasonCode)
    }

    /// Sends what the broker still takes within a second, then DISCONNECT.
    private func leave() {
        let end = SystemClock.bootMilliseconds() &+ 1000
        send()
        connection?.disconnect()
        while let connection {
            let now = SystemClock.bootMilliseconds()
            if now >= end { break }
            let ready = waiter.wait(
                socket: connection.descriptor, writing: connection.wantsWrite, milliseconds: end - now)
            connection.ready(readable: ready.readable, writable: ready.writable)
        }
        connection?.abort()
        connection = nil
    }
}

extension ControllerLink: MosquittoEvents {
    public func connected(sessionPresent: Bool, limits: MosquittoLimits) {
        tls.resetInputCount()
        phase = .connected(since: SystemClock.bootMilliseconds())
        addresses = []
        answered = nil
        if configuration.subscriptions.isEmpty {
            becomeReady()
        } else if (try? connection?.subscribe(filters: configuration.subscriptions)) == nil {
            ownTrouble = .mosquitto(.invalidTopic)
            connection?.disconnect()
        }
    }

    private func becomeReady() {
        isReady = true
        delegate.linkChanged(.ready)
    }

    public func received(topic: Span<UInt8>, payload: Span<UInt8>, retained: Bool) -> Bool {
        tls.resetInputCount()
        return delegate.linkReceived(topic: topic, payload: payload, isRetained: retained)
    }

    public func acknowledged(id: Int32, reasonCode: UInt8) {
        tls.resetInputCount()
        let token = shared.with { shared in shared.outgoing.first { $0.id == id }?.token }
        if let token { finish(token, reasonCode: reasonCode) }
    }

    public func subscribed(id: Int32, reasonCode: UInt8) {
        tls.resetInputCount()
        if reasonCode >= 0x80 {
            ownTrouble = .subscriptionRefused(reasonCode: reasonCode)
            connection?.disconnect()
            return
        }
        becomeReady()
    }

    public func alive() { tls.resetInputCount() }

    public func closed(_ reason: MosquittoError?) {
        if shared.with({ $0.isStopping }) { connection = nil } else { lost(trouble(reason)) }
    }
}
