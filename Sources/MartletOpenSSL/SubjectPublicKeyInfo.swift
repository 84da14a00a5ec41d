// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The two encodings of a public key that are accepted. In DER each is a constant followed by the key, so reading
/// one is a comparison: no other curve, point form or parameter can slip in.
enum SubjectPublicKeyInfo {
    /// RFC 5480: id-ecPublicKey, prime256v1, a bit string that begins with 0x04 for an uncompressed point.
    private static let p256: [UInt8] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
        0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ]
    /// RFC 8410: id-Ed25519.
    private static let ed25519: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]

    private static let maximumCount = 91

    /// The bytes as an array, if there are not too many to be a key.
    static func copy(of spki: Span<UInt8>) throws(OpenSSLError) -> [UInt8] {
        guard spki.count <= maximumCount else { throw .unsupportedKey }
        return spki.withUnsafeBufferPointer { [UInt8]($0) }
    }

    static func read(_ spki: [UInt8]) throws(OpenSSLError) -> (KeyKind, Handle) {
        if spki.count == p256.count + 64, spki.starts(with: p256) {
            return (.p256, try curveKey(spki[(p256.count - 1)...]))
        }
        if spki.count == ed25519.count + 32, spki.starts(with: ed25519) {
            return try spki.withUnsafeBufferPointer { bytes throws(OpenSSLError) in
                let key = bytes.baseAddress.map { $0 + ed25519.count }
                return (
                    .ed25519,
                    try Handle(
                        EVP_PKEY_new_raw_public_key_ex(nil, StaticString("ED25519").cString, nil, key, 32),
                        EVP_PKEY_free,
                        else: .unsupportedKey)
                )
            }
        }
        throw .unsupportedKey
    }

    /// The encoding of the public half of `key`.
    static func of(_ key: Handle) throws(OpenSSLError) -> [UInt8] {
        switch EVP_PKEY_get_id(key.pointer) {
        case EVP_PKEY_EC:
            var group = InlineArray<16, CChar>(repeating: 0)
            var output = group.mutableSpan
            let known = output.withUnsafeMutableBufferPointer {
                EVP_PKEY_get_group_name(key.pointer, $0.baseAddress, $0.count, nil)
            }
            try check(known, else: .unsupportedKey)
            guard OBJ_sn2nid(group.span.withUnsafeBufferPointer { $0.baseAddress }) == NID_X9_62_prime256v1 else {
                throw cleared(.unsupportedKey)
            }
            return p256 + (try coordinate("qx", key)) + (try coordinate("qy", key))
        case EVP_PKEY_ED25519:
            var raw = [UInt8](repeating: 0, count: 32)
            var count = raw.count
            try check(
                raw.withUnsafeMutableBufferPointer { EVP_PKEY_get_raw_public_key(key.pointer, $0.baseAddress, &count) })
            return ed25519 + raw
        default: throw .unsupportedKey
        }
    }

    /// Reads an uncompressed point; OpenSSL refuses one that is not on the curve.
    private static func curveKey(_ point: ArraySlice<UInt8>) throws(OpenSSLError) -> Handle {
        let context = try Handle(EVP_PKEY_CTX_new_from_name(nil, StaticString("EC").cString, nil), EVP_PKEY_CTX_free)
        try check(EVP_PKEY_fromdata_init(context.pointer))
        var point = Array(point)
        var key: OpaquePointer?
        let result = point.withUnsafeMutableBufferPointer { point in
            var parameters = [
                OSSL_PARAM_construct_utf8_string(text("group"), text("P-256"), 0),
                OSSL_PARAM_construct_octet_string(text("pub"), point.baseAddress, point.count),
                OSSL_PARAM_construct_end(),
            ]
            return EVP_PKEY_fromdata(context.pointer, &key, COpenSSL_public_key_selection, &parameters)
        }
        try check(result, else: .unsupportedKey)
        return try Handle(key, EVP_PKEY_free, else: .unsupportedKey)
    }

    /// A parameter keeps the pointers to its name and value, so they must be constants. OpenSSL only reads them.
    private static func text(_ string: StaticString) -> UnsafeMutablePointer<CChar> {
        UnsafeMutablePointer(mutating: string.cString)
    }

    private static func coordinate(_ name: StaticString, _ key: Handle) throws(OpenSSLError) -> [UInt8] {
        var number: OpaquePointer?
        try check(EVP_PKEY_get_bn_param(key.pointer, name.cString, &number))
        let owner = try Handle(number, BN_free)
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = bytes.withUnsafeMutableBufferPointer { BN_bn2binpad(owner.pointer, $0.baseAddress, 32) }
        guard count == 32 else { throw cleared(.failed) }
        return bytes
    }
}
