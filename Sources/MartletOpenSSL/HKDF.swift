// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// HKDF with SHA-256 (RFC 5869) from one secret. Not safe for concurrent use.
public final class HKDF {
    private let algorithm: Handle
    private var secret: [UInt8]

    /// `secret`: the input keying material. The copy made of it is wiped when nobody holds this object any longer.
    public init(secret: Span<UInt8>) throws(OpenSSLError) {
        algorithm = try Handle(EVP_KDF_fetch(nil, StaticString("HKDF").cString, nil), EVP_KDF_free)
        self.secret = secret.withUnsafeBufferPointer { [UInt8]($0) }
    }

    deinit { secureZero(&secret) }

    /// Fills `key`, at most 8,160 bytes.
    public func derive(
        salt: Span<UInt8>, info: Span<UInt8>, into key: inout MutableSpan<UInt8>
    ) throws(OpenSSLError) {
        let context = try Handle(EVP_KDF_CTX_new(algorithm.pointer), EVP_KDF_CTX_free)
        let digest = UnsafeMutablePointer(mutating: StaticString("SHA256").cString)
        let result = secret.withUnsafeBufferPointer { secret in
            salt.withUnsafeBufferPointer { salt in
                info.withUnsafeBufferPointer { info in
                    let parameters = [
                        OSSL_PARAM_construct_utf8_string(StaticString("digest").cString, digest, 0),
                        parameter("key", secret), parameter("salt", salt), parameter("info", info),
                        OSSL_PARAM_construct_end(),
                    ]
                    return key.withUnsafeMutableBufferPointer { key in
                        EVP_KDF_derive(context.pointer, key.baseAddress, key.count, parameters)
                    }
                }
            }
        }
        try check(result)
    }
}

/// OpenSSL only reads what it is given by this.
private func parameter(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) -> OSSL_PARAM {
    OSSL_PARAM_construct_octet_string(
        name.cString, UnsafeMutableRawPointer(mutating: value.baseAddress), value.count)
}
