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

    /// Appends ciphertext and tag to `sealed`; after an error it is unchanged. A nonce must be used only once.
    public func seal(
        _ plaintext: Span<UInt8>, nonce: borrowing InlineArray<12, UInt8>, additional: Span<UInt8>,
        into sealed: inout [UInt8]
    ) throws(OpenSSLError) {
        let start = sealed.count
        do throws(OpenSSLError) {
            try begin(nonce, additional, sealing: true)
            sealed.reserveCapacity(start + plaintext.count + Self.tagCount)
            try update(plaintext, into: &sealed)
            try end()
            var tag = InlineArray<16, UInt8>(repeating: 0)
            try control(EVP_CTRL_AEAD_GET_TAG, &tag)
            for index in tag.indices { sealed.append(tag[index]) }
        } catch {
            sealed.removeLast(sealed.count - start)
            throw error
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
        var tag = InlineArray<16, UInt8>(repeating: 0)
        for index in tag.indices { tag[index] = sealed[count + index] }
        do throws(OpenSSLError) {
            try begin(nonce, additional, sealing: false)
            try control(EVP_CTRL_AEAD_SET_TAG, &tag)
            try update(sealed.extracting(first: count), into: &plaintext)
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

    /// Appends as many bytes as `input` has to `output`.
    private func update(_ input: Span<UInt8>, into output: inout [UInt8]) throws(OpenSSLError) {
        guard let count = Int32(exactly: input.count) else { throw .tooLarge }
        if count == 0 { return }
        var written: Int32 = 0
        try output.append(addingCapacity: input.count) { (room) throws(OpenSSLError) in
            try room.withUnsafeMutableBufferPointer { (room, filled) throws(OpenSSLError) in
                try check(
                    input.withUnsafeBufferPointer {
                        EVP_CipherUpdate(context.pointer, room.baseAddress, &written, $0.baseAddress, count)
                    })
                filled = Int(written)
            }
        }
        guard written == count else { throw .failed }
    }

    /// Judges the tag, if one was set. GCM has no last block, so nothing is written.
    private func end() throws(OpenSSLError) {
        var block: UInt8 = 0
        var written: Int32 = 0
        try check(EVP_CipherFinal_ex(context.pointer, &block, &written))
    }

    private func control(_ command: Int32, _ tag: inout InlineArray<16, UInt8>) throws(OpenSSLError) {
        var bytes = tag.mutableSpan
        try check(
            bytes.withUnsafeMutableBufferPointer {
                EVP_CIPHER_CTX_ctrl(context.pointer, command, Int32($0.count), $0.baseAddress)
            })
    }
}
