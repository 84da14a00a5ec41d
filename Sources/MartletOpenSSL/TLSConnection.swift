// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What OpenSSL's callbacks learn about the one connection of a context, and the session kept for the next.
///
/// The `SSL_CTX` holds a reference to it, so that it outlives every connection that still calls back.
final class TLSConnection {
    /// How long one full verification of the server may be built on.
    static let maximumSessionAge: UInt64 = 24 * 60 * 60 * 1000

    /// A session, and what was known about the server when its certificate was last judged.
    struct Session {
        var handle: Handle
        var verifiedAt: UInt64
        var notBefore: Int64
        var notAfter: Int64
    }

    let serverName: HostName
    private var rules = ChainRules(time: 0, purpose: .server)
    private var boottime: UInt64 = 0
    private var verifiedAt: UInt64?
    private(set) var failure: TLSFailure?
    private(set) var isResumed = false
    private(set) var isEstablished = false
    /// Whether the server proved that it has the key of its certificate. Without that anybody on the way may have sent an
    /// alert, or ended the connection. A refusal of our certificate comes after it, in TLS 1.2 before the handshake ends.
    private(set) var hasServerProof = false
    private(set) var session: Session?
    private var keepsSessions = true
    var inputLimit = 64 * 1024
    var inputCount = 0

    var isProvisional: Bool { rules.isProvisional }

    init(serverName: HostName) { self.serverName = serverName }

    func prepare(time: Int64, boottime: UInt64, acceptNotYetValid: Bool) {
        rules.begin()
        rules.time = time
        rules.acceptNotYetValid = acceptNotYetValid
        self.boottime = boottime
        verifiedAt = nil
        failure = nil
        isResumed = false
        isEstablished = false
        hasServerProof = false
        keepsSessions = true
        inputCount = 0
    }

    /// Also for tickets that this connection may still bring.
    func dropSessions() {
        session = nil
        keepsSessions = false
    }

    func forgetFailure() { failure = nil }

    func peerIsValid(at time: Int64) -> Bool {
        verifiedAt != nil && rules.notBefore <= time && time <= rules.notAfter
    }

    /// The first failure is the cause; what follows is its consequence.
    func fail(_ reason: TLSFailure) {
        if failure == nil { failure = reason }
    }

    // MARK: What the callbacks report

    /// The library that makes the connection has its own idea of the name, and may connect by address: the name set
    /// here is the one that counts.
    func handshakeStarts(_ ssl: OpaquePointer) {
        // A server of TLS 1.2 asks for another one, which OpenSSL declines. A session set now would spoil this one.
        if isEstablished { return }
        switch serverName {
        case .dns(let name):
            (name + [0]).withUnsafeBytes { name in
                _ = COpenSSL_set_tlsext_host_name(ssl, name.baseAddress?.assumingMemoryBound(to: CChar.self))
            }
        case .address: _ = COpenSSL_set_tlsext_host_name(ssl, nil)
        }
        countInput(of: ssl)
        if let kept = session {
            // A chain that would be refused now is judged anew.
            if boottime >= kept.verifiedAt, boottime - kept.verifiedAt < TLSConnection.maximumSessionAge,
                kept.notBefore <= rules.time, rules.time <= kept.notAfter
            {
                resume(kept, ssl)
            } else {
                session = nil
            }
        }
    }

    /// What the server signed was verified before we said that we are finished.
    func handshakeStops(_ ssl: OpaquePointer) {
        if SSL_get_state(ssl) == TLS_ST_CW_FINISHED { hasServerProof = true }
    }

    func handshakeDone(_ ssl: OpaquePointer) {
        isEstablished = true
        hasServerProof = true
        isResumed = SSL_session_reused(ssl) == 1
        if isResumed, let kept = session {
            rules.resume(notBefore: kept.notBefore, notAfter: kept.notAfter)
            verifiedAt = kept.verifiedAt
        } else if !isResumed {
            verifiedAt = boottime
        }
    }

    /// OpenSSL spoils the session of a connection that ends without a farewell, as when the network is lost, although
    /// TLS 1.2 no longer asks for that (RFC 5246 §7.2.1). So it works with copies, here and in `offered`.
    private func resume(_ kept: Session, _ ssl: OpaquePointer) {
        guard let copy = try? Handle(SSL_SESSION_dup(kept.handle.pointer), SSL_SESSION_free) else { return }
        if SSL_set_session(ssl, copy.pointer) != 1 { ERR_clear_error() }
    }

    /// Keeps a session that the server offers.
    func offered(_ offer: OpaquePointer, _ ssl: OpaquePointer) {
        // TLS 1.2 tells of the session before it tells that the handshake is done.
        handshakeDone(ssl)
        guard keepsSessions, !isProvisional, let verifiedAt,
            let copy = try? Handle(SSL_SESSION_dup(offer), SSL_SESSION_free)
        else { return }
        session = Session(
            handle: copy, verifiedAt: verifiedAt, notBefore: rules.notBefore, notAfter: rules.notAfter)
    }

    /// The handshake function returned success. Only now OpenSSL tells whether TLS 1.2 agreed on the extended master
    /// secret, without which a session can be spliced into another connection (RFC 7627).
    func handshakeReturned(_ ssl: OpaquePointer) {
        if SSL_version(ssl) < TLS1_3_VERSION, COpenSSL_get_extms_support(ssl) != 1 { session = nil }
    }

    func accepts(_ ok: Bool, _ store: OpaquePointer) -> Bool {
        if rules.accepts(ok, store) { return true }
        if let reason = rules.failure { fail(.certificate(reason)) }
        return false
    }

    /// Whether `count` more bytes are within the limit.
    func arrived(_ count: Int) -> Bool {
        let (sum, overflow) = inputCount.addingReportingOverflow(count)
        inputCount = overflow ? .max : sum
        if inputCount <= inputLimit { return true }
        fail(.inputLimit)
        return false
    }
}
