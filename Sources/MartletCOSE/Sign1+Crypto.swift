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
        var signature = SignatureBytes(repeating: 0)
        var copy = signature.mutableSpan
        copy.fill(message.extracting(self.signature))
        return try structure.with(
            protected: message.extracting(protected), external: external, payload: message.extracting(payload)
        ) { (signed) throws(COSEError) in
            let digest = hashing.sha256(signed)
            if !key.verifies(signature, signed, digest: digest) { throw .badSignature }
            return digest
        }
    }

    /// The bytes of a tagged message with an empty unprotected header; counts are not negative.
    public static func size(protected: Int, payload: Int) -> Int {
        // Tag, array, map, and a byte string of 64 bytes.
        1 + 1 + headSize(protected) + protected + 1 + headSize(payload) + payload + 2 + 64
    }

    /// Bytes before the content of a byte string.
    private static func headSize(_ count: Int) -> Int {
        if count < 24 { return 1 }
        if count <= UInt8.max { return 2 }
        if count <= UInt16.max { return 3 }
        return Int64(count) <= Int64(UInt32.max) ? 5 : 9
    }

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
        let room = size(protected: protected.count, payload: payload.count)
        message.append(addingCapacity: room) { $0.append(repeating: 0, count: room) }
        var writer = CBORWriter(message.mutableSpan, from: start)
        writer.tag(18)
        writer.array(4)
        writer.bytes(protected)
        writer.map(0)
        writer.bytes(payload)
        writer.bytes(signature.span)
        do { _ = try writer.finish() } catch { throw .malformed(error) }
        return digest
    }
}
