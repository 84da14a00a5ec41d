// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCOSE
import MartletOpenSSL

/// RFC 9052, with the messages of github.com/cose-wg/Examples.
enum COSEChecks {
    static var all: [Check] {
        [
            Check("COSE: the published messages verify, the published forgeries do not", vectors),
            Check("COSE: every prefix and every bit flip of a published message is refused", damaged),
        ]
    }

    private static func vectors() throws(Failure) {
        try require(COSEVector.all.count == 9, "vectors")
        let key = try publicKey()
        for vector in COSEVector.all {
            let message = bytes(hex: vector.message)
            let external = bytes(hex: vector.external)
            let refusal = try refusal(message, external, key)
            try require((refusal != nil) == vector.isForged, "wrong verdict:", name: vector.name)
            if vector.isForged { continue }
            try require(
                try self.refusal(message, external + [0], key) == .badSignature, "other external data:",
                name: vector.name)
        }
    }

    private static func damaged() throws(Failure) {
        let key = try publicKey()
        let vector = try require(COSEVector.all.first { !$0.isForged }, "no message")
        let message = bytes(hex: vector.message)
        let external = bytes(hex: vector.external)
        for length in message.indices {
            let refusal = try refusal([UInt8](message[..<length]), external, key)
            guard case .malformed? = refusal else { throw Failure(why: "prefix", number: Int64(length)) }
        }
        for bit in 0..<message.count * 8 {
            var bad = message
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            let refusal = try refusal(bad, external, key)
            // The unprotected key id is not covered.
            try require(refusal != nil || isKeyID(bit / 8, message), "bit", number: Int64(bit))
        }
    }

    private static func isKeyID(_ offset: Int, _ message: [UInt8]) -> Bool {
        guard let sign1 = try? Sign1(decoding: message.span, tagging: .required) else { return false }
        return sign1.unprotected.contains(offset)
    }

    private static func publicKey() throws(Failure) -> KeyVerifier {
        KeyVerifier(try require(try? PublicKey(spki: bytes(hex: COSEVector.publicKey).span), "public key"))
    }

    /// Why a message is refused; one without tag is read as such.
    private static func refusal(
        _ message: [UInt8], _ external: [UInt8], _ key: KeyVerifier
    ) throws(Failure) -> COSEError? {
        let hashing = try hashing()
        var structure = SigStructure(limit: 4096)
        do throws(COSEError) {
            let sign1 = try Sign1(decoding: message.span, tagging: message.first == 0x84 ? .none : .required)
            _ = try sign1.verify(
                message.span, external: external.span, with: key, hashing: hashing, structure: &structure)
            return nil
        } catch {
            return error
        }
    }
}
