// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletCOSE
import MartletEnvelope
import MartletOpenSSL
import TestSupport
import Testing

/// A good command, one part of which a test replaces.
struct Parts {
    typealias Pairs = [(key: Raw, value: Raw)]

    let key: PrivateKey
    var header: Pairs
    var claims: Pairs = [
        (1, .text(controllerName)), (3, .text(deviceName)), (4, 2000), (5, 1000), (6, 1500),
        (7, .bstr([UInt8](repeating: 7, count: 16))), (10, .bstr([UInt8](repeating: 10, count: 16))), (261, 5),
        (-65537, .array([16, .null, 1, .null, .null, .null])),
    ]

    init(_ key: PrivateKey) {
        self.key = key
        let algorithm: Raw = key.kind == .p256 ? -7 : -8
        header = [(1, algorithm), (3, 60), (4, .bstr([UInt8](repeating: 4, count: 8)))]
    }

    /// Replaces, adds (in deterministic order) or, with nil, removes a parameter.
    func with(_ label: Int64, _ value: Raw?) -> Parts {
        var copy = self
        copy.header = Self.replacing(label, value, in: header)
        return copy
    }

    func claiming(_ label: Int64, _ value: Raw?) -> Parts {
        var copy = self
        copy.claims = Self.replacing(label, value, in: claims)
        return copy
    }

    private static func replacing(_ label: Int64, _ value: Raw?, in pairs: Pairs) -> Pairs {
        let label = Raw.int(label)
        var pairs = pairs.filter { $0.key.bytes != label.bytes }
        guard let value else { return pairs }
        let at = pairs.firstIndex { label.bytes.lexicographicallyPrecedes($0.key.bytes) } ?? pairs.count
        pairs.insert((label, value), at: at)
        return pairs
    }

    func message(context: String = "martlet/1/command", unprotected: Raw = .map([:])) throws -> [UInt8] {
        // Unless a test has replaced it.
        let hasClaims = header.contains { $0.key.bytes == Raw.int(15).bytes }
        let complete = hasClaims ? self : with(15, .map(claims))
        return try Raw.sign1(
            protected: .map(complete.header), unprotected: unprotected, payload: [0xa0], external: context, key: key)
    }
}

struct Edit: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let error: EnvelopeError?
    let apply: @Sendable (Parts) -> Parts

    init(_ name: String, _ error: EnvelopeError?, _ apply: @escaping @Sendable (Parts) -> Parts) {
        testDescription = name
        self.error = error
        self.apply = apply
    }

    static func claim(_ label: Int64, _ value: Raw?, _ name: String, _ error: EnvelopeError?) -> Edit {
        Edit("claim \(label): \(name)", error) { $0.claiming(label, value) }
    }

    static func header(_ label: Int64, _ value: Raw?, _ name: String, _ error: EnvelopeError?) -> Edit {
        Edit("header \(label): \(name)", error) { $0.with(label, value) }
    }

    /// The private claim with one of its six members replaced.
    static func member(_ index: Int, _ value: Raw, _ name: String, _ error: EnvelopeError?) -> Edit {
        var members: [Raw] = [16, .null, 1, .null, .null, .null]
        members[index] = value
        return claim(-65537, .array(members), "member \(index) \(name)", error)
    }
}

private let badType = EnvelopeError.claims(.unexpected(at: 0))
private let badMartlet = EnvelopeError.badClaim(-65537)

@Suite struct ClaimsTests {
    static let beyond = Raw.unsigned(1 << 40 + 1)
    static let huge = Raw.unsigned(.max)

