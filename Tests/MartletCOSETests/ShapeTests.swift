// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletCOSE
import MartletOpenSSL
import TestSupport
import Testing

/// A message with one thing about it that is unusual, and what becomes of it.
struct Shape: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let error: COSEError?
    let protected: Raw
    let unprotected: Raw
    var algorithm = KeyKind.p256

    init(_ name: String, _ error: COSEError?, _ protected: Raw, _ unprotected: Raw = .map([:])) {
        testDescription = name
        self.error = error
        self.protected = protected
        self.unprotected = unprotected
    }
}

private func wrongType(_ offset: Int) -> COSEError { .malformed(.unexpected(at: offset)) }

@Suite struct HeaderShapeTests {
    static let certificate = Raw.bstr([0x30, 0x00])

    /// Each is signed as it is, so that the header alone decides. The protected map begins at offset 3.
    static let shapes: [Shape] = [
        Shape("alg protected", nil, .map([1: -7])),
        Shape("alg in unprotected only: the key decides", nil, .map([4: .bstr([1])]), .map([1: -7])),
        Shape("alg nowhere: the key decides", nil, .map([4: .bstr([1])])),
        Shape("alg in both headers", .duplicateParameter(1), .map([1: -7]), .map([1: -7])),
        Shape("alg of another key", .unsupportedAlgorithm, .map([1: -8])),
        Shape("alg of another key, unprotected", .unsupportedAlgorithm, .map([4: .bstr([1])]), .map([1: -8])),
        Shape("alg ES384", .unsupportedAlgorithm, .map([1: -35])),
        Shape("alg HMAC 256", .unsupportedAlgorithm, .map([1: 5])),
        Shape("alg 0, reserved", .unsupportedAlgorithm, .map([1: 0])),
        Shape("alg none, as JOSE names it", .unsupportedAlgorithm, .map([1: "none"])),
        Shape("alg ES256 as text", .unsupportedAlgorithm, .map([1: "ES256"])),
        Shape("alg -2^64", .unsupportedAlgorithm, .map([1: Raw(hex: "3bffffffffffffffff")])),
        Shape("alg as bytes", wrongType(5), .map([1: .bstr([0x26])])),
        Shape("alg as array", wrongType(5), .map([1: .array([-7])])),
        Shape("alg null", wrongType(5), .map([1: .null])),
        Shape("alg as float -7", wrongType(5), .map([1: Raw(hex: "f9c700")])),
        Shape("alg twice in one header", .malformed(.duplicateKey(at: 6)), .map([1: -7, 1: -7])),
        Shape(
            "kid twice in the unprotected header", .malformed(.duplicateKey(at: 10)), .map([1: -7]),
            .map([4: .bstr([1]), 4: .bstr([1])])),
        Shape("crit", .criticalParameter, .map([1: -7, 2: .array([99]), 99: 0])),
        Shape("crit that names alg", .criticalParameter, .map([1: -7, 2: .array([1])])),
        Shape("empty crit", .criticalParameter, .map([1: -7, 2: .array([])])),
        Shape("crit unprotected", .criticalParameter, .map([1: -7]), .map([2: .array([1])])),
        Shape("unknown parameter", nil, .map([1: -7, 99: "x"])),
        Shape("text label", nil, .map([1: -7, "a": "x"])),
        Shape("label as bytes", .malformed(.unexpected(at: 6)), .map([1: -7, .bstr([1]): 0])),
        Shape("label true", .malformed(.unexpected(at: 6)), .map([1: -7, Raw([0xf5]): 0])),
        Shape("keys out of order", .malformed(.keyOrder(at: 6)), .map([4: .bstr([]), 1: -7])),
        Shape("key not in its shortest form", .malformed(.notShortest(at: 4)), .map([Raw(hex: "1801"): -7])),
        Shape("indefinite map", .malformed(.indefiniteLength(at: 3)), Raw(hex: "bf0126ff")),
        Shape("map with a pair too few", .malformed(.truncated(at: 3)), Raw(hex: "a20126")),
        Shape("byte after the map", .malformed(.trailingBytes(at: 6)), Raw(hex: "a1012600")),
        Shape("an array for the map", .malformed(.unexpected(at: 3)), .array([1, -7])),
        Shape("null for the map", .malformed(.unexpected(at: 3)), .null),
        Shape("content type as text", wrongType(7), .map([1: -7, 3: "a/b"])),
        Shape("content type negative", wrongType(7), .map([1: -7, 3: -1])),
        Shape("kid as text", wrongType(7), .map([1: -7, 4: "../../x"])),
        Shape("kid as number", wrongType(7), .map([1: -7, 4: 1])),
        Shape("kid with a path is bytes, no more", nil, .map([1: -7, 4: .bstr(Array("../../x".utf8))])),
        Shape("claims that are no map", wrongType(7), .map([1: -7, 15: .array([])])),
        Shape("x5chain, one certificate", nil, .map([1: -7, 33: certificate])),
        Shape("x5chain, four", nil, .map([1: -7, 33: .array([certificate, certificate, certificate, certificate])])),
        Shape(
            "x5chain, five", wrongType(8),
            .map([1: -7, 33: .array([certificate, certificate, certificate, certificate, certificate])])),
        Shape("x5chain, array of one", wrongType(8), .map([1: -7, 33: .array([certificate])])),
        Shape("x5chain, empty array", wrongType(8), .map([1: -7, 33: .array([])])),
        Shape("x5chain as text", wrongType(8), .map([1: -7, 33: "x"])),
        Shape("x5chain of numbers", wrongType(9), .map([1: -7, 33: .array([1, 2])])),
    ]

