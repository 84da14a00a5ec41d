// SPDX-License-Identifier: Apache-2.0

internal import MartletMosquitto
internal import MartletOpenSSL
internal import MartletPosix
package import MartletSession

extension TimeSample {
    /// Both clocks, now.
    package static func now() -> TimeSample {
        TimeSample(system: SystemClock.unixMilliseconds(), boot: SystemClock.bootMilliseconds())
    }
}

/// MQTT over mutual TLS as the engine's link. One object of libmosquitto serves one connection.
final class MosquittoLink: DrivenLink {
    /// Messages that wait for their acknowledgement at once.
    static let sendWindow: UInt16 = 20
    /// Bytes of the longest packet that a broker may send us.
    static let maximumPacketSize: UInt32 = 32 * 1024
    /// Messages that a broker may send ahead.
    static let receiveMaximum: UInt16 = 32
    /// Seconds that the broker keeps what it could not deliver to us.
    static let sessionExpiry: UInt32 = 3600

    let server: [UInt8]
    private(set) var window = 0
    private let configuration: Configuration
    private let tls: TLSContext
    private var connection: MosquittoConnection?
    private(set) var isAccepted = false
    private(set) var hasServed = false
    private let waiter: Waiter
    private var addresses: [[UInt8]] = []
    private var nextAddress = 0
    /// What the engine asked for, while there is no address yet.
    private var plan: ConnectionPlan?
    /// Outlives an attempt: the next one has what it finds.
    private var lookup: Lookup?
    /// What `open` found out at once, or CONNACK said; told from `drive`.
    private var failure: LinkFailure?
    private var lastTick: UInt64 = 0
    /// When the connection was last found ready.
    private var driven = TimeSample.now()

    var engine: Engine?

    /// `waiter`: what the thread that drives it waits with.
    init(_ configuration: Configuration, tls: TLSContext, waiter: Waiter) {
        self.configuration = configuration
        self.tls = tls
        self.waiter = waiter
        let isIPv6 = configuration.host.bytes.contains(UInt8(ascii: ":"))
        var line = LogLine()
        if isIPv6 { line.text("[") }
        line.untrusted(configuration.host)
        line.text(isIPv6 ? "]:" : ":")
        line.number(UInt64(configuration.port))
        server = line.bytes
    }

    // MARK: Driving

    var descriptor: Int32 { connection?.descriptor ?? -1 }
    var isOpen: Bool { plan != nil || descriptor >= 0 }
    var farewell: UInt64 { 1000 }
    var wantsWrite: Bool { connection?.wantsWrite ?? false }

    /// Boot time in milliseconds at which `drive` must be called; nil: when the socket is ready, or the name resolved.
    var due: UInt64? {
        // The lookup may have ended, and woken the thread, between two attempts.
        if failure != nil || plan != nil && lookup?.outcome != nil { return 0 }
        return connection == nil ? nil : lastTick &+ tickInterval
    }

    /// The library looks at its keep-alive when it is called: a quarter of it is soon enough.
    private var tickInterval: UInt64 { UInt64(configuration.keepAlive) * 250 }

    func drive(readable: Bool, writable: Bool, now: UInt64) {
        connectWhenResolved()
        if let failure {
            self.failure = nil
            engine?.closed(failure, .now())
            return
        }
        guard let connection else { return }
        if readable || writable {
            driven = .now()
            connection.ready(readable: readable, writable: writable)
        }
        if now &- lastTick >= tickInterval {
            lastTick = now
            self.connection?.tick()
        }
    }

    // MARK: Link

    func open(_ plan: ConnectionPlan) {
        isAccepted = false
        hasServed = false
        failure = nil
        lastTick = plan.now
        tls.prepare(
            time: plan.verificationTime, boottime: plan.now, acceptNotYetValid: plan.acceptsNotYetValid)
        // Each attempt takes the next address; when all were tried the name is resolved again.
        if nextAddress < addresses.count { return connect(plan) }
        self.plan = plan
        // Why it failed before this attempt is no matter.
        if case .failure? = lookup?.outcome { lookup = nil }
        do throws(PosixError) {
            if lookup == nil { lookup = try Lookup(configuration.host, waiter: waiter) }
        } catch {
            fail(error)
        }
    }

