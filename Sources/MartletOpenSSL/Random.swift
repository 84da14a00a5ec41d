// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Random bytes fit for keys, nonces and challenges. Safe from any thread.
public enum Random {
    /// Fills `bytes`. Fails closed: on an error none of them may be used.
    public static func fill(_ bytes: inout MutableSpan<UInt8>) throws(OpenSSLError) {
        try bytes.withUnsafeMutableBufferPointer { buffer throws(OpenSSLError) in
            var done = 0
            while done < buffer.count {
                let part = min(buffer.count - done, 1 << 20)
                try check(RAND_bytes(buffer.baseAddress.map { $0 + done }, Int32(part)))
                done += part
            }
        }
    }

    /// As many random bytes as the result has: `let challenge: InlineArray<16, UInt8> = try Random.bytes()`.
    public static func bytes<let count: Int>() throws(OpenSSLError) -> InlineArray<count, UInt8> {
        var bytes = InlineArray<count, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        try fill(&span)
        return bytes
    }
}
