// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The one TLS policy of Martlet's clients, for one server name, one set of trust anchors and one own certificate.
///
/// A connection is accepted only if the server proves `serverName` by a chain to one of the anchors: no system store,
/// no environment variable and no option changes that. TLS 1.3, or 1.2 with forward secrecy and authenticated
/// encryption; keys from P-256 or RSA-2048 on; no SHA-1; no compression, renegotiation or early data.
///
/// Serves one connection at a time. Call `prepare` before each, and use the context only on the thread that drives
/// the connection. It belongs to the library that makes the connection, as `handle`, or gives the policy to a context of
/// that library, by `configure`.
public final class TLSContext {
    private let context: Handle
    private let connection: TLSConnection

    /// - Parameters:
    ///   - serverName: a DNS name in ASCII, or an IP address without brackets. It is the name checked and the name
    ///     sent (RFC 6066), whatever address the connection is made to.
    ///   - anchors: the only certificates trusted, at least one.
    ///   - chain: our certificate and its intermediates, leaf first. Empty for a client without a certificate.
    ///   - key: the leaf's key.
    public init(
        serverName: String, anchors: [Certificate], chain: [Certificate] = [], key: PrivateKey? = nil
    ) throws(OpenSSLError) {
        context = try Handle(SSL_CTX_new(TLS_client_method()), SSL_CTX_free)
        let name = try HostName(serverName)
        connection = TLSConnection(serverName: name)
        try TLSPolicy.apply(to: context.pointer)
        try TLSPolicy.trust(anchors, for: name, context.pointer)
        try TLSPolicy.identify(by: chain, key, context.pointer)
        try connection.attach(to: context.pointer)
    }

    /// Whether there can be a context for this name.
    public static func isServerName(_ name: String) -> Bool { (try? HostName(name)) != nil }

    /// The `SSL_CTX *`, for the library that makes the connection. Valid as long as this object.
    public var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(context.pointer) }

    /// Whether `name` is that of the server that this context is for.
    public func isFor(_ name: String) -> Bool { connection.serverName.isSame(as: name.bytes) }

    /// Begins a new connection.
    ///
    /// - Parameters:
    ///   - time: the time at which certificates are judged, in seconds since 1970.
    ///   - boottime: milliseconds since boot, suspend included; it bounds the age of sessions to 24 hours.
    ///   - acceptNotYetValid: for a clock that may be behind. A chain whose only fault is that it has not begun is
    ///     accepted, and the connection is `provisional`.
    public func prepare(time: Int64, boottime: UInt64, acceptNotYetValid: Bool) {
        ERR_clear_error()
        connection.prepare(time: time, boottime: boottime, acceptNotYetValid: acceptNotYetValid)
    }

    /// Why the connection failed, or nil if nothing has.
    public var failure: TLSFailure? { connection.failure }

    /// Whether the last handshake accepted a certificate that has not begun. Such a connection proves the server, but
    /// not that its certificate is still good.
    public var provisional: Bool { connection.isProvisional }

    /// Whether the last handshake resumed a session instead of judging certificates again.
    public var resumed: Bool { connection.isResumed }

    /// Whether the server of the last handshake proved that it has the key of its certificate, so that what came after
    /// that, an end without a word too, was its doing, or that of somebody who can cut any connection.
    public var hasServerProof: Bool { connection.hasServerProof }

    /// Whether the chain accepted in the last full handshake is within its time at `time`. False before any.
    public func peerIsValid(at time: Int64) -> Bool { connection.peerIsValid(at: time) }

    /// Forgets the session and keeps none of the current connection, so that the next handshake judges the server's
    /// certificate anew.
    public func dropSessions() { connection.dropSessions() }

    /// The most bytes that may arrive between two calls of `resetInputCount`, TLS overhead included; 64 KiB unless
    /// set. What exceeds it ends the connection, so that no announced length makes the reader collect more.
    public var inputLimit: Int {
        get { connection.inputLimit }
        set { connection.inputLimit = newValue }
    }

    /// Whether the limit ended the connection.
    public var inputLimitReached: Bool { connection.failure == .inputLimit }

    /// A message has been read whole: counts from zero again.
    public func resetInputCount() { connection.inputCount = 0 }

    /// Forgets why an earlier connection failed, and counts from zero: for a request that may go over the connection of
    /// the one before, or over a new one.
    public func beginRequest() {
        connection.forgetFailure()
        resetInputCount()
    }

    func attach(to other: OpaquePointer) throws(OpenSSLError) { try connection.attach(to: other) }
}
