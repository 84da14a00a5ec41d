// SPDX-License-Identifier: Apache-2.0

import COpenSSL

// OpenSSL calls these on whichever thread drives the connection. They find their `TLSConnection` in the context's
// data; a connection without one is refused.

/// Where a context keeps its `TLSConnection`.
private let connectionIndex: Int32 =
    CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil, releaseConnection)

extension TLSConnection {
    /// Makes `context` hold this object and call it back.
    func attach(to context: OpaquePointer) throws(OpenSSLError) {
        let reference = Unmanaged.passRetained(self)
        guard connectionIndex >= 0, SSL_CTX_set_ex_data(context, connectionIndex, reference.toOpaque()) == 1 else {
            reference.release()
            throw cleared(.failed)
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verifies)
        SSL_CTX_set_info_callback(context, informs)
        SSL_CTX_sess_set_new_cb(context, offersSession)
    }

    /// To be called after `attach`.
    static func requireRegistrar(_ context: OpaquePointer) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verifiesRegistrar)
    }

    fileprivate static func of(_ ssl: OpaquePointer?) -> TLSConnection? {
        guard let ssl, let data = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), connectionIndex) else { return nil }
        return Unmanaged<TLSConnection>.fromOpaque(data).takeUnretainedValue()
    }
}

/// Called with NULL for contexts of other code.
private func releaseConnection(
    _ parent: UnsafeMutableRawPointer?, _ data: UnsafeMutableRawPointer?, _ all: UnsafeMutablePointer<CRYPTO_EX_DATA>?,
    _ index: Int32, _ number: Int, _ argument: UnsafeMutableRawPointer?
) {
    if let data { Unmanaged<TLSConnection>.fromOpaque(data).release() }
}

private func verifies(_ ok: Int32, _ store: OpaquePointer?) -> Int32 {
    guard let store, let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
        let connection = TLSConnection.of(OpaquePointer(ssl))
    else { return 0 }
    return connection.accepts(ok == 1, store) ? 1 : 0
}

private func verifiesRegistrar(_ ok: Int32, _ store: OpaquePointer?) -> Int32 {
    guard verifies(ok, store) == 1, let store else { return 0 }
    // An error that is harmless comes before the leaf itself is accepted.
    if ok != 1 || X509_STORE_CTX_get_error_depth(store) != 0 { return 1 }
    if isRegistrar(X509_STORE_CTX_get_current_cert(store)) { return 1 }
    X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE)
    if let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()) {
        TLSConnection.of(OpaquePointer(ssl))?.fail(.certificate(.wrongPurpose))
    }
    return 0
}

private func isRegistrar(_ certificate: OpaquePointer?) -> Bool {
    guard let usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, nil, nil) else {
        ERR_clear_error()
        return false
    }
    let list = OpaquePointer(usages)
    defer { OPENSSL_sk_pop_free(list) { ASN1_OBJECT_free(OpaquePointer($0)) } }
    for index in 0..<max(OPENSSL_sk_num(list), 0)
    where OBJ_obj2nid(OpaquePointer(OPENSSL_sk_value(list, index))) == NID_cmcRA { return true }
    return false
}

private func informs(_ ssl: OpaquePointer?, _ event: Int32, _ value: Int32) {
    guard let ssl, let connection = TLSConnection.of(ssl) else { return }
    // An alert's value is its level, 2 if fatal, and its number.
    let alert = UInt8(truncatingIfNeeded: value)
    switch event {
    case SSL_CB_HANDSHAKE_START: connection.handshakeStarts(ssl)
    case SSL_CB_HANDSHAKE_DONE: connection.handshakeDone(ssl)
    case SSL_CB_READ_ALERT where value >> 8 == SSL3_AL_FATAL:
        connection.handshakeStops(ssl)
        let inReplyToHello = SSL_get_state(ssl) == TLS_ST_CW_CLNT_HELLO || SSL_get_state(ssl) == TLS_ST_CR_SRVR_HELLO
        connection.fail(TLSFailure(alert: alert, inReplyToHello: inReplyToHello))
    case SSL_CB_WRITE_ALERT where value >> 8 == SSL3_AL_FATAL && connection.isEstablished:
        // OpenSSL also complains of an input that ends, to nobody.
        if ERR_GET_REASON(ERR_peek_last_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING { connection.fail(.notTLS) }
    case SSL_CB_CONNECT_EXIT where value > 0: connection.handshakeReturned(ssl)
    case SSL_CB_CONNECT_EXIT:
        connection.handshakeStops(ssl)
        // Read here, because the library that drives the connection empties the queue for its own log. An empty
        // queue means that the handshake only waits for input.
        let error = ERR_peek_last_error()
        if ERR_GET_LIB(error) == ERR_LIB_SSL { connection.fail(TLSFailure(reason: ERR_GET_REASON(error))) }
    default: break
    }
}

private func offersSession(_ ssl: OpaquePointer?, _ session: OpaquePointer?) -> Int32 {
    if let ssl, let session { TLSConnection.of(ssl)?.offered(session, ssl) }
    // OpenSSL keeps its reference.
    return 0
}
