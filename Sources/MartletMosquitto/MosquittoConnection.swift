// SPDX-License-Identifier: Apache-2.0

import CMosquitto

/// One attempt to connect to a broker, and the connection that follows.
///
/// It is used once: after it closed, make a new one. So nothing of the library's own reconnecting, queueing or
/// resending is ever used; what was not acknowledged is the owner's to send again.
///
/// The owner's thread drives it: poll `descriptor` for reading, and for writing while `wantsWrite`; call `ready`
/// when poll reports anything, `tick` at least four times in a keep-alive interval. Deadlines for TCP, TLS and CONNACK
/// are the owner's: when one passes, call `abort()`. Not safe for concurrent use. Making one sets SIGPIPE to be ignored
/// in the whole process (the library does).
public final class MosquittoConnection {
    public enum Version: Int32, Sendable {
        case v311 = 4
        case v5 = 5
    }

    enum State { case new, opening, connected, leaving, closed }

    /// How many packets may wait to be sent because of what the broker sent us.
    static let maximumUnsentAnswers = 1024

    /// Outlives the connection by the contract of `init`; no input reaches that.
    unowned(unsafe) let events: any MosquittoEvents
    let version: Version
    private let keepAlive: UInt16
    private let sessionExpiry: UInt32
    private let receiveMaximum: UInt16
    private let maximumPacketSize: UInt32
    private let secure: Bool
    let window: Int

    var handle: OpaquePointer?
    var state = State.new
    var limits = MosquittoLimits()
    /// Messages handed over and not done: QoS 1 until PUBACK, QoS 0 until the socket took it.
    public internal(set) var inFlight = 0
    /// What waits for its SUBACK, and the number of its filters, each of which has a code there (MQTT 5 §3.9.3).
    var subscriptions: [(id: Int32, filters: Int)] = []

    /// The library is on the stack: it must not be entered again, and not be freed.
    private var inLibrary = false
    private var writing = false
    /// The socket took no more bytes, or is not connected yet.
    private var blocked = true
    private var pings = 0
    private var unsentAnswers = 0
    /// Whether DISCONNECT is queued.
    private var isLastQueued = false
    private var ended = false
    private var silent = false
    private var reason: MosquittoError?

