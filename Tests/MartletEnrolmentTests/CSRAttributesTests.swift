// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MartletEnrolment

/// What a registrar wants to see in a request, in DER written by hand.
@Suite struct CSRAttributesTests {
    // MARK: DER

    static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = content.count
        switch count {
        case ..<0x80: return [tag, UInt8(count)] + content
        case ..<0x100: return [tag, 0x81, UInt8(count)] + content
        default: return [tag, 0x82, UInt8(count >> 8), UInt8(count & 0xff)] + content
        }
    }

    static func oid(_ text: String) -> [UInt8] {
        let numbers = text.split(separator: ".").compactMap { UInt64($0) }
        var content: [UInt8] = []
        for number in [40 * numbers[0] + numbers[1]] + numbers[2...] {
            var bytes = [UInt8(number & 0x7f)]
            var rest = number >> 7
            while rest > 0 {
                bytes.insert(UInt8(rest & 0x7f) | 0x80, at: 0)
                rest >>= 7
            }
            content += bytes
        }
        return element(6, content)
    }

    static func attribute(_ type: String, _ values: [UInt8]...) -> [UInt8] {
        element(0x30, oid(type) + element(0x31, values.flatMap { $0 }))
    }

    static func list(_ elements: [UInt8]...) -> [UInt8] { element(0x30, elements.flatMap { $0 }) }

    /// With a subject of one name without value, the kind of key, and no other attributes.
    static func template(_ algorithm: [UInt8]?) -> [UInt8] {
        let subject = element(0x30, element(0x31, element(0x30, oid("2.5.4.3"))))
        let key = algorithm.map { element(0xa0, element(0x30, $0)) } ?? []
        return attribute(templateID, element(0x30, [2, 1, 0] + subject + key + element(0xa1, [])))
    }

    static let ecPublicKey = "1.2.840.10045.2.1"
    static let p256 = "1.2.840.10045.3.1.7"
    static let p384 = "1.3.132.0.34"
    static let ecdsaSHA256 = "1.2.840.10045.4.3.2"
    static let ecdsaSHA384 = "1.2.840.10045.4.3.3"
    static let rsa = "1.2.840.113549.1.1.1"
    static let ed25519 = "1.3.101.112"
    static let challengePassword = "1.2.840.113549.1.9.7"
    static let extensionRequest = "1.2.840.113549.1.9.14"
    static let sha256 = "2.16.840.1.101.3.4.2.1"
    static let templateID = "1.2.840.113549.1.9.16.2.61"

    struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let der: [UInt8]
        var error: EnrolmentError?

        init(_ description: String, _ der: [UInt8], _ error: EnrolmentError? = nil) {
            testDescription = description
            self.der = der
            self.error = error
        }

        init(_ description: String, _ der: [UInt8], _ aspect: EnrolmentError.Aspect, _ demanded: String) {
            self.init(description, der, .unfit(aspect, demanded: Array(demanded.utf8)))
        }
    }

    // MARK: What can be met, and what cannot

    static let good = [
        Row("nothing", list()),
        Row("the device's own, bare", list(oid(ecPublicKey), oid(p256), oid(ecdsaSHA256), oid(sha256))),
        Row("the device's own, as an attribute", list(attribute(ecPublicKey, oid(p256)), oid(ecdsaSHA256))),
        Row("a kind of key without more", list(attribute(ecPublicKey))),
        Row(
            "the device's own among others",
            list(
                attribute(rsa, [2, 2, 8, 0]), attribute(ecPublicKey, oid(p384), oid(p256)), oid(ed25519),
                oid(ecdsaSHA384), oid(ecdsaSHA256), oid("2.16.840.1.101.3.4.2.2"), oid(sha256))),
        Row("RSA or the device's curve", list(oid(rsa), oid(p256))),
        Row("RSA or the device's signature", list(oid("1.2.840.113549.1.1.11"), oid(ecdsaSHA256))),
        Row("a challenge password, which it cannot give", list(oid(challengePassword))),
        Row("a common name, a serial number", list(oid("2.5.4.3"), oid("2.5.4.5"))),
        Row(
            "an extension with its value",
            list(
                attribute(
                    extensionRequest,
                    element(0x30, element(0x30, oid("2.5.29.17") + element(4, [0x30, 0x03, 0x82, 0x01, 0x61])))))),
        Row("what nobody knows", list(oid("1.3.6.1.4.1.32473.1"), attribute("2.999.3", [5, 0], [0x80, 1, 9]))),
        Row("a number of 128 bits", list(element(6, [0x69] + [UInt8](repeating: 0xff, count: 18) + [0x7f]))),
        Row("a hash that is no hash by itself", list(oid("2.16.840.1.101.3.4.2"), oid("1.2.840.113549.1.1"))),
        Row("more than 127 bytes", list(attribute("2.999.3", element(4, [UInt8](repeating: 1, count: 200))))),
        Row("more than 255 bytes", list(attribute("2.999.3", element(4, [UInt8](repeating: 1, count: 400))))),
        Row("a template without a key", list(template(nil))),
        Row("a template with the device's", list(template(oid(ecPublicKey) + oid(p256)))),
        Row("a template with a kind of key alone", list(template(oid(ecPublicKey)))),
        Row(
            "a template, beside it for clients that do not know it something else",
            list(attribute(rsa, [2, 2, 8, 0]), template(oid(ecPublicKey) + oid(p256)), oid(ecdsaSHA384))),
    ]

    static let demands = [
        Row("RSA", list(oid(rsa)), .key, "1.2.840.113549.1.1.1 (RSA)"),
        Row("RSA of a size", list(attribute(rsa, [2, 2, 16, 0])), .key, "1.2.840.113549.1.1.1 (RSA)"),
        Row("RSA's signature", list(oid("1.2.840.113549.1.1.11")), .key, "1.2.840.113549.1.1.11 (RSA)"),
        Row("Ed25519", list(oid(ed25519)), .key, "1.3.101.112 (Ed25519)"),
        Row("Ed448", list(oid("1.3.101.113")), .key, "1.3.101.113 (Ed448)"),
        Row("X25519", list(oid("1.3.101.110")), .key, "1.3.101.110"),
        Row("DSA", list(oid("1.2.840.10040.4.1")), .key, "1.2.840.10040.4.1 (DSA)"),
        Row("ML-DSA", list(oid("2.16.840.1.101.3.4.3.18")), .key, "2.16.840.1.101.3.4.3.18"),
        Row("P-384", list(oid(p384)), .curve, "1.3.132.0.34 (P-384)"),
        Row(
            "P-384 as RFC 7030 shows it",
            list(
                oid(challengePassword), attribute(ecPublicKey, oid(p384)),
                attribute(extensionRequest, oid("1.3.6.1.1.1.1.22")), oid(ecdsaSHA384)),
            .curve, "1.3.132.0.34 (P-384)"),
        Row("P-521", list(oid(ecPublicKey), oid("1.3.132.0.35")), .curve, "1.3.132.0.35 (P-521)"),
        Row("another curve of X9.62", list(oid("1.2.840.10045.3.1.1")), .curve, "1.2.840.10045.3.1.1"),
        Row("Brainpool", list(oid("1.3.36.3.3.2.8.1.1.7")), .curve, "1.3.36.3.3.2.8.1.1.7"),
        Row(
            "a curve that nobody knows", list(attribute(ecPublicKey, oid("2.999.1"))), .curve,
            "one that is not known here"),
        Row(
            "a curve that is described", list(attribute(ecPublicKey, element(0x30, [2, 1, 1]))), .curve,
            "one that is not known here"),
        Row(
            "ECDSA with SHA-384", list(oid(p256), oid(ecdsaSHA384)), .signature,
            "1.2.840.10045.4.3.3 (ECDSA with SHA-384)"
        ),
        Row("ECDSA with SHA-1", list(oid("1.2.840.10045.4.1")), .signature, "1.2.840.10045.4.1"),
        Row("SHA-512", list(oid("2.16.840.1.101.3.4.2.3")), .hash, "2.16.840.1.101.3.4.2.3 (SHA-512)"),
        Row("SHA3-256", list(oid("2.16.840.1.101.3.4.2.8")), .hash, "2.16.840.1.101.3.4.2.8"),
        Row("SHA-1", list(oid("1.3.14.3.2.26")), .hash, "1.3.14.3.2.26 (SHA-1)"),
        Row("the first of several", list(oid(ed25519), oid(rsa)), .key, "1.3.101.112 (Ed25519)"),
        Row("a template with RSA", list(template(oid(rsa) + [5, 0])), .key, "1.2.840.113549.1.1.1 (RSA)"),
        Row("a template with P-384", list(template(oid(ecPublicKey) + oid(p384))), .curve, "1.3.132.0.34 (P-384)"),
        Row("a template with what nobody knows", list(template(oid("2.999.1"))), .key, "one that is not known here"),
        Row(
            "a template with RSA, beside it for others the device's own",
            list(oid(ecPublicKey), template(oid(rsa) + [5, 0]), oid(p256)), .key, "1.2.840.113549.1.1.1 (RSA)"),
    ]

    @Test(arguments: good + demands) func `a list is met or not, by its key, curve, signature and hash`(_ row: Row) {
        expect(row.der, row.error)
    }

    // MARK: What is no list

    static let bad: [(String, [UInt8])] = [
        ("nothing at all", []),
        ("a tag alone", [0x30]),
        ("a SET", element(0x31, oid(p256))),
        ("an OID instead of a list", oid(p256)),
        ("an indefinite length", [0x30, 0x80, 0, 0]),
        ("a length that is longer than it has to be", [0x30, 0x81, 0]),
        ("a length of two bytes that has room in one", [0x30, 0x82, 0x00, 0xff] + [UInt8](repeating: 5, count: 255)),
        ("a length of three bytes", [0x30, 0x83, 0x01, 0x00, 0x00]),
        ("a length of 126 bytes", [0x30, 0xfe] + [UInt8](repeating: 0xff, count: 126)),
        ("a length beyond the end", [0x30, 0x82, 0xff, 0xff, 6]),
        ("two lists", list() + list()),
        ("a number in the list", list([2, 1, 1])),
        ("a SET in the list", list(element(0x31, oid(p256)))),
        ("an element that ends behind the list", [0x30, 2, 6, 1, 0x2a]),
        ("an OID without content", list([6, 0])),
        ("an OID whose last number goes on", list([6, 2, 0x2a, 0x86])),
        ("an OID with a number in more bytes than it needs", list([6, 3, 0x2a, 0x80, 0x01])),
        ("a tag of several bytes", list([0x1f, 0x81, 0x01, 0])),
        ("an attribute without type", list(element(0x30, element(0x31, oid(p256))))),
        ("an attribute without values", list(element(0x30, oid(ecPublicKey)))),
        ("an attribute with something behind its values", list(element(0x30, oid(ecPublicKey) + [0x31, 0, 5, 0]))),
        ("an attribute whose values are a SEQUENCE", list(element(0x30, oid(ecPublicKey) + element(0x30, oid(p256))))),
        ("an attribute with a cut value", list(element(0x30, oid("2.999.3") + element(0x31, [4, 2, 1])))),
        ("a curve whose OID is none", list(attribute(ecPublicKey, [6, 0]))),
        ("an empty template", list(attribute(templateID, [0x30, 0]))),
        ("a template whose key is empty", list(attribute(templateID, element(0x30, [2, 1, 0, 0xa0, 0])))),
        ("a template whose algorithm is empty", list(template([]))),
        ("25,000 lists, each in the one before", Array([[UInt8]](repeating: [0x30, 0x80], count: 25_000).joined())),
    ]

    @Test(arguments: bad) func `what is no list in DER is refused`(_ reason: String, _ der: [UInt8]) {
        expect(der, .notAttributes)
    }

    @Test func `no prefix of a list is one, nor is a list with a byte behind it`() {
        for row in Self.good + Self.demands {
            for count in row.der.indices { expect(Array(row.der[..<count]), .notAttributes) }
            expect(row.der + [0], .notAttributes)
        }
    }

    @Test func `whatever byte is another one, there is an answer`() {
        for row in Self.good + Self.demands {
            for (index, bit) in row.der.indices.flatMap({ index in (0..<8).map { (index, $0) } }) {
                var der = row.der
                der[index] ^= 1 << UInt8(bit)
                _ = Result { () throws(EnrolmentError) in try CSRAttributes.judge(der) }
            }
        }
    }

    private func expect(_ der: [UInt8], _ error: EnrolmentError?, sourceLocation: SourceLocation = #_sourceLocation) {
        var found: EnrolmentError?
        do throws(EnrolmentError) { try CSRAttributes.judge(der) } catch { found = error }
        #expect(found == error, sourceLocation: sourceLocation)
    }
}