    private func connectWhenResolved() {
        guard let plan, let outcome = lookup?.outcome else { return }
        lookup = nil
        switch outcome {
        case .addresses(let found):
            addresses = found
            nextAddress = 0
            connect(plan)
        case .failure(let error): fail(error)
        }
    }

    private func fail(_ error: PosixError) {
        plan = nil
        var line = LogLine()
        line.text("the name was not resolved: ")
        line.untrusted(error.text)
        failure = LinkFailure(text: line.bytes)
    }

    private func connect(_ plan: ConnectionPlan) {
        self.plan = nil
        guard nextAddress < addresses.count else {
            failure = LinkFailure("the broker's name has no address")
            return
        }
        let address = addresses[nextAddress]
        nextAddress += 1
        do throws(MosquittoError) {
            let connection = try MosquittoConnection(
                clientID: configuration.id, version: configuration.usesVersion311 ? .v311 : .v5, cleanStart: false,
                sessionExpiry: Self.sessionExpiry, keepAlive: configuration.keepAlive, window: Self.sendWindow,
                receiveMaximum: Self.receiveMaximum, maximumPacketSize: Self.maximumPacketSize,
                will: MosquittoWill(topic: plan.willTopic, payload: plan.will, retained: true), tls: tls.handle,
                events: self)
            try connection.open(address: address.span, port: configuration.port)
            self.connection = connection
        } catch {
            failure = FailureText.describe(error, tls: tls.failure, wasConnected: false)
        }
    }

    func abort() {
        connection?.abort()
        connection = nil
        plan = nil
        failure = nil
    }

    func disconnect() { connection?.disconnect() }

    func end() {}

    func isServerValid(at seconds: Int64) -> Bool {
        // A session from a time that was not trusted must not vouch for the server later.
        tls.dropSessions()
        return tls.peerIsValid(at: seconds)
    }

    func subscribe(_ topics: [[UInt8]]) -> Bool {
        guard let connection else { return false }
        return (try? connection.subscribe(filters: topics)) != nil
    }

    func publish(_ topic: [UInt8], _ payload: Span<UInt8>, retained: Bool) -> PublishResult {
        guard let connection else { return .windowFull }
        do throws(MosquittoError) {
            return .taken(id: try connection.publish(topic: topic.span, payload: payload, retained: retained))
        } catch {
            if case .packetTooLarge = error { return .tooLarge }
            return .windowFull
        }
    }
}

extension MosquittoLink: MosquittoEvents {
    func connected(sessionPresent: Bool, limits: MosquittoLimits) {
        tls.resetInputCount()
        if !limits.retainAvailable || limits.maximumQoS == 0 {
            abort()
            // It should have refused the last will (MQTT 5 section 3.2.2.3).
            let code: UInt8 = limits.retainAvailable ? 0x9B : 0x9A
            failure = FailureText.describe(.refused(reasonCode: code), tls: nil, wasConnected: false)
            return
        }
        isAccepted = true
        window = Int(min(Self.sendWindow, limits.receiveMaximum))
        // This address works: the next attempt begins with it.
        nextAddress -= 1
        engine?.connected(isProvisional: tls.provisional, .now())
    }

    func received(topic: Span<UInt8>, payload: Span<UInt8>, retained: Bool) -> Bool {
        tls.resetInputCount()
        return engine?.received(topic: topic, payload: payload, isRetained: retained, .now()) ?? false
    }

    func acknowledged(id: Int32, reasonCode: UInt8) {
        tls.resetInputCount()
        // What is too large or has a wrong format, no broker takes.
        if reasonCode != 0x95, reasonCode != 0x99 { hasServed = reasonCode < 0x80 }
        // Many arrive at once: the clocks are not asked for each.
        engine?.acknowledged(id: id, reasonCode: reasonCode, driven)
    }

    func subscribed(id: Int32, reasonCode: UInt8) {
        tls.resetInputCount()
        engine?.subscribed(reasonCode: reasonCode, .now())
    }

    func alive() { tls.resetInputCount() }

    func closed(_ reason: MosquittoError?) {
        connection = nil
        engine?.closed(
            FailureText.describe(reason, tls: tls.failure, wasConnected: isAccepted), .now())
    }
}
