// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCBOR
import MartletCOSE
import MartletOpenSSL
import TestSupport
import Testing

@Suite struct COSESignatureTests {
    let payload = Array("set-interval 60".utf8)

    /// The order of P-256 (SEC 2 section 2.4.2).
    static let order = bytes(hex: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
    /// The order of Ed25519's group, little endian (RFC 8032 section 5.1).
    static let edwardsOrder = bytes(hex: "edd3f55c1a631258d69cf7a2def9de14" + "00000000000000000000000000000010")

    /// `message` with its last 64 bytes, the signature, replaced by a byte string of `signature`.
    func replacing(_ message: [UInt8], _ signature: [UInt8]) -> [UInt8] {
        message.dropLast(66) + Raw.bstr(signature).bytes
    }

    /// a − b or a + b of big-endian numbers, modulo 2^256.
    func combine(_ a: [UInt8], _ b: [UInt8], minus: Bool) -> [UInt8] {
        var carry = 0
        return zip(a, b).reversed().map { a, b in
            let sum = minus ? Int(a) - Int(b) - carry : Int(a) + Int(b) + carry
            carry = sum < 0 || sum > 255 ? 1 : 0
            return UInt8(truncatingIfNeeded: sum)
        }.reversed()
    }

    @Test("COSE-01 ES256: r or s of 0, 1, n, n + 1 and 2^256 - 1 is refused")
    func range() throws {
        let key = try Vectors.p256()
        let message = try sealed(payload, by: key).message
        let (r, s) = (Array(message.suffix(64).prefix(32)), Array(message.suffix(32)))
        let zero = [UInt8](repeating: 0, count: 32)
        let one = zero.dropLast() + [1]
        let above = combine(Self.order, Array(one), minus: false)
        for bad in [zero, Array(one), Self.order, above, [UInt8](repeating: 0xff, count: 32)] {
            for signature in [bad + s, r + bad, bad + bad] {
                #expect(refusal(replacing(message, signature), with: key.publicKey) == .badSignature)
            }
        }
        #expect(refusal(replacing(message, s + r), with: key.publicKey) == .badSignature)
        #expect(refusal(message, with: key.publicKey) == nil)
    }

    @Test("COSE-01 ES256: (r, n - s) verifies, and the hash of the message is the same")
    func malleable() throws {
        let key = try Vectors.p256()
        for _ in 0..<8 {
            let (message, digest) = try sealed(payload, by: key)
            let (r, s) = (Array(message.suffix(64).prefix(32)), Array(message.suffix(32)))
            let mirrored = replacing(message, r + combine(Self.order, s, minus: true))
            #expect(mirrored != message)
            #expect(try verify(mirrored, with: key.publicKey) == digest)
        }
    }

    @Test("COSE-01 EdDSA: s + L is refused")
    func edwardsRange() throws {
        let key = try Vectors.ed25519()
        let message = try sealed(payload, by: key).message
        let (r, s) = (Array(message.suffix(64).prefix(32)), Array(message.suffix(32)))
        let above = combine(s.reversed(), Self.edwardsOrder.reversed(), minus: false)
        #expect(refusal(replacing(message, r + above.reversed()), with: key.publicKey) == .badSignature)
        #expect(refusal(replacing(message, r + s), with: key.publicKey) == nil)
    }

    @Test("COSE-01 all zero, all ones and halves exchanged are refused", arguments: bothKeys)
    func constants(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        let message = try sealed(payload, by: key).message
        let signature = Array(message.suffix(64))
        for bad in [
            [UInt8](repeating: 0, count: 64), [UInt8](repeating: 0xff, count: 64),
            Array(signature.suffix(32) + signature.prefix(32)), signature.reversed(),
        ] {
            #expect(refusal(replacing(message, bad), with: key.publicKey) == .badSignature)
        }
    }

    @Test("COSE-01 a signature of any other length is refused, also DER", arguments: bothKeys)
    func length(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        let message = try sealed(payload, by: key).message
        let signature = Array(message.suffix(64))
        let der = [0x30, 68, 2, 32] + signature.prefix(32) + [2, 32] + signature.suffix(32)
        let others = [[], [0], Array(signature.prefix(63)), signature + [0], signature + signature, der]
        for bad in others {
            #expect(refusal(replacing(message, bad), with: key.publicKey) == .wrongSignatureLength, "\(bad.count)")
        }
    }

    @Test("COSE-01 another key, another context and another payload are refused", arguments: bothKeys)
    func others(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        let message = try sealed(payload, external: [1, 2], by: key).message
        #expect(refusal(message, external: [1, 2], with: key.publicKey) == nil)
        #expect(refusal(message, external: [1], with: key.publicKey) == .badSignature)
        #expect(refusal(message, external: [], with: key.publicKey) == .badSignature)
        let other = try PrivateKey.generate(key.kind).publicKey
        #expect(refusal(message, external: [1, 2], with: other) == .badSignature)
        var swapped = message
        swapped[10] ^= 1
        #expect(refusal(swapped, external: [1, 2], with: key.publicKey) == .badSignature)
    }

    @Test("COSE-01 a byte cannot move between context and payload", arguments: bothKeys)
    func boundaries(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        let message = try sealed(payload, external: [0x61], by: key).message
        let signature = Array(message.suffix(64))
        let protected = Raw.bstr(Array(message[3..<message.firstIndex(of: 0xa0)!]))
        let moved = Raw.message(protected: protected, payload: .bstr([0x61] + payload), signature: .bstr(signature))
        #expect(refusal(moved, external: [], with: key.publicKey) == .badSignature)
    }

    @Test("COSE-03 every bit flip of a message is refused", arguments: bothKeys)
    func flips(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        let message = try sealed(payload, external: [7], by: key).message
        for bit in 0..<(message.count * 8) {
            var flipped = message
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(refusal(flipped, external: [7], with: key.publicKey) != nil, "bit \(bit)")
        }
    }

    @Test("COSE-02 what is sealed verifies; the hash is that of the Sig_structure", arguments: bothKeys)
    func roundTrip(make: @Sendable () throws -> PrivateKey) throws {
        let key = try make()
        for size in [0, 1, 23, 24, 255, 256, 3000] {
            let payload = [UInt8](repeating: 0x55, count: size)
            let (message, digest) = try sealed(payload, external: [9], by: key)
            #expect(try verify(message, external: [9], with: key.publicKey) == digest)
            let protected = Raw.bstr(Raw.map([1: .int(key.kind == .p256 ? -7 : -8)]).bytes)
            let signed = Raw.array(["Signature1", protected, .bstr([9]), .bstr(payload)]).bytes
            #expect(try digest == Digest(SHA256().digest(signed.span)))
            let sign1 = try Sign1(decoding: message.span, tagging: .required)
            #expect(Array(message[sign1.payload]) == payload)
        }
    }

    @Test func `one buffer serves long and short messages in turn`() throws {
        let key = try Vectors.ed25519()
        var structure = SigStructure(limit: 4096)
        for size in [3000, 1, 2999, 0] {
            let (message, digest) = try sealed([UInt8](repeating: 1, count: size), by: key)
            let sign1 = try Sign1(decoding: message.span, tagging: .required)
            let again = try sign1.verify(
                message.span, external: [UInt8]().span, with: KeyVerifier(key.publicKey), hashing: OpenSSLHashing(),
                structure: &structure)
            #expect(again == digest)
        }
    }

    @Test func `more bytes than the buffer's limit are refused, the limit itself is not`() throws {
        let key = try Vectors.ed25519()
        let protected = Raw.map([1: -8]).bytes
        var structure = SigStructure(limit: 100)
        for (external, payload, fits) in [
            (20, 77, true), (20, 78, false), (97, 0, true), (98, 0, false), (101, 0, false),
        ] {
            let external = [UInt8](repeating: 0, count: external)
            let payload = [UInt8](repeating: 0, count: payload)
            var message: [UInt8] = [1, 2, 3]
            var error: COSEError?
            do throws(COSEError) {
                _ = try Sign1.append(
                    to: &message, protected: protected.span, payload: payload.span, external: external.span,
                    by: KeySigner(key), hashing: try! OpenSSLHashing(), structure: &structure)
            } catch let caught {
                error = caught
            }
            #expect(error == (fits ? nil : .tooLarge(limit: 100)))
            #expect(message.prefix(3) == [1, 2, 3])
            #expect((message.count == 3) == !fits)
        }
    }

    @Test func `a key that cannot sign leaves the message as it was`() throws {
        final class Broken: Signer {
            let algorithm = COSEAlgorithm.es256
            func sign(_ message: Span<UInt8>, digest: Digest) throws(COSEError) -> SignatureBytes {
                throw .signingFailed
            }
        }
        var structure = SigStructure(limit: 100)
        var message: [UInt8] = [1]
        #expect(throws: COSEError.signingFailed) {
            try Sign1.append(
                to: &message, protected: [0xa0].span, payload: [1].span, external: [UInt8]().span, by: Broken(),
                hashing: OpenSSLHashing(), structure: &structure)
        }
        #expect(message == [1])
    }
}