    static let claimEdits: [Edit] = [
        .claim(1, nil, "missing", .missing(1)),
        .claim(1, "", "empty", .badClaim(1)),
        .claim(1, "https://x", "no URN", .badClaim(1)),
        .claim(1, "urn:a b", "with a space", .badClaim(1)),
        .claim(1, .text("urn:" + String(repeating: "a", count: 124)), "128 bytes", nil),
        .claim(1, .text("urn:" + String(repeating: "a", count: 125)), "129 bytes", .badClaim(1)),
        .claim(1, .bstr([0x75]), "bytes", badType),
        .claim(1, .null, "null", badType),
        .claim(1, Raw(hex: "64 75726ec0"), "not UTF-8", .cose(.malformed(.notUTF8(at: 0)))),
        .claim(1, Raw(hex: "66 75726e3ac0af"), "overlong UTF-8", .cose(.malformed(.notUTF8(at: 0)))),
        .claim(3, nil, "missing is allowed", nil),
        .claim(3, .array([.text(deviceName)]), "an array", badType),
        .claim(3, "sensor", "no URN", .badClaim(3)),
        .claim(4, nil, "missing is allowed", nil),
        .claim(4, 0, "1970", nil),
        .claim(4, .unsigned(1 << 40), "the last second", nil),
        .claim(4, beyond, "a second later", badType),
        .claim(4, huge, "2^64 - 1", badType),
        .claim(4, -1, "negative", badType),
        .claim(4, Raw(hex: "f94000"), "float", badType),
        .claim(4, .tag(1, 2000), "tagged", badType),
        .claim(4, "2000", "text", badType),
        .claim(5, beyond, "too late", badType),
        .claim(5, -1, "negative", badType),
        .claim(6, beyond, "too late", badType),
        .claim(6, Raw(hex: "fb41d2a05f00100000"), "float", badType),
        .claim(7, .bstr([UInt8](repeating: 0, count: 15)), "15 bytes", badType),
        .claim(7, .bstr([UInt8](repeating: 0, count: 17)), "17 bytes", badType),
        .claim(7, .bstr([]), "no bytes", badType),
        .claim(7, .text(String(repeating: "a", count: 16)), "text", badType),
        .claim(10, .bstr([UInt8](repeating: 0, count: 15)), "15 bytes", badType),
        .claim(10, .bstr([UInt8](repeating: 0, count: 17)), "17 bytes", badType),
        .claim(10, .array([.bstr([UInt8](repeating: 0, count: 16))]), "an array", badType),
        .claim(261, huge, "2^64 - 1", nil),
        .claim(261, -1, "negative", badType),
        .claim(2, "urn:x:y", "sub, which we do not have", .unknownClaim),
        .claim(8, .map([:]), "cnf, which we do not have", .unknownClaim),
        .claim(-65538, 0, "unknown, after all others", .unknownClaim),
        .claim(0, 0, "unknown, before all others", .unknownClaim),
        Edit("claim with a text label", badType) { parts in
            var copy = parts
            copy.claims.append(("a", 0))
            return copy
        },
        Edit("claim with a label of 2^63", badType) { parts in
            var copy = parts
            copy.claims.insert((Raw(hex: "1b8000000000000000"), 0), at: 8)
            return copy
        },
        Edit("claim twice", .cose(.malformed(.duplicateKey(at: 0)))) { parts in
            var copy = parts
            copy.claims.insert(parts.claims[2], at: 2)
            return copy
        },
        Edit("claims out of order", .cose(.malformed(.keyOrder(at: 0)))) { parts in
            var copy = parts
            copy.claims.swapAt(0, 1)
            return copy
        },
        Edit("no claims", .missing(1)) { parts in
            var copy = parts
            copy.claims = []
            return copy
        },
    ]

    static let memberEdits: [Edit] = [
        .claim(-65537, nil, "missing", .missing(-65537)),
        .claim(-65537, .null, "null", badType),
        .claim(-65537, 16, "a number", badType),
        .claim(-65537, .array([16, .null, 1, .null, .null]), "five members", badType),
        .claim(-65537, .array([16, .null, 1, .null, .null, .null, .null]), "seven members", badType),
        .member(0, .null, "null", badType),
        .member(0, 0, "0", badMartlet),
        .member(0, 9, "9", badMartlet),
        .member(0, 21, "21", badMartlet),
        .member(0, 255, "255", badMartlet),
        .member(0, 272, "16 modulo 256", badMartlet),
        .member(0, huge, "2^64 - 1", badMartlet),
        .member(0, -1, "negative", badType),
        .member(0, "command", "text", badType),
        .member(0, 2, "telemetry", .wrongPurpose),
        .member(1, 3, "3", badMartlet),
        .member(1, 256, "0 modulo 256", badMartlet),
        .member(1, -1, "negative", badType),
        .member(1, 2, "2", nil),
        .member(2, -1, "negative", badType),
        .member(2, "1", "text", badType),
        .member(2, huge, "2^64 - 1", nil),
        .member(3, 1, "a number", badType),
        .member(3, .array([1]), "one member", badType),
        .member(3, .array([1, .bstr([UInt8](repeating: 0, count: 31))]), "31 bytes", badType),
        .member(3, .array([1, .bstr([UInt8](repeating: 0, count: 33))]), "33 bytes", badType),
        .member(3, .array([-1, .bstr([UInt8](repeating: 0, count: 32))]), "negative", badType),
        .member(3, .array([1, .bstr([UInt8](repeating: 0, count: 32))]), "32 bytes", nil),
        .member(4, 3, "3", badMartlet),
        .member(4, 258, "2 modulo 256", badMartlet),
        .member(4, Raw([0xf5]), "true", badType),
        .member(5, .bstr([UInt8](repeating: 0, count: 16)), "no array", badType),
        .member(5, .array([.bstr([UInt8](repeating: 0, count: 15)), 1]), "15 bytes", badType),
        .member(5, .array([.bstr([UInt8](repeating: 0, count: 16)), -1]), "negative", badType),
        .member(5, .array([.bstr([UInt8](repeating: 0, count: 16)), .null]), "null", badType),
        .member(5, Raw([0xf7]), "undefined", badType),
    ]

