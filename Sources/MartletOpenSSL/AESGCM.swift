// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// AES-256-GCM (NIST SP 800-38D) with 12-byte nonces and 16-byte tags. Keeps what OpenSSL prepares for the key. Not
/// safe for concurrent use.
public final class AESGCM {
    public static let tagCount = 16
    private let context: Handle

    /// `key`: 32 bytes.
    public init(key: Span<UInt8>) throws(OpenSSLError) {
        guard key.count == 32 else { throw .malformed }
        let algorithm = try Handle(EVP_CIPHER_fetch(nil, StaticString("AES-256-GCM").cString, nil), EVP_CIPHER_free)
        context = try Handle(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free)
        try check(
            key.withUnsafeBufferPointer {
                EVP_CipherInit_ex2(context.pointer, algorithm.pointer, $0.baseAddress, nil, 1, nil)
            })
    }

    /// Seals in place what `bytes` hold from `start` on, but for the last 16 bytes, which take the tag. After an error
    /// they are of no use. A nonce must be used only once.
    public func seal(
        _ bytes: inout [UInt8], from start: Int, nonce: borrowing InlineArray<12, UInt8>, additional: Span<UInt8>
    ) throws(OpenSSLError) {
        guard start >= 0, start <= bytes.count - Self.tagCount else { throw .malformed }
        try begin(nonce, additional, sealing: true)
        var span = bytes.mutableSpan
        try span.withUnsafeMutableBufferPointer { (bytes) throws(OpenSSLError) in
            let content = UnsafeMutableBufferPointer(rebasing: bytes[start..<bytes.count - Self.tagCount])
            try update(UnsafeBufferPointer(content), into: content)
            try end()
            try control(EVP_CTRL_AEAD_GET_TAG, UnsafeMutableBufferPointer(rebasing: bytes[(start + content.count)...]))
        }
    }

    /// Replaces `plaintext` by the content of `sealed`. Throws, and it is empty, unless the tag is right.
    public func open(
        _ sealed: Span<UInt8>, nonce: borrowing InlineArray<12, UInt8>, additional: Span<UInt8>,
        into plaintext: inout [UInt8]
    ) throws(OpenSSLError) {
        plaintext.removeAll(keepingCapacity: true)
        guard sealed.count >= Self.tagCount else { throw .malformed }
        let count = sealed.count - Self.tagCount
        do throws(OpenSSLError) {
            try begin(nonce, additional, sealing: false)
            try sealed.withUnsafeBufferPointer { (sealed) throws(OpenSSLError) in
                // OpenSSL only reads the tag.
                let tag = UnsafeMutableBufferPointer(mutating: UnsafeBufferPointer(rebasing: sealed[count...]))
                try control(EVP_CTRL_AEAD_SET_TAG, tag)
                // With nothing to append it would write to the one storage that all empty arrays share.
                if count == 0 { return }
                try plaintext.append(addingCapacity: count) { (room) throws(OpenSSLError) in
                    try room.withUnsafeMutableBufferPointer { (room, filled) throws(OpenSSLError) in
                        try update(UnsafeBufferPointer(rebasing: sealed[..<count]), into: room)
                        filled = count
                    }
                }
            }
            try end()
        } catch {
            plaintext.removeAll(keepingCapacity: true)
            throw error
        }
    }

    private func begin(
        _ nonce: borrowing InlineArray<12, UInt8>, _ additional: Span<UInt8>, sealing: Bool
    ) throws(OpenSSLError) {
        try check(
            nonce.span.withUnsafeBufferPointer {
                EVP_CipherInit_ex2(context.pointer, nil, nil, $0.baseAddress, sealing ? 1 : 0, nil)
            })
        guard let count = Int32(exactly: additional.count) else { throw .tooLarge }
        // OpenSSL takes a NULL, which an empty span may be, for the end of the operation.
        if count == 0 { return }
        var written: Int32 = 0
        try check(
            additional.withUnsafeBufferPointer {
                EVP_CipherUpdate(context.pointer, nil, &written, $0.baseAddress, count)
            })
    }

    /// Writes as many bytes as `input` has, which may lie at the same place.
    private func update(
        _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>
    ) throws(OpenSSLError) {
        guard let count = Int32(exactly: input.count), count <= output.count else { throw .tooLarge }
        if count == 0 { return }
        var written: Int32 = 0
        try check(EVP_CipherUpdate(context.pointer, output.baseAddress, &written, input.baseAddress, count))
        guard written == count else { throw .failed }
    }

    /// Judges the tag, if one was set. GCM has no last block, so nothing is written.
    private func end() throws(OpenSSLError) {
        var block: UInt8 = 0
        var written: Int32 = 0
        try check(EVP_CipherFinal_ex(context.pointer, &block, &written))
    }

    private func control(_ command: Int32, _ tag: UnsafeMutableBufferPointer<UInt8>) throws(OpenSSLError) {
        try check(EVP_CIPHER_CTX_ctrl(context.pointer, command, Int32(Self.tagCount), tag.baseAddress))
    }
}
