// SPDX-License-Identifier: Apache-2.0

/// Why a key, certificate or context could not be made or used.
public enum OpenSSLError: Error, Hashable, Sendable {
    /// OpenSSL itself failed: no memory, no entropy, or an algorithm that this installation lacks.
    case failed
    /// The bytes are not the structure asked for, or something precedes or follows it.
    case malformed
    /// The private key is protected by a pass phrase.
    case encrypted
    /// The key is neither P-256 (named curve, uncompressed point) nor Ed25519.
    case unsupportedKey
    /// The private key does not belong to the certificate, or not to its own public key.
    case keyMismatch
    /// The request is not signed by the key that it names.
    case badSignature
    /// A name is empty, too long, or has characters that its field does not allow.
    case invalidName
    /// The end of validity is not after its begin, or a time is outside the years 1950 to 9999.
    case invalidTime
    /// There is no trust anchor to judge a server by.
    case noAnchor
    /// More bytes or certificates than the documented bound.
    case tooLarge
}
