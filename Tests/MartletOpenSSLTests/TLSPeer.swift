// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

/// A TLS server in this process. Weak unless told otherwise, so that it is the client that refuses.
final class TLSServer {
    let context: Handle

    /// `chain`: leaf first. `trusting`: asks for a client certificate below one of these.
    init(
        _ chain: [Certificate], key: Handle, trusting: [Certificate] = [], versions: ClosedRange<Int32> = 0...0,
        ciphers: String? = nil, _ edit: (OpaquePointer) -> Void = { _ in }
    ) throws {
        context = try Handle(SSL_CTX_new(TLS_server_method()), SSL_CTX_free)
        let raw = context.pointer
        SSL_CTX_set_security_level(raw, 0)
        SSL_CTX_clear_options(raw, .max)
        try check(COpenSSL_set_min_proto_version(raw, versions.lowerBound))
        try check(COpenSSL_set_max_proto_version(raw, versions.upperBound))
        try check(SSL_CTX_set_cipher_list(raw, ciphers ?? "ALL:@SECLEVEL=0"))
        try check(SSL_CTX_use_certificate(raw, chain[0].handle.pointer))
        try check(SSL_CTX_use_PrivateKey(raw, key.pointer))
        for certificate in chain.dropFirst() {
            try check(COpenSSL_add1_chain_cert(raw, certificate.handle.pointer))
        }
        try check(SSL_CTX_set_session_id_context(raw, "test", 4))
        if !trusting.isEmpty {
            SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
            for anchor in trusting { X509_STORE_add_cert(SSL_CTX_get_cert_store(raw), anchor.handle.pointer) }
            X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(raw), time_t(TestCertificates.now))
        }
        edit(raw)
    }
}

/// One connection of a client context to a server, through memory.
final class TLSPair {
    let client: Handle
    let server: Handle
    private let serverInput: OpaquePointer

    init(_ context: TLSContext, _ server: TLSServer) throws {
        client = try Handle(SSL_new(OpaquePointer(context.handle)), SSL_free)
        self.server = try Handle(SSL_new(server.context.pointer), SSL_free)
        var near: OpaquePointer?
        var far: OpaquePointer?
        try check(BIO_new_bio_pair(&near, 1 << 20, &far, 1 << 20))
        serverInput = try #require(far)
        SSL_set_bio(client.pointer, near, near)
        SSL_set_bio(self.server.pointer, far, far)
        SSL_set_connect_state(client.pointer)
        SSL_set_accept_state(self.server.pointer)
        // As libmosquitto does with the address that it is given.
        COpenSSL_set_tlsext_host_name(client.pointer, "192.0.2.1")
    }

    /// Runs the handshake until both sides are done or one has failed, and lets the client read what came after it.
    /// True if both are done and the client has seen no error.
    @discardableResult
    func connect() -> Bool {
        for _ in 0..<20 {
            let (c, s) = (step(client), step(server))
            if c == .failed || s == .failed || (c == .done && s == .done) { break }
        }
        // The alert of the one that failed, and the tickets of a server.
        _ = step(client)
        _ = step(server)
        let read = read()
        return SSL_is_init_finished(client.pointer) == 1 && SSL_is_init_finished(server.pointer) == 1 && read != nil
    }

    /// What the client reads; nil on an error.
    func read() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = SSL_read(client.pointer, &buffer, Int32(buffer.count))
        if count > 0 { return Array(buffer[..<Int(count)]) }
        let error = SSL_get_error(client.pointer, count)
        ERR_clear_error()
        return error == SSL_ERROR_WANT_READ ? [] : nil
    }

    func serverWrites(_ bytes: [UInt8]) { _ = SSL_write(server.pointer, bytes, Int32(bytes.count)) }

    /// What the client receives instead of the server's answer; `closing` ends the stream after it.
    func inject(_ bytes: [UInt8], closing: Bool = false) {
        if !bytes.isEmpty { BIO_write(serverInput, bytes, Int32(bytes.count)) }
        if closing { BIO_ctrl(serverInput, BIO_C_SHUTDOWN_WR, 0, nil) }
    }

    /// Runs the client without the server. True if its handshake is done or waits for more.
    func connectAlone() -> Bool { step(client) != .failed }

    /// The server's answer to the client's hello, before the client sees it.
    func serverFlight() -> [UInt8] {
        let output = BIO_new(BIO_s_mem())
        SSL_set0_wbio(server.pointer, output)
        _ = step(client)
        _ = step(server)
        var bytes: UnsafeMutablePointer<CChar>?
        let count = COpenSSL_get_mem_data(output, &bytes)
        return [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
    }

    /// The name the client asked for (RFC 6066 §3).
    var requestedName: String? {
        SSL_get_servername(server.pointer, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
    }

    private enum Step { case done, waiting, failed }

    private func step(_ side: Handle) -> Step {
        let result = SSL_do_handshake(side.pointer)
        if result == 1 { return .done }
        let error = SSL_get_error(side.pointer, result)
        // Drivers empty the queue for their logs.
        ERR_clear_error()
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? .waiting : .failed
    }
}
