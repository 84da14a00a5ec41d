// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR

/// The header parameters of RFC 9052 section 3.1 and two more (RFC 9360, RFC 9597), as ranges of the message.
public struct COSEHeader: Sendable {
    /// Labels, registered at IANA.
    public enum Label {
        public static let algorithm: Int64 = 1
        public static let critical: Int64 = 2
        public static let contentType: Int64 = 3
        public static let keyID: Int64 = 4
        public static let claims: Int64 = 15
        public static let x5chain: Int64 = 33
    }

    /// The most certificates of a chain.
    public static let maximumChain = 4

    public private(set) var algorithm: COSEAlgorithm?
    /// A CoAP content format (RFC 7252 section 12.3).
    public private(set) var contentType: UInt64?
    public private(set) var keyID: Range<Int>?
    /// The encoded map of CWT claims.
    public private(set) var claims: Range<Int>?
    /// DER certificates, leaf first.
    public private(set) var x5chain: [Range<Int>] = []
    /// Whether there is a label other than those above.
    public private(set) var hasUnknown = false

    /// Reads the encoded map at `range` of `message`; an empty range is the empty map.
    public init(decoding message: Span<UInt8>, at range: Range<Int>) throws(COSEError) {
        try self.init(decoding: message, at: range) { (count, reader) throws(CBORError) in
            for _ in 0..<count * 2 { try reader.skip() }
        }
    }

    /// The same; `readClaims` gets the number of claims, and reads them.
    public init(
        decoding message: Span<UInt8>, at range: Range<Int>,
        readClaims: (Int, inout CBORReader) throws(CBORError) -> Void
    ) throws(COSEError) {
        if range.isEmpty { return }
        var refusal: COSEError?
        do throws(CBORError) {
            var reader = CBORReader(message.extracting(first: range.upperBound), from: range.lowerBound)
            for _ in 0..<(try reader.map()) {
                let label = try Self.label(&reader)
                if label == Label.claims {
                    let start = reader.offset
                    try readClaims(try reader.map(), &reader)
                    claims = start..<reader.offset
                } else {
                    refusal = try read(label, &reader) ?? refusal
                }
            }
            try reader.finish()
        } catch {
            throw .malformed(error)
        }
        if let refusal { throw refusal }
    }

    /// 0 for any label that is none of ours.
    private static func label(_ reader: inout CBORReader) throws(CBORError) -> Int64 {
        let at = reader.offset
        switch try reader.next() {
        case .unsigned(let label): return Int64(clamping: label)
        case .negative, .text: return 0
        default: throw .unexpected(at: at)  // label = int / tstr, RFC 9052 section 1.5
        }
    }

    private mutating func read(_ label: Int64, _ reader: inout CBORReader) throws(CBORError) -> COSEError? {
        switch label {
        case Label.algorithm:
            let at = reader.offset
            switch try reader.next() {
            case .negative(let value):
                algorithm = COSEAlgorithm(rawValue: ~Int64(clamping: value))
                return algorithm == nil ? .unsupportedAlgorithm : nil
            case .unsigned, .text: return .unsupportedAlgorithm
            default: throw .unexpected(at: at)
            }
        case Label.critical:
            try reader.skip()
            return .criticalParameter
        case Label.contentType:
            contentType = try reader.unsigned()
        case Label.keyID:
            keyID = try reader.bytes()
        case Label.x5chain:
            let at = reader.offset
            switch try reader.next() {
            case .bytes(let certificate): x5chain = [certificate]
            // One certificate stands alone, without an array (RFC 9360 section 2).
            case .array(let count) where (2...Self.maximumChain).contains(count):
                for _ in 0..<count { x5chain.append(try reader.bytes()) }
            default: throw .unexpected(at: at)
            }
        default:
            hasUnknown = true
            try reader.skip()
        }
        return nil
    }
}
