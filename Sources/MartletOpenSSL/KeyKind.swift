// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The two kinds of signature key.
public enum KeyKind: Hashable, Sendable {
    /// ECDSA with SHA-256 on P-256: ES256.
    case p256
    /// Ed25519: EdDSA.
    case ed25519
}

extension KeyKind {
    /// What signs certificates and requests together with the key; Ed25519 hashes by itself.
    var digest: OpaquePointer? { self == .p256 ? EVP_sha256() : nil }
}