    static let certificate = Raw.bstr([0x30, 0])

    static let headerEdits: [Edit] = [
        .header(1, nil, "missing", .cose(.missingAlgorithm)),
        .header(1, -8, "of another key", .cose(.unsupportedAlgorithm)),
        .header(1, -9, "unknown", .cose(.unsupportedAlgorithm)),
        .header(1, "ES256", "text", .cose(.unsupportedAlgorithm)),
        .header(2, .array([15]), "crit", .cose(.criticalParameter)),
        .header(3, nil, "missing", .missing(3)),
        .header(3, "application/cbor", "text", .cose(.malformed(.unexpected(at: 0)))),
        .header(3, huge, "2^64 - 1", nil),
        .header(4, nil, "missing", .missing(4)),
        .header(4, .bstr([]), "no bytes", .cose(.badParameter(4))),
        .header(4, .bstr([UInt8](repeating: 0, count: 7)), "7 bytes", .cose(.badParameter(4))),
        .header(4, .bstr([UInt8](repeating: 0, count: 9)), "9 bytes", .cose(.badParameter(4))),
        .header(4, .bstr(Array("../../x".utf8)), "a path", .cose(.badParameter(4))),
        .header(4, .text("../../xy"), "text", .cose(.malformed(.unexpected(at: 0)))),
        .header(5, .bstr([0]), "IV, which we do not have", .unknownParameter),
        .header(16, .text("a/b"), "typ, which we do not have", .unknownParameter),
        .header(-1, 0, "unknown and negative", .unknownParameter),
        .header(15, .bstr([0xa0]), "claims as bytes", .cose(.malformed(.unexpected(at: 0)))),
        .header(33, certificate, "x5chain of a command", .cose(.badParameter(33))),
        .header(33, .array([certificate, certificate]), "x5chain of a command, two", .cose(.badParameter(33))),
        .header(33, .array([certificate]), "x5chain, array of one", .cose(.malformed(.unexpected(at: 0)))),
    ]

    @Test("COSE-04 claims", arguments: claimEdits + memberEdits)
    func claims(edit: Edit) throws {
        for make in bothKeys {
            let key = try make()
            let message = try edit.apply(Parts(key)).message()
            #expect(refusal(message, with: key.publicKey)?.anywhere == edit.error)
        }
    }

    @Test("COSE-04 headers of an envelope", arguments: headerEdits)
    func headers(edit: Edit) throws {
        let key = try Vectors.p256()
        let message = try edit.apply(Parts(key)).message()
        #expect(refusal(message, with: key.publicKey)?.anywhere == edit.error)
    }

    @Test("COSE-04 an unprotected header that is not empty is refused")
    func unprotected() throws {
        let key = try Vectors.p256()
        let parts = Parts(key)
        #expect(refusal(try parts.message(), with: key.publicKey) == nil)
        for header: Raw in [.map([4: .bstr([1])]), .map([99: 0]), .map(["a": 0])] {
            #expect(refusal(try parts.message(unprotected: header), with: key.publicKey) == .unprotectedHeader)
        }
        let moved = try parts.with(1, nil).message(unprotected: .map([1: -7]))
        #expect(refusal(moved, with: key.publicKey) == .unprotectedHeader)
        let untagged = Array(try parts.message().dropFirst())
        #expect(refusal(untagged, with: key.publicKey) == .cose(.wrongTag))
    }

    @Test("COSE-04 a missing claims parameter and missing headers are refused")
    func missing() throws {
        let key = try Vectors.p256()
        var header = Parts(key).header
        func message() throws -> [UInt8] {
            try Raw.sign1(protected: .map(header), payload: [0xa0], external: "martlet/1/command", key: key)
        }
        #expect(refusal(try message(), with: key.publicKey) == .missing(15))
        header = []
        #expect(refusal(try message(), with: key.publicKey) == .cose(.missingAlgorithm))
    }
}
