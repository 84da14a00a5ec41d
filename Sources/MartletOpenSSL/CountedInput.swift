// SPDX-License-Identifier: Apache-2.0

import COpenSSL

// A BIO between a connection and what it reads from, which counts the bytes that arrive. A callback of the input itself
// would do as well, but TLS asks the socket a dozen questions for each message, and a callback is called before and
// after each of them.

/// Never changed once made.
private nonisolated(unsafe) let method: OpaquePointer? = {
    // Any kind that reads and is no filter: BIO_TYPE_SOURCE_SINK is 0x0400.
    guard let method = BIO_meth_new(BIO_get_new_index() | 0x0400, StaticString("counted input").cString),
        BIO_meth_set_read(method, reads) == 1, BIO_meth_set_ctrl(method, controls) == 1,
        BIO_meth_set_destroy(method, releases) == 1
    else { return nil }
    return method
}()

/// What tells its owner why a read gave nothing.
private let retryFlags = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY

extension TLSConnection {
    /// Counts what `ssl` reads from here on. Without memory for it the connection fails: it has no input then.
    func countInput(of ssl: OpaquePointer) {
        guard let source = SSL_get_rbio(ssl) else { return }
        SSL_set0_rbio(ssl, counted(source))
    }

    /// The connection that it tells is alive as long as the `SSL` that owns the BIO.
    private func counted(_ source: OpaquePointer) -> OpaquePointer? {
        guard let method, let input = BIO_new(method) else { return nil }
        guard BIO_up_ref(source) == 1 else {
            BIO_free(input)
            return nil
        }
        BIO_set_data(input, UnsafeMutableRawPointer(source))
        let reference = Unmanaged.passUnretained(self).toOpaque()
        BIO_set_callback_arg(input, reference.assumingMemoryBound(to: CChar.self))
        BIO_set_init(input, 1)
        return input
    }
}

private func source(of input: OpaquePointer?) -> OpaquePointer? { BIO_get_data(input).map { OpaquePointer($0) } }

private func reads(_ input: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
    guard let input, let source = source(of: input), let data = BIO_get_callback_arg(input) else { return -1 }
    let result = BIO_read(source, bytes, count)
    BIO_clear_flags(input, retryFlags)
    guard result > 0 else {
        BIO_set_flags(input, BIO_test_flags(source, retryFlags))
        // TLS did not end before its input did. libcurl's source does not remember that it ended.
        if result == 0, BIO_test_flags(input, BIO_FLAGS_SHOULD_RETRY) == 0 { BIO_set_flags(input, BIO_FLAGS_IN_EOF) }
        return result
    }
    let connection = Unmanaged<TLSConnection>.fromOpaque(UnsafeRawPointer(data))
    if connection._withUnsafeGuaranteedRef({ $0.arrived(Int(result)) }) { return result }
    // No retry is pending, so −1 is a failure and not "nothing there yet". A failure without an error in the queue would
    // be one of the socket, which libmosquitto takes for progress in a handshake.
    COpenSSL_raise(SSL_R_EXCESSIVE_MESSAGE_SIZE)
    return -1
}

private func controls(
    _ input: OpaquePointer?, _ command: Int32, _ number: Int, _ argument: UnsafeMutableRawPointer?
) -> Int {
    // Asked nine times for each message: the kernel does no TLS here.
    if command == BIO_CTRL_GET_KTLS_RECV { return 0 }
    if command == BIO_CTRL_EOF, BIO_test_flags(input, BIO_FLAGS_IN_EOF) != 0 { return 1 }
    return BIO_ctrl(source(of: input), command, number, argument)
}

private func releases(_ input: OpaquePointer?) -> Int32 { BIO_free(source(of: input)) }
