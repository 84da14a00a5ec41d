// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCBOR
import MartletCOSE
import MartletOpenSSL
import TestSupport

/// Decodes and verifies; gives the hash of what was signed.
func verify(
    _ message: [UInt8], tagging: Sign1.Tagging = .required, external: [UInt8] = [], with key: PublicKey
) throws -> Digest {
    let sign1 = try Sign1(decoding: message.span, tagging: tagging)
    var structure = SigStructure(limit: 4096)
    return try sign1.verify(
        message.span, external: external.span, with: KeyVerifier(key), hashing: OpenSSLHashing(), structure: &structure)
}

/// Why `verify` refuses; nil if it does not.
func refusal(
    _ message: [UInt8], tagging: Sign1.Tagging = .required, external: [UInt8] = [], with key: PublicKey
) -> COSEError? {
    do {
        _ = try verify(message, tagging: tagging, external: external, with: key)
        return nil
    } catch {
        return error as? COSEError
    }
}

/// A tagged message with the protected header {1: algorithm of the key}, made by the library.
func sealed(
    _ payload: [UInt8], external: [UInt8] = [], by key: PrivateKey
) throws -> (message: [UInt8], digest: Digest) {
    let signer = KeySigner(key)
    let protected = Raw.map([1: .int(signer.algorithm.rawValue)]).bytes
    var structure = SigStructure(limit: 4096)
    var message: [UInt8] = []
    let digest = try Sign1.append(
        to: &message, protected: protected.span, payload: payload.span, external: external.span, by: signer,
        hashing: OpenSSLHashing(), structure: &structure)
    return (message, digest)
}

let bothKeys: [@Sendable () throws -> PrivateKey] = [Vectors.p256, Vectors.ed25519]