    @Test("COSE-04 headers", arguments: shapes)
    func headers(shape: Shape) throws {
        let key = try Vectors.p256()
        let message = try Raw.sign1(
            protected: shape.protected, unprotected: shape.unprotected, payload: [1], external: "x", key: key)
        #expect(refusal(message, external: [0x78], with: key.publicKey) == shape.error)
    }

    @Test("COSE-04 an empty protected header is h'' or h'a0', and signed as h''")
    func emptyProtected() throws {
        let key = try Vectors.p256()
        let signature = Raw.bstr(try Raw.signature(protected: [], payload: [1], external: [], key: key))
        let short = Raw.message(protected: .bstr([]), payload: .bstr([1]), signature: signature)
        let long = Raw.message(protected: .bstr([0xa0]), payload: .bstr([1]), signature: signature)
        #expect(try verify(short, with: key.publicKey) == verify(long, with: key.publicKey))
        let literal = Raw.bstr(try Raw.signature(protected: [0xa0], payload: [1], external: [], key: key))
        let other = Raw.message(protected: .bstr([0xa0]), payload: .bstr([1]), signature: literal)
        #expect(refusal(other, with: key.publicKey) == .badSignature)
    }

    @Test func `ranges of a header are those of the message`() throws {
        let chain: [Raw] = [.bstr([1, 2]), .bstr([3])]
        let protected = Raw.map([1: -8, 3: 60, 4: .bstr([9, 9]), 15: .map([1: "i"]), 33: .array(chain)])
        let message = Raw.message(
            protected: .bstr(protected.bytes), payload: .bstr([]), signature: .bstr([UInt8](repeating: 0, count: 64)))
        let sign1 = try Sign1(decoding: message.span, tagging: .required)
        let header = try COSEHeader(decoding: message.span, at: sign1.protected)
        #expect(header.algorithm == .edDSA && header.contentType == 60 && !header.hasUnknown)
        #expect(header.keyID.map { Array(message[$0]) } == [9, 9])
        #expect(header.claims.map { Array(message[$0]) } == Raw.map([1: "i"]).bytes)
        #expect(header.x5chain.map { Array(message[$0]) } == [[1, 2], [3]])
    }
}

