// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCBOR
import MartletCOSE
import MartletOpenSSL
import TestSupport
import Testing

/// One file of github.com/cose-wg/Examples, as far as it concerns us.
struct Sign1Vector: Decodable {
    struct Input: Decodable { let sign0: Sign0 }
    struct Sign0: Decodable {
        let key: JWK
        let external: String?
    }
    struct JWK: Decodable { let x, y, d: String }
    struct Intermediates: Decodable { let ToBeSign_hex: String }
    struct Output: Decodable { let cbor: String }

    let title: String
    let fail: Bool?
    let input: Input
    let intermediates: Intermediates
    let output: Output

    static func read(_ name: String) throws -> Sign1Vector {
        try JSONDecoder().decode(Sign1Vector.self, from: Vectors.data("cose-sign1/\(name).json"))
    }

    var message: [UInt8] { bytes(hex: output.cbor) }
    var external: [UInt8] { bytes(hex: input.sign0.external ?? "") }

    func key() throws -> PrivateKey {
        let jwk = input.sign0.key
        return try Vectors.p256(d: base64url(jwk.d), x: base64url(jwk.x), y: base64url(jwk.y))
    }

    private func base64url(_ text: String) throws -> [UInt8] {
        let standard = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        let padded = standard + String(repeating: "=", count: (4 - standard.count % 4) % 4)
        return Array(try #require(Data(base64Encoded: padded)))
    }
}

@Suite struct Sign1VectorTests {
    @Test("COSE-02 the published messages verify", arguments: ["sign-pass-01", "sign-pass-02", "sign-pass-03"])
    func pass(name: String) throws {
        let vector = try Sign1Vector.read(name)
        let tagging: Sign1.Tagging = name == "sign-pass-03" ? .none : .required
        let key = try vector.key().publicKey
        let digest = try verify(vector.message, tagging: tagging, external: vector.external, with: key)
        let signed = bytes(hex: vector.intermediates.ToBeSign_hex)
        #expect(try digest == Digest(SHA256().digest(signed.span)), "the hash is that of the Sig_structure")
        #expect(
            refusal(vector.message, tagging: tagging, external: vector.external + [0], with: key) == .badSignature)
    }

    @Test(
        "COSE-02 the published forgeries are refused",
        arguments: [
            ("sign-fail-01", COSEError.wrongTag), ("sign-fail-02", .badSignature),
            ("sign-fail-03", .unsupportedAlgorithm), ("sign-fail-04", .unsupportedAlgorithm),
            ("sign-fail-06", .badSignature), ("sign-fail-07", .badSignature),
        ])
    func fail(name: String, error: COSEError) throws {
        let vector = try Sign1Vector.read(name)
        #expect(vector.fail == true)
        #expect(refusal(vector.message, external: vector.external, with: try vector.key().publicKey) == error)
    }

    @Test("COSE-02 no published file is left out")
    func complete() throws {
        #expect(try Vectors.files("cose-sign1").count == 9)
    }

    @Test("COSE-02 a missing tag is accepted only where the caller says so, and a tag only where it does not")
    func tagging() throws {
        let untagged = try Sign1Vector.read("sign-pass-03")
        let key = try untagged.key().publicKey
        #expect(refusal(untagged.message, tagging: .required, with: key) == .wrongTag)
        #expect(refusal(untagged.message, tagging: .none, with: key) == nil)
        let tagged = [0xd2] + untagged.message
        #expect(refusal(tagged, tagging: .required, with: key) == nil)
        #expect(refusal(tagged, tagging: .none, with: key) == .wrongTag)
    }
}
