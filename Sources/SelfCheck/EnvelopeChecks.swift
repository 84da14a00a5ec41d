// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletTestKit

/// The project's own envelopes, its golden files and the worked examples of its protocol document.
enum EnvelopeChecks {
    static var all: [Check] {
        [
            Check("envelope: seal and open with P-256, numbers beyond 2^32") { () throws(Failure) in
                try sealAndOpen(.p256)
            },
            Check("envelope: seal and open with Ed25519, numbers beyond 2^32") { () throws(Failure) in
                try sealAndOpen(.ed25519)
            },
            Check("envelope: the golden files are written byte for byte", golden),
            Check("envelope: commands of Martlet, pycose and cwt verify, for their purpose only", commands),
            Check("PROTOCOL.md: the worked examples verify, with the printed hashes", examples),
            Check("PROTOCOL.md: the resume and the command are taken, the receipt is their answer", exchange),
        ]
    }

    static let deviceName: StaticString = "urn:dev:mac:0024befffe804ff1"

    private static func sealAndOpen(_ kind: KeyKind) throws(Failure) {
        let key = try require(try? TestKey(kind, seed: seed), "key")
        let stranger = try require(try? TestKey(kind, seed: seed + 1), "key")
        let sealer = key.sealer(bytes(deviceName))
        let payload = bytes("payload")
        for number in edges where number <= 1 << 40 {
            var claims = Claims(purpose: .telemetry)
            claims.lane = .normal
            claims.sequence = ~number
            claims.previous = ChainHead(sequence: ~number - 1, digest: try sha256([]))
            claims.clock = .trusted
            claims.boot = BootTime(id: bytes16(7), milliseconds: ~number)
            claims.issuedAt = number
            claims.expires = number
            claims.notBefore = number
            claims.uptime = ~number
            claims.id = bytes16(1)
            claims.nonce = bytes16(2)
            var message: [UInt8] = []
            let digest = try require(
                try? sealer.seal(
                    claims, audience: bytes("urn:example:x"), contentType: ContentFormat.cbor, payload: payload.span,
                    into: &message), "seal", number: Int64(number))
            let envelope = try require(try? Envelope(decoding: message.span), "open", number: Int64(number))
            try require(envelope.claims == claims, "claims", number: Int64(number))
            try require([UInt8](message[envelope.payload]) == payload, "payload", number: Int64(number))
            try require([UInt8](message[envelope.issuer]) == bytes(deviceName), "issuer", number: Int64(number))
            try require(verified(envelope, message, .telemetry, key) == digest, "verify", number: Int64(number))
            try require(verified(envelope, message, .event, key) == nil, "other purpose", number: Int64(number))
            try require(verified(envelope, message, .telemetry, stranger) == nil, "other key", number: Int64(number))
        }
    }

    private static func verified(
        _ envelope: Envelope, _ message: [UInt8], _ purpose: Purpose, _ key: TestKey
    ) -> Digest? {
        var structure = Envelope.makeStructure()
        return try? envelope.verify(
            message.span, as: purpose, with: key.verifier, hashing: key.hashing, structure: &structure)
    }

    private static func golden() throws(Failure) {
        let device = try deviceSealer()
        let birth = Birth(
            run: 3, connection: 2, challenge: bytes16(0x5a), heads: heads(70_000, Digest(InlineArray(repeating: 0xd1))),
            software: [Birth.Software(name: bytes("martlet"), version: bytes("1.0"))])
        var claims = Claims(purpose: .birth)
        claims.clock = .untrusted
        claims.boot = BootTime(id: bytes16(0xb0), milliseconds: 5_000_000_000)
        claims.uptime = 5_000_000
        var message: [UInt8] = []
        var payload = try require(birth.encoded(), "birth")
        let certificate = try ByteVector.named("device-certificate", in: ByteVector.files)
        _ = try require(
            try? device.seal(
                claims, contentType: ContentFormat.cbor, payload: payload.span, x5chain: [certificate],
                into: &message), "seal")
        try require(try message == ByteVector.named("martlet-birth-eddsa", in: ByteVector.files), "birth")

        claims = Claims(purpose: .telemetry)
        claims.lane = .normal
        claims.sequence = 70_000
        claims.previous = ChainHead(sequence: 69_999, digest: Digest(InlineArray(repeating: 0xd1)))
        claims.clock = .trusted
        claims.boot = BootTime(id: bytes16(0xb0), milliseconds: 5_000_000_000)
        claims.issuedAt = 1_763_769_600
        claims.uptime = 5_000_000
        message = []
        payload = try SenMLChecks.vector()
        _ = try require(
            try? device.seal(claims, contentType: ContentFormat.senML, payload: payload.span, into: &message), "seal")
        try require(try message == ByteVector.named("martlet-telemetry-eddsa", in: ByteVector.files), "telemetry")
    }

    /// The device of the golden files and of the worked examples.
    private static func deviceSealer() throws(Failure) -> EnvelopeSealer {
        let key = try require(try? PrivateKey(pem: bytes(TestVectorKey.ed25519).span), "key")
        let spki = key.publicKey.spki
        return EnvelopeSealer(
            issuer: bytes(deviceName), publicKey: spki.span, signer: KeySigner(key), hashing: try hashing())
    }

    private static func heads(_ sequence: UInt64, _ digest: Digest) -> LaneHeads {
        var heads = LaneHeads()
        heads[.normal] = ChainHead(sequence: sequence, digest: digest)
        return heads
    }