    /// - Parameters:
    ///   - clientID: 1 to 65,535 bytes of UTF-8.
    ///   - sessionExpiry: seconds that the broker keeps the session after the connection (MQTT 5 only).
    ///   - keepAlive: seconds; 0 (never) or at least 5, the library's least.
    ///   - window: most messages that wait at once; 1 or more.
    ///   - receiveMaximum: QoS 1 messages the broker may send ahead; 1 or more (MQTT 5 only).
    ///   - maximumPacketSize: bytes of the longest packet we take, announced to the broker, which an honest one
    ///     obeys; 1 or more (MQTT 5 only).
    ///   - tls: an `SSL_CTX *` that verifies chain and name; the connection keeps a reference. `nil`: plain TCP.
    ///   - events: not retained; must outlive the connection.
    public init(
        clientID: [UInt8], version: Version = .v5, cleanStart: Bool, sessionExpiry: UInt32, keepAlive: UInt16,
        window: UInt16, receiveMaximum: UInt16, maximumPacketSize: UInt32, will: MosquittoWill? = nil,
        tls: UnsafeMutableRawPointer?, events: any MosquittoEvents
    ) throws(MosquittoError) {
        self.events = events
        self.version = version
        self.keepAlive = keepAlive
        self.sessionExpiry = sessionExpiry
        self.receiveMaximum = receiveMaximum
        self.maximumPacketSize = maximumPacketSize
        self.window = Int(window)
        secure = tls != nil
        guard keepAlive == 0 || keepAlive >= 5, window > 0, receiveMaximum > 0, maximumPacketSize > 0,
            isText(clientID.span)
        else { throw .invalidArgument }
        guard libraryStarted else { throw .outOfMemory }
        var created: OpaquePointer?
        let isValid = withCString(clientID.span) { id in
            // Of one that it refuses, mosquitto_new closes descriptor 0, whatever that is.
            let code = mosquitto_validate_utf8(id, Int32(clientID.count))
            if code == MOSQ_ERR_SUCCESS.rawValue { created = mosquitto_new(id, cleanStart, nil) }
            return code
        }
        guard isValid == MOSQ_ERR_SUCCESS.rawValue else { throw .invalidArgument }
        handle = created
        guard let handle else { throw .outOfMemory }
        installCallbacks(on: handle, for: self)
        mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, version.rawValue)
        mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1)
        mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, Int32(window))
        // Packets are only queued, never written, by the call that makes them: so PUBACK leaves after the
        // callback, and callbacks may publish.
        mosquitto_threaded_set(handle, true)
        if let tls {
            mosquitto_int_option(handle, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0)
            mosquitto_void_option(handle, MOSQ_OPT_SSL_CTX, tls)
        }
        if let will { try setWill(will, on: handle) }
    }

    deinit {
        if let handle { mosquitto_destroy(handle) }
    }

    private func setWill(_ will: MosquittoWill, on handle: OpaquePointer) throws(MosquittoError) {
        guard isText(will.topic.span) else { throw .invalidTopic }
        guard will.payload.count <= 65_535 else { throw .invalidArgument }
        let code = withCString(will.topic.span) { topic in
            will.payload.withUnsafeBytes { payload in
                mosquitto_will_set_v5(
                    handle, topic, Int32(payload.count), payload.baseAddress, 1, will.retained, nil)
            }
        }
        if code != MOSQ_ERR_SUCCESS.rawValue {
            throw code == MOSQ_ERR_NOMEM.rawValue ? .outOfMemory : .invalidTopic
        }
    }

    // MARK: Opening and closing

    /// Begins to connect, without blocking. `address` is a numeric IPv4 or IPv6 address.
    ///
    /// When it throws, the connection is closed and no event follows: what a quick peer answers at once, a refused
    /// port or a failure of TLS, is thrown like any other reason to close.
    public func open(address: Span<UInt8>, port: UInt16) throws(MosquittoError) {
        guard state == .new, let handle else { throw .wrongState }
        // Port 0 would mean a path of a Unix socket to the library.
        guard port > 0, isText(address), withCString(address, { CMosquitto_is_numeric($0) }) == 1 else {
            throw .invalidArgument
        }
        if version == .v5 { try storeConnectProperties(in: handle) }
        state = .opening
        let code = withCString(address) {
            mosquitto_connect_bind_async(handle, $0, Int32(port), Int32(keepAlive), nil)
        }
        let errno = CMosquitto_errno()
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            abort()
            throw meaning(of: code, errno: errno)
        }
        // A port of this machine refuses at once, and the library, which began TLS, has swallowed it.
        let stream = CMosquitto_probe(mosquitto_socket(handle))
        guard stream > 0 else {
            abort()
            throw .network(errno: stream == 0 ? errno : -stream)
        }
        CMosquitto_close_on_exec(mosquitto_socket(handle))
    }

    /// The library has no asynchronous connect with properties. Its blocking one stores them before it looks at
    /// the other arguments, all of which are wrong here, and so returns before it connects.
    private func storeConnectProperties(in handle: OpaquePointer) throws(MosquittoError) {
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        var code = mosquitto_property_add_int32(
            &properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), sessionExpiry)
        code |= mosquitto_property_add_int16(
            &properties, Int32(MQTT_PROP_RECEIVE_MAXIMUM.rawValue), receiveMaximum)
        code |= mosquitto_property_add_int32(
            &properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), maximumPacketSize)
        guard code == MOSQ_ERR_SUCCESS.rawValue,
            mosquitto_connect_bind_v5(handle, nil, -1, 1, nil, properties) == MOSQ_ERR_INVAL.rawValue
        else { throw .outOfMemory }
    }

    /// Sends what is queued, then DISCONNECT, as `ready` is called; `closed(nil)` follows. What is in flight is
    /// not waited for, and what arrives is not acknowledged. Before CONNACK it is the same as `abort()`.
    public func disconnect() {
        if state == .connected { state = .leaving } else if state != .leaving { abort() }
    }

    /// Closes the descriptor at once, without DISCONNECT and without an event.
    public func abort() {
        silent = true
        if inLibrary { end(.connectionLost) } else { finish() }
    }

    // MARK: Driving

    /// The socket to poll; -1 before `open` and after the end.
    public var descriptor: Int32 { handle.map { mosquitto_socket($0) } ?? -1 }

    /// Whether to poll for writing as well.
    public var wantsWrite: Bool {
        guard let handle else { return false }
        // While TLS begins, the library's answer stays true once the socket was not connected, and would spin.
        if state == .opening { return blocked }
        return state == .leaving || mosquitto_want_write(handle)
    }

    /// Reads and writes what the socket allows. An error or hang-up that poll reports counts as readable.
    public func ready(readable: Bool, writable: Bool) {
        guard let handle, !inLibrary, state != .new else { return }
        if state == .opening {
            // The library takes a socket error during the TLS handshake for progress, and would spin.
            let stream = CMosquitto_probe(mosquitto_socket(handle))
            if stream <= 0 { end(stream == 0 ? endBeforeAcceptance : .network(errno: -stream)) }
        }
        if state == .leaving {
            // The library would acknowledge what it reads. What is left unread makes the system reset the connection.
            if readable, CMosquitto_discard(mosquitto_socket(handle)) <= 0 {
                end(.connectionLost)
                return finish()
            }
            // Until CONNACK, reading also advances the TLS handshake, whichever way it waits.
        } else if readable || state == .opening, !run({ mosquitto_loop_read($0, 1) }) {
            return
        }
        if state == .leaving, !isLastQueued {
            // In one go with what is queued. From here on any packet that the library read would close the socket.
            isLastQueued = true
            mosquitto_disconnect_v5(handle, 0, nil)
        }
        if writable || !blocked || state == .opening, !flush() { return }
        if state == .opening {
            blocked = CMosquitto_writable(mosquitto_socket(handle)) == 0
        } else {
            blocked = mosquitto_want_write(handle)
            if !blocked { unsentAnswers = 0 }
        }
    }

    /// Keeps the connection alive, and finds out when the broker does not. At least four times in an interval.
    public func tick() {
        guard let handle, !inLibrary, state != .new else { return }
        let queued = mosquitto_want_write(handle)
        guard run({ mosquitto_loop_misc($0) }), state == .connected, !queued, mosquitto_want_write(handle) else {
            return
        }
        // The library queued a PINGREQ, which it does only after the answer to the one before.
        pings += 1
        if pings > 1 { events.alive() }
    }

    private func flush() -> Bool {
        writing = true
        defer { writing = false }
        return run { mosquitto_loop_write($0, 1) }
    }

    /// Enters the library; false when the connection is over.
    private func run(_ step: (OpaquePointer) -> Int32) -> Bool {
        guard let handle else { return false }
        if !ended {
            inLibrary = true
            let code = step(handle)
            let errno = CMosquitto_errno()
            inLibrary = false
            if code == MOSQ_ERR_SUCCESS.rawValue, mosquitto_socket(handle) >= 0, !ended { return true }
            end(meaning(of: code, errno: errno))
        }
        finish()
        return false
    }

    // MARK: Ending

    /// Nothing is written from here on, no queued PUBACK either: the library is left, and entered again only to be
    /// freed. The first cause is the one that is told.
    func end(_ cause: MosquittoError?) {
        if !ended { reason = cause }
        ended = true
    }

    private func finish() {
        guard let handle else { return }
        self.handle = nil
        state = .closed
        inFlight = 0
        mosquitto_destroy(handle)
        if !silent { events.closed(reason) }
    }

    /// A broker that refuses our certificate may just be gone before CONNACK.
    private var endBeforeAcceptance: MosquittoError { secure ? .tls : .connectionLost }

    /// What a result of the library means. In TLS its errno says nothing.
    private func meaning(of code: Int32, errno: Int32) -> MosquittoError {
        switch mosq_err_t(code) {
        case MOSQ_ERR_NOMEM: .outOfMemory
        case MOSQ_ERR_TLS: .tls
        case MOSQ_ERR_KEEPALIVE: .keepAlive
        case MOSQ_ERR_NO_CONN, MOSQ_ERR_CONN_LOST: state == .opening ? endBeforeAcceptance : .connectionLost
        case MOSQ_ERR_ERRNO where secure: state == .opening ? .tls : .connectionLost
        case MOSQ_ERR_ERRNO: .network(errno: errno)
        default: .protocolError
        }
    }

    // MARK: What the library tells

    func didConnect(code: UInt8, sessionPresent: Bool, limits: MosquittoLimits) {
        guard state == .opening, !ended else { return end(.protocolError) }
        guard code == 0 else { return end(.refused(reasonCode: code)) }
        guard limits.receiveMaximum > 0, limits.maximumPacketSize > 0 else { return end(.protocolError) }
        self.limits = limits
        state = .connected
        events.connected(sessionPresent: sessionPresent, limits: limits)
    }

    func didDisconnect(code: Int32, errno: Int32) {
        // The library's own results are below 0x80; the broker's DISCONNECT is 0 or a failure from 0x80.
        switch code {
        case 0: end(state == .leaving ? nil : .disconnected(reasonCode: 0))
        case 0x80...: end(.disconnected(reasonCode: UInt8(truncatingIfNeeded: code)))
        default: end(meaning(of: code, errno: errno))
        }
    }

    func didReceive(topic: Span<UInt8>, payload: Span<UInt8>, retained: Bool) {
        // Bytes that came before the end was decided may still be read; nothing of them is acknowledged.
        guard !ended else { return }
        unsentAnswers += 1
        guard unsentAnswers <= Self.maximumUnsentAnswers else { return end(.protocolError) }
        if !events.received(topic: topic, payload: payload, retained: retained) { end(.messageRefused) }
    }

    func didPublish(id: Int32, code: UInt8) {
        guard !ended else { return }
        inFlight -= 1
        // Told while writing: a message of QoS 0 that the socket took.
        if !writing { events.acknowledged(id: id, reasonCode: code) }
    }

    /// `codes`: how many; `worst`: the highest of them.
    func didSubscribe(id: Int32, codes: Int, worst: UInt8) {
        guard !ended else { return }
        guard let index = subscriptions.firstIndex(where: { $0.id == id }), subscriptions[index].filters == codes else {
            return end(.protocolError)
        }
        subscriptions.remove(at: index)
        events.subscribed(id: id, reasonCode: worst)
    }
}

/// The library's start is not safe for concurrent use; a global is initialised once.
private let libraryStarted = mosquitto_lib_init() == MOSQ_ERR_SUCCESS.rawValue
