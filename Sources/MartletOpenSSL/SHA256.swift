// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// SHA-256 with a context that is kept between digests. Not safe for concurrent use.
public final class SHA256 {
    private let algorithm: Handle
    private let context: Handle

    public init() throws(OpenSSLError) {
        algorithm = try Handle(EVP_MD_fetch(nil, StaticString("SHA256").cString, nil), EVP_MD_free)
        context = try Handle(EVP_MD_CTX_new(), EVP_MD_CTX_free)
        try check(EVP_DigestInit_ex2(context.pointer, algorithm.pointer, nil))
    }

    /// The digest of `bytes`.
    public func digest(_ bytes: Span<UInt8>) -> InlineArray<32, UInt8> {
        var digest = InlineArray<32, UInt8>(repeating: 0)
        var output = digest.mutableSpan
        let done = bytes.withUnsafeBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                EVP_DigestInit_ex2(context.pointer, nil, nil) == 1
                    && EVP_DigestUpdate(context.pointer, input.baseAddress, input.count) == 1
                    && EVP_DigestFinal_ex(context.pointer, output.baseAddress, nil) == 1
            }
        }
        // An initialised context allocates nothing and has no way to fail. A made-up digest would break every chain
        // that is built on it, so there is nothing to go on with.
        guard done else { fatalError("SHA-256 failed inside OpenSSL") }
        return digest
    }
}
