// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

/// The bytes that a COSE_Sign1 signature covers (Sig_structure, RFC 9052 section 4.4), in a buffer that is
/// allocated once and used again for each message. Not safe for concurrent use.
public struct SigStructure {
    private var buffer: [UInt8]
    private let limit: Int

    /// `limit`: the most bytes that protected header, external data and payload have together.
    public init(limit: Int) {
        self.limit = limit
        // "Signature1", three byte string headers of at most 9 bytes, the array.
        buffer = [UInt8](repeating: 0, count: limit + 40)
    }

    /// Builds the structure and calls `body` with its bytes. An empty protected map is the empty string, however
    /// the message wrote it (RFC 9052 section 3), which the caller has seen to.
    public mutating func with<Result>(
        protected: Span<UInt8>, external: Span<UInt8>, payload: Span<UInt8>,
        _ body: (Span<UInt8>) throws(COSEError) -> Result
    ) throws(COSEError) -> Result {
        if protected.count > limit - external.count || payload.count > limit - external.count - protected.count {
            throw .tooLarge(limit: limit)
        }
        var writer = CBORWriter(buffer.mutableSpan)
        writer.array(4)
        writer.text("Signature1")
        writer.bytes(protected)
        writer.bytes(external)
        writer.bytes(payload)
        let count: Int
        do { count = try writer.finish() } catch { throw .tooLarge(limit: limit) }
        return try body(buffer.span.extracting(first: count))
    }
}
