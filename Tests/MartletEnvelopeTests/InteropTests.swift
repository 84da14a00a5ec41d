// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope
import MartletOpenSSL
import TestSupport
import Testing

/// The envelopes in Tests/Vectors/envelopes. `Tests/interop` reads ours with pycose and cwt, and made the others.
@Suite struct InteropTests {
    static let command = Raw.map([0: "set-interval", 1: .array([60]), 3: 1]).bytes

    static func birthClaims() -> Claims {
        var claims = Claims(purpose: .birth)
        claims.clock = .untrusted
        claims.boot = BootTime(id: bytes16(0xb0), milliseconds: 5_000_000_000)
        claims.uptime = 5_000_000
        return claims
    }

    static let birth = Raw.map([
        0: 3, 1: 2, 2: .bstr([UInt8](repeating: 0x5a, count: 16)),
        3: .map([1: .array([70_000, .bstr([UInt8](repeating: 0xd1, count: 32))])]), 4: 0,
        5: .array([.array(["martlet", "1.0"])]),
    ]).bytes

    @Test("COSE-02 EdDSA envelopes have the bytes of the vectors")
    func golden() throws {
        let key = try Vectors.ed25519()
        let device = try sealer(deviceName, key)
        let pack = try Vectors.hex("senml-pack.hex")

        var message: [UInt8] = []
        _ = try device.seal(
            Self.birthClaims(), contentType: ContentFormat.cbor, payload: Self.birth.span,
            x5chain: [Vectors.hex("envelopes/device-certificate.hex")], into: &message)
        #expect(try hex(message) == hex(Vectors.hex("envelopes/martlet-birth-eddsa.hex")))

        message = []
        _ = try device.seal(
            telemetryClaims(), contentType: ContentFormat.senML, payload: pack.span, into: &message)
        #expect(try hex(message) == hex(Vectors.hex("envelopes/martlet-telemetry-eddsa.hex")))

        #expect(try hex(Self.command(by: key)) == hex(Vectors.hex("envelopes/martlet-command-eddsa.hex")))
    }

    static func command(by key: PrivateKey) throws -> [UInt8] {
        var message: [UInt8] = []
        _ = try sealer(controllerName, key).seal(
            commandClaims(), audience: Array(deviceName.utf8), contentType: ContentFormat.cbor, payload: command.span,
            into: &message)
        return message
    }

    @Test("COSE-02 commands signed by pycose, cwt and us are one command", arguments: ["martlet", "pycose", "cwt"])
    func others(maker: String) throws {
        for (name, key) in [("eddsa", try Vectors.ed25519()), ("es256", try Vectors.p256())] {
            let message = try Vectors.hex("envelopes/\(maker)-command-\(name).hex")
            let (envelope, hash) = try open(message, as: .command, with: key.publicKey)
            #expect(envelope.claims == commandClaims())
            #expect(String(decoding: message[envelope.issuer], as: UTF8.self) == controllerName)
            #expect(envelope.audience.map { String(decoding: message[$0], as: UTF8.self) } == deviceName)
            #expect(Array(message[envelope.payload]) == Self.command)
            // All but the signature is what we write, so the hash is ours, too.
            let own = try Self.command(by: key)
            #expect(message.dropLast(64) == own.dropLast(64))
            #expect(try open(own, as: .command, with: key.publicKey).digest == hash)
            #expect(refusal(message, as: .approval, with: key.publicKey) == .wrongPurpose)
            #expect(
                refusal(message.dropLast() + [message[message.count - 1] ^ 1], with: key.publicKey)
                    == .cose(.badSignature))
        }
    }
}
