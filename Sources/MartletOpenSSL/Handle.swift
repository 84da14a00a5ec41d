// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Owns one reference to an OpenSSL object.
///
/// A local handle lives to the end of its scope as far as C can see: Swift does not release it before a call that
/// may read memory.
final class Handle {
    let pointer: OpaquePointer
    private let release: @convention(c) (OpaquePointer?) -> Void

    /// Takes over `pointer`; NULL is OpenSSL's word for failure.
    init(
        _ pointer: OpaquePointer?, _ release: @escaping @convention(c) (OpaquePointer?) -> Void,
        else error: OpenSSLError = .failed
    ) throws(OpenSSLError) {
        guard let pointer else { throw cleared(error) }
        self.pointer = pointer
        self.release = release
    }

    deinit { release(pointer) }
}

/// `error`, with OpenSSL's error queue emptied: what stays in it would be taken for the failure of a later call,
/// of another library too.
func cleared(_ error: OpenSSLError) -> OpenSSLError {
    ERR_clear_error()
    return error
}

/// Throws `error` unless OpenSSL answered 1.
func check(_ result: Int32, else error: OpenSSLError = .failed) throws(OpenSSLError) {
    if result != 1 { throw cleared(error) }
}

/// What an `i2d_…` function writes.
func encoded(
    _ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
) throws(OpenSSLError) -> [UInt8] {
    let count = encode(nil)
    guard count > 0 else { throw cleared(.failed) }
    var bytes = [UInt8](repeating: 0, count: Int(count))
    let written = bytes.withUnsafeMutableBufferPointer { buffer in
        var cursor = buffer.baseAddress
        return encode(&cursor)
    }
    guard written == count else { throw cleared(.failed) }
    return bytes
}

/// What a `d2i_…` function reads from exactly `bytes`; nil if bytes are left over or malformed.
func decoded(
    _ bytes: Span<UInt8>,
    _ decode: (UnsafeMutablePointer<UnsafePointer<UInt8>?>, Int) -> OpaquePointer?,
    _ release: @escaping @convention(c) (OpaquePointer?) -> Void
) throws(OpenSSLError) -> Handle {
    try bytes.withUnsafeBufferPointer { buffer throws(OpenSSLError) in
        guard let start = buffer.baseAddress else { throw .malformed }
        var cursor: UnsafePointer<UInt8>? = start
        let handle = try Handle(decode(&cursor, buffer.count), release, else: .malformed)
        guard cursor == start + buffer.count else { throw .malformed }
        return handle
    }
}
