// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

extension Sign1 {
    /// Verifies the signature and gives the SHA-256 of what it covers.
    ///
    /// The hash is the message's identity: the signature itself is not, since ES256 has two for each message.
    /// An algorithm that a header names must be the key's; if none does, the key decides.
    public func verify(
        _ message: Span<UInt8>, external: Span<UInt8>, with key: any Verifier, hashing: any Hashing,
        structure: inout SigStructure
    ) throws(COSEError) -> Digest {
        let named = try COSEHeader(decoding: message, at: protected).algorithm
        let loose = try COSEHeader(decoding: message, at: unprotected).algorithm
        if named != nil && loose != nil { throw .duplicateParameter(COSEHeader.Label.algorithm) }
        if let algorithm = named ?? loose, algorithm != key.algorithm { throw .unsupportedAlgorithm }
        return try verifyBytes(message, external: external, with: key, hashing: hashing, structure: &structure)
    }

    /// The same for a caller who has read the headers already and has compared the algorithm with the key's.
    public func verifyBytes(
        _ message: Span<UInt8>, external: Span<UInt8>, with key: any Verifier, hashing: any Hashing,
        structure: inout SigStructure
    ) throws(COSEError) -> Digest {
        let signature = self.signature
        return try structure.with(
            protected: message.extracting(protected), external: external, payload: message.extracting(payload)
        ) { (signed) throws(COSEError) in
            let digest = hashing.sha256(signed)
            if !key.verifies(signature, signed, digest: digest) { throw .badSignature }
            return digest
        }
    }

    /// Bytes that a message has beyond its protected header and payload: tag, array, string heads, signature.
    public static let overhead = 2 + 9 + 1 + 9 + 2 + 64

    /// Writes a tagged message with an empty unprotected header to the end of `message` and gives the SHA-256 of
    /// what was signed. On an error nothing was appended.
    public static func append(
        to message: inout [UInt8], protected: Span<UInt8>, payload: Span<UInt8>, external: Span<UInt8>,
        by key: any Signer, hashing: any Hashing, structure: inout SigStructure
    ) throws(COSEError) -> Digest {
        var signature = SignatureBytes(repeating: 0)
        let digest = try structure.with(
            protected: protected, external: external, payload: payload
        ) { (signed) throws(COSEError) in
            let digest = hashing.sha256(signed)
            signature = try key.sign(signed, digest: digest)
            return digest
        }
        let start = message.count
        let room = protected.count + payload.count + overhead
        message.append(contentsOf: repeatElement(0, count: room))
        var writer = CBORWriter(message.mutableSpan, from: start)
        writer.tag(18)
        writer.array(4)
        writer.bytes(protected)
        writer.map(0)
        writer.bytes(payload)
        writer.bytes(signature.span)
        let end: Int
        do { end = try writer.finish() } catch { throw .malformed(error) }
        message.removeLast(message.count - end)
        return digest
    }
}
