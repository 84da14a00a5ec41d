// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

/// Where the parts of one COSE_Sign1 message lie (RFC 9052 section 4.2). Nothing is verified yet.
public struct Sign1: Sendable {
    /// Whether tag 18 leads the message.
    public enum Tagging: Sendable {
        case required
        case none
    }

    /// The content of the protected byte string: an encoded map, or nothing.
    public let protected: Range<Int>
    /// The unprotected map, encoded.
    public let unprotected: Range<Int>
    public let payload: Range<Int>
    /// 64 bytes.
    public let signature: Range<Int>

    /// Reads deterministic CBOR only; `message` must end where COSE_Sign1 ends.
    public init(decoding message: Span<UInt8>, tagging: Tagging) throws(COSEError) {
        let isTagged = message.count > 0 && message[0] >> 5 == 6
        let parts: Parts
        do throws(CBORError) {
            var reader = CBORReader(message)
            if isTagged, try reader.tag() != 18 { throw .unexpected(at: 0) }
            parts = try Parts(&reader)
        } catch {
            if isTagged, message[0] != 0xd2 { throw .wrongTag }
            throw .malformed(error)
        }
        if isTagged != (tagging == .required) { throw .wrongTag }
        guard let payload = parts.payload else { throw .detachedPayload }
        guard parts.signature.count == 64 else { throw .wrongSignatureLength }

        // h'a0' is the empty map written in full; a signature covers it as the empty string (RFC 9052 section 4.4).
        let isEmptyMap = parts.protected.count == 1 && message[parts.protected.lowerBound] == 0xa0
        protected = isEmptyMap ? parts.protected.lowerBound..<parts.protected.lowerBound : parts.protected
        unprotected = parts.unprotected
        self.payload = payload
        signature = parts.signature
    }

    private struct Parts {
        let protected: Range<Int>
        let unprotected: Range<Int>
        let payload: Range<Int>?
        let signature: Range<Int>

        init(_ reader: inout CBORReader) throws(CBORError) {
            try reader.array(exactly: 4)
            protected = try reader.bytes()
            let start = reader.offset
            for _ in 0..<(try reader.map() * 2) { try reader.skip() }
            unprotected = start..<reader.offset
            payload = try reader.isNull() ? nil : try reader.bytes()
            signature = try reader.bytes()
            try reader.finish()
        }
    }
}
