// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletEnvelope

/// A message on the trust topic, taken apart: 1 to 4 envelopes, each by another key, with one payload. Nothing is
/// verified.
public struct TrustMessage {
    public static let maximumSignatures = 4

    public let envelopes: [Envelope]
    /// Where each envelope lies in the message.
    public let ranges: [Range<Int>]
    /// Where the first envelope has the document.
    public let payload: Range<Int>

    /// nil if the message is not of this form, or longer than one envelope may be.
    public init?(decoding message: Span<UInt8>) {
        if message.count > Envelope.maximumSize { return nil }
        guard let ranges = try? Self.split(message) else { return nil }
        var envelopes: [Envelope] = []
        var payload = 0..<0
        for range in ranges {
            let part = message.extracting(range)
            guard let envelope = try? Envelope(decoding: part) else { return nil }
            if envelopes.isEmpty {
                payload =
                    range.lowerBound + envelope.payload.lowerBound..<range.lowerBound + envelope.payload.upperBound
            }
            if envelopes.contains(where: { $0.keyID == envelope.keyID }) { return nil }
            if !part.extracting(envelope.payload).isEqual(to: message.extracting(payload)) { return nil }
            envelopes.append(envelope)
        }
        if envelopes.isEmpty { return nil }
        self.envelopes = envelopes
        self.ranges = ranges
        self.payload = payload
    }

    private static func split(_ message: Span<UInt8>) throws(CBORError) -> [Range<Int>] {
        var reader = CBORReader(message)
        let count = try reader.array()
        if count > maximumSignatures { throw .unexpected(at: 0) }
        var ranges: [Range<Int>] = []
        for _ in 0..<count {
            let start = reader.offset
            try reader.skip()
            ranges.append(start..<reader.offset)
        }
        try reader.finish()
        return ranges
    }
}
