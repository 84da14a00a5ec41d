// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

/// Envelopes one after another, a CBOR sequence (RFC 8742).
public struct EnvelopeSequence: Sendable {
    /// Where each item lies.
    public let items: [Range<Int>]
    /// Where the rest begins that is no CBOR, e.g. because writing it was interrupted; nil if there is none.
    public let bad: Int?

    public init(_ bytes: Span<UInt8>) {
        var items: [Range<Int>] = []
        var bad: Int?
        var reader = CBORReader(bytes)
        do throws(CBORError) {
            while reader.offset < bytes.count {
                bad = reader.offset
                // An envelope begins with tag 18; zeros, which a file may end with after a power cut, are CBOR too.
                if bytes[reader.offset] != 0xd2 { throw .unexpected(at: reader.offset) }
                try reader.skip()
                items.append((bad ?? 0)..<reader.offset)
            }
            bad = nil
        } catch {}
        self.items = items
        self.bad = bad
    }
}