    private static let commandFiles: [(name: StaticString, isEdDSA: Bool)] = [
        ("martlet-command-eddsa", true), ("pycose-command-eddsa", true), ("cwt-command-eddsa", true),
        ("martlet-command-es256", false), ("pycose-command-es256", false), ("cwt-command-es256", false),
    ]

    private static func commands() throws(Failure) {
        let ed25519 = try require(try? PrivateKey(pem: bytes(TestVectorKey.ed25519).span), "key").publicKey
        let p256 = try require(try? PublicKey(spki: bytes(hex: COSEVector.publicKey).span), "key")
        for (name, isEdDSA) in commandFiles {
            let message = try ByteVector.named(name, in: ByteVector.files)
            let envelope = try require(try? Envelope(decoding: message.span), "open", name: name)
            let command = try require(
                try? Command(decoding: message.span.extracting(envelope.payload)), "payload", name: name)
            try require(
                command == Command(name: bytes("set-interval"), arguments: [.integer(60)]), "command", name: name)
            let verifier = KeyVerifier(isEdDSA ? ed25519 : p256)
            let hashing = try hashing()
            var structure = Envelope.makeStructure()
            for purpose in Purpose.allCases {
                let digest = try? envelope.verify(
                    message.span, as: purpose, with: verifier, hashing: hashing, structure: &structure)
                try require(
                    (digest != nil) == (purpose == .command), "purpose", number: Int64(purpose.rawValue), name: name)
            }
        }
    }

    private static let parties: [(name: StaticString, purpose: Purpose, key: StaticString)] = [
        ("birth", .birth, device), ("resume", .resume, gateway), ("telemetry", .telemetry, device),
        ("command", .command, controller), ("receipt", .receipt, device), ("trust", .trust, root),
        ("checkpoint", .checkpoint, device),
    ]

    /// SubjectPublicKeyInfo of TEST 1, 2, 3 and SHA(abc) of RFC 8032 section 7.1.
    private static let device: StaticString =
        "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    private static let controller: StaticString =
        "302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    private static let gateway: StaticString =
        "302a300506032b6570032100fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    private static let root: StaticString =
        "302a300506032b6570032100ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"

    private static func examples() throws(Failure) {
        let hashes = try ByteVector.named("hashes", in: ByteVector.examples)
        try require(hashes.count == parties.count * 32, "hashes")
        for (index, party) in parties.enumerated() {
            var message = try ByteVector.named(party.name, in: ByteVector.examples)
            // An array of one envelope.
            if party.purpose == .trust { message.removeFirst() }
            let envelope = try require(try? Envelope(decoding: message.span), "open", name: party.name)
            let key = KeyVerifier(
                try require(try? PublicKey(spki: bytes(hex: party.key).span), "key", name: party.name))
            let hashing = try hashing()
            var structure = Envelope.makeStructure()
            let digest = try require(
                try? envelope.verify(
                    message.span, as: party.purpose, with: key, hashing: hashing, structure: &structure), "verify",
                name: party.name)
            try require(array(digest) == [UInt8](hashes[index * 32..<index * 32 + 32]), "hash", name: party.name)
        }
    }

    private static func exchange() throws(Failure) {
        let hashing = try hashing()
        let pinned = bytes(hex: root)
        let trusted = TrustRoot(
            hashing.sha256(pinned.span), deviceName: bytes(deviceName), keys: OpenSSLKeyReading(), hashing: hashing)
        let document = try ByteVector.named("trust", in: ByteVector.examples)
        let gate = CommandGate(
            root: trusted, policy: try require(try? TrustPolicy.first(document, trusted), "trust document"), now: 0)
        let declaration = try require(
            CommandDeclaration(name: bytes("set-interval"), parameters: [.integer(1...3600)]), "declaration")
        try require(gate.declare(declaration) == 0, "declare")
        let challenge = try require(Bytes16(copying: [UInt8](0..<16).span), "challenge")
        var moment = GateMoment(
            now: 40_000, trustedTime: 1_795_262_420, challenge: challenge, previousChallenge: nil, isResumed: false,
            waiting: 0)

        let resume = try ByteVector.named("resume", in: ByteVector.examples)
        let taken = gate.judgeResume(resume.span, isRetained: false, moment)
        try require(taken == Resume(time: 1_795_262_401, heads: heads(41, try sha256(bytes("41")))), "resume")
        moment.isResumed = true
        let command = try ByteVector.named("command", in: ByteVector.examples)
        guard case .accepted(let accepted, _) = gate.judge(command.span, isRetained: false, moment) else {
            throw Failure(why: "the command was not accepted")
        }
        try require(accepted.arguments == [.integer(60)] && accepted.deadline == 70_000, "arguments")

        let receipt = try require(gate.finish(accepted.key, .done, results: [.integer(60)])?.receipt, "no receipt")
        let sealer = try deviceSealer()
        var claims = Claims(purpose: .receipt)
        claims.issuedAt = 1_795_262_421
        claims.clock = .trusted
        claims.boot = BootTime(
            id: try require(Bytes16(copying: bytes(hex: "f0e1d2c3b4a5968778695a4b3c2d1e0f").span), "boot id"),
            milliseconds: 41_000)
        var message: [UInt8] = []
        let payload = try require(receipt.encoded(), "receipt")
        _ = try require(
            try? sealer.seal(claims, contentType: ContentFormat.cbor, payload: payload.span, into: &message), "seal")
        try require(try message == ByteVector.named("receipt", in: ByteVector.examples), "another receipt")
    }
}