@Suite struct MessageShapeTests {
    let key: PrivateKey
    let protected = Raw.bstr(Raw.map([1: -7]).bytes)
    let empty = Raw.map([:])
    let payload = Raw.bstr([1])
    let signature: Raw

    init() throws {
        key = try Vectors.p256()
        signature = .bstr(try Raw.signature(protected: Raw.map([1: -7]).bytes, payload: [1], external: [], key: key))
    }

    func refused(_ message: Raw) -> COSEError? { refusal(message.bytes, with: key.publicKey) }

    @Test("COSE-04 tags")
    func tags() {
        let body = Raw.array([protected, empty, payload, signature])
        #expect(refused(.tag(18, body)) == nil)
        #expect(refused(body) == .wrongTag)
        for number: UInt64 in [0, 16, 17, 19, 61, 97, 98, 998, 55799, .max] {
            #expect(refused(.tag(number, body)) == .wrongTag, "\(number)")
        }
        #expect(refused(.tag(61, .tag(18, body))) == .wrongTag, "a CWT tag around it")
        #expect(refused(.tag(18, .tag(18, body))) == .malformed(.unexpected(at: 1)))
        #expect(refused(Raw([0xd8, 18] + body.bytes)) == .wrongTag, "tag 18 not in its shortest form")
    }

