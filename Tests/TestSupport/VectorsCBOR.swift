// SPDX-License-Identifier: Apache-2.0

import MartletOpenSSL

/// Encoded CBOR, put together by hand: it can also be wrong, which the library's own writer cannot.
public struct Raw: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, Sendable {
    public var bytes: [UInt8]

    /// Bytes as they are.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public init(hex: String) { self.init(TestSupport.bytes(hex: hex)) }

    public init(integerLiteral value: Int64) { self = .int(value) }

    public init(stringLiteral text: String) { self = .text(text) }

    public static func head(_ major: UInt8, _ value: UInt64) -> [UInt8] {
        let (information, width): (UInt8, Int) =
            switch value {
            case ..<24: (UInt8(value), 0)
            case ...0xff: (24, 1)
            case ...0xffff: (25, 2)
            case ...0xffff_ffff: (26, 4)
            default: (27, 8)
            }
        let tail = (0..<width).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
        return [major << 5 | information] + tail
    }

    public static func int(_ value: Int64) -> Raw {
        Raw(value < 0 ? head(1, UInt64(~value)) : head(0, UInt64(value)))
    }

    public static func unsigned(_ value: UInt64) -> Raw { Raw(head(0, value)) }

    public static func bstr(_ content: [UInt8]) -> Raw { Raw(head(2, UInt64(content.count)) + content) }

    public static func text(_ content: String) -> Raw { text(Array(content.utf8)) }

    public static func text(_ content: [UInt8]) -> Raw { Raw(head(3, UInt64(content.count)) + content) }

    public static func array(_ items: [Raw]) -> Raw { Raw(head(4, UInt64(items.count)) + items.flatMap(\.bytes)) }

    /// The pairs in the order given.
    public static func map(_ pairs: KeyValuePairs<Raw, Raw>) -> Raw { map(Array(pairs)) }

    public static func map(_ pairs: [(key: Raw, value: Raw)]) -> Raw {
        Raw(head(5, UInt64(pairs.count)) + pairs.flatMap { $0.key.bytes + $0.value.bytes })
    }

    public static func tag(_ number: UInt64, _ content: Raw) -> Raw { Raw(head(6, number) + content.bytes) }

    public static let null = Raw([0xf6])

    /// A COSE_Sign1, signed by the rules of RFC 9052 section 4.4.
    public static func sign1(
        protected: Raw, unprotected: Raw = .map([:]), payload: [UInt8], external: String, key: PrivateKey
    ) throws -> [UInt8] {
        let signature = try signature(
            protected: protected.bytes, payload: payload, external: Array(external.utf8), key: key)
        return message(
            protected: .bstr(protected.bytes), unprotected: unprotected, payload: .bstr(payload),
            signature: .bstr(signature))
    }

    public static func message(
        protected: Raw, unprotected: Raw = .map([:]), payload: Raw, signature: Raw
    ) -> [UInt8] {
        tag(18, array([protected, unprotected, payload, signature])).bytes
    }

    public static func signature(
        protected: [UInt8], payload: [UInt8], external: [UInt8], key: PrivateKey
    ) throws -> [UInt8] {
        let signed = array(["Signature1", bstr(protected), bstr(external), bstr(payload)]).bytes
        let signature = try key.sign(signed.span, digest: SHA256().digest(signed.span))
        return signature.indices.map { signature[$0] }
    }
}