    @Test("COSE-04 the array and its members")
    func members() {
        let text = Raw.text("x")
        let parts = [protected, empty, payload, signature]
        #expect(refused(.tag(18, .array(parts.dropLast()))) == .malformed(.unexpected(at: 1)))
        #expect(refused(.tag(18, .array(parts + [empty]))) == .malformed(.unexpected(at: 1)))
        #expect(refused(.tag(18, .map([:]))) == .malformed(.unexpected(at: 1)))
        #expect(refused(.tag(18, .array([empty, empty, payload, signature]))) == .malformed(.unexpected(at: 2)))
        #expect(refused(.tag(18, .array([text, empty, payload, signature]))) == .malformed(.unexpected(at: 2)))
        #expect(refused(.tag(18, .array([.null, empty, payload, signature]))) == .malformed(.unexpected(at: 2)))
        #expect(refused(.tag(18, .array([protected, .null, payload, signature]))) == .malformed(.unexpected(at: 6)))
        #expect(
            refused(.tag(18, .array([protected, protected, payload, signature]))) == .malformed(.unexpected(at: 6)))
        #expect(refused(.tag(18, .array([protected, empty, text, signature]))) == .malformed(.unexpected(at: 7)))
        #expect(refused(.tag(18, .array([protected, empty, empty, signature]))) == .malformed(.unexpected(at: 7)))
        #expect(refused(.tag(18, .array([protected, empty, payload, text]))) == .malformed(.unexpected(at: 9)))
        #expect(refused(.tag(18, .array([protected, empty, payload, .null]))) == .malformed(.unexpected(at: 9)))
    }

    @Test("COSE-04 a detached payload is refused, also if the right one is at hand")
    func detached() {
        #expect(refused(.tag(18, .array([protected, empty, .null, signature]))) == .detachedPayload)
        #expect(refused(.tag(18, .array([protected, empty, .bstr([]), signature]))) == .badSignature)
        #expect(refused(.tag(18, .array([protected, empty, .bstr([2]), signature]))) == .badSignature)
    }

    @Test("COSE-04 CBOR that is not deterministic")
    func deterministic() {
        func body(_ head: String, _ parts: [Raw]) -> Raw { Raw(bytes(hex: head) + parts.flatMap(\.bytes)) }
        let rest = [empty, payload, signature]
        #expect(refused(body("d29804", [protected] + rest)) == .malformed(.notShortest(at: 1)))
        #expect(refused(body("d29f", [protected] + rest + [Raw([0xff])])) == .malformed(.indefiniteLength(at: 1)))
        #expect(refused(body("d284 5803a10126", rest)) == .malformed(.notShortest(at: 2)))
        #expect(refused(body("d284 5f43a10126ff", rest)) == .malformed(.indefiniteLength(at: 2)))
        #expect(refused(body("d284 43a10126 b800", [payload, signature])) == .malformed(.notShortest(at: 6)))
        #expect(refused(body("d284 43a10126 bfff", [payload, signature])) == .malformed(.indefiniteLength(at: 6)))
        #expect(refused(body("d284 43a10126 a0 5f4101ff", [signature])) == .malformed(.indefiniteLength(at: 7)))
        #expect(refused(body("d284 43a10126 a0 4101 590040", [])) == .malformed(.notShortest(at: 9)))
        #expect(refused(body("d284 43a10126 a0 f7", [signature])) == .malformed(.unexpected(at: 7)), "undefined")
    }

    @Test("COSE-04 every prefix and one trailing byte are refused", arguments: bothKeys)
    func ends(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        let message = try sealed([1, 2, 3], by: key).message
        for count in message.indices {
            let prefix = Array(message[..<count])
            guard case .malformed = refusal(prefix, with: key.publicKey) else {
                Issue.record("\(count) bytes were not refused as malformed")
                continue
            }
            let untagged = Array(prefix.dropFirst())
            #expect(throws: COSEError.self) { try Sign1(decoding: untagged.span, tagging: .none) }
        }
        #expect(refusal(message + [0], with: key.publicKey) == .malformed(.trailingBytes(at: message.count)))
    }

    @Test("COSE-04 hostile nesting and lengths end in an error, at once")
    func hostile() {
        let deep = [UInt8](repeating: 0x81, count: 50_000)
        #expect(refused(Raw(deep)) == .malformed(.unexpected(at: 0)))
        #expect(refused(Raw(bytes(hex: "d284 43a10126") + [0xa1, 0x18, 99] + deep)) == .malformed(.tooDeep(at: 22)))
        #expect(refused(Raw([UInt8](repeating: 0xd2, count: 50_000))) == .malformed(.unexpected(at: 1)))
        for length in ["1a ffffffff", "1b 0000000100000000", "1b 8000000000000000", "1b ffffffffffffffff"] {
            let rest = bytes(hex: length)
            for (major, at) in [(UInt8(0x40), 2), (0x60, 2), (0x80, 2), (0xa0, 2)] {
                let message = bytes(hex: "d284") + [major | rest[0]] + rest.dropFirst() + [0, 0, 0]
                #expect(refused(Raw(message)) == .malformed(.truncated(at: at)))
            }
            let header = bytes(hex: "d284 43a10126") + [0xa0 | rest[0]] + rest.dropFirst() + [0, 0]
            #expect(refused(Raw(header)) == .malformed(.truncated(at: 6)))
            let payload = bytes(hex: "d284 43a10126 a0") + [0x40 | rest[0]] + rest.dropFirst() + [0, 0]
            #expect(refused(Raw(payload)) == .malformed(.truncated(at: 7)))
        }
    }

    @Test("COSE-04 hostile nesting and lengths inside a signed header")
    func hostileHeader() throws {
        for (header, error) in [
            (bytes(hex: "a1 1863") + [UInt8](repeating: 0x81, count: 2000), COSEError.malformed(.tooDeep(at: 23))),
            (bytes(hex: "bb 8000000000000000 01"), .malformed(.truncated(at: 3))),
            (bytes(hex: "a1 04 5b 8000000000000000"), .malformed(.truncated(at: 5))),
            (bytes(hex: "a1 0f bb 0000000100000000"), .malformed(.truncated(at: 5))),
            (bytes(hex: "a1 1821 9b 8000000000000000"), .malformed(.truncated(at: 6))),
        ] {
            let message = try Raw.sign1(protected: Raw(header), payload: [1], external: "", key: key)
            #expect(refusal(message, with: key.publicKey) == error, "\(hex(header.prefix(12)))")
        }
    }
}
