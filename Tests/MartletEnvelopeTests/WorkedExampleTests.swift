// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletAdapters
import MartletAudit
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletOpenSSL
import MartletSenML
import MartletTelemetry
import MartletTestKit
import Testing

/// Sources/PROTOCOL.md as data: its blocks of bytes and its tables of codes.
private struct Document {
    let lines: [Substring]

    init() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let text = try String(contentsOf: root.appending(path: "Sources/PROTOCOL.md"), encoding: .utf8)
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The bytes of the block that begins with "```hex NAME"; `#` begins a remark.
    func bytes(_ name: String) throws -> [UInt8] {
        let start = try #require(lines.firstIndex(of: "```hex \(name)"), "no block \(name)")
        let block = lines[(start + 1)...].prefix { $0 != "```" }
        let digits = block.flatMap { $0.prefix { $0 != "#" }.filter { !$0.isWhitespace } }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            let pair = String(digits[index..<min(index + 2, digits.count)])
            bytes.append(try #require(pair.count == 2 ? UInt8(pair, radix: 16) : nil, "\(name): \(pair)"))
        }
        return bytes
    }

    /// The hash of an example, a line of the block of hashes.
    func hash(_ name: String) throws -> [UInt8] {
        let all = try bytes("hashes")
        let names = ["birth", "resume", "telemetry", "command", "receipt", "trust", "checkpoint"]
        let place = try #require(names.firstIndex(of: name))
        try #require(all.count == names.count * 32)
        return Array(all[place * 32..<(place + 1) * 32])
    }

    /// Code and name wherever a row of the first table below a heading has "| 1 | `name` |".
    func codes(_ heading: String) throws -> [Int: String] {
        let start = try #require(lines.firstIndex(of: Substring(heading)), "no heading \(heading)")
        let table = lines[(start + 1)...].drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }
        var codes: [Int: String] = [:]
        for row in table {
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            for (code, name) in zip(cells, cells.dropFirst()) where name.hasPrefix("`") {
                if let code = Int(code) { codes[code] = name.trimmingCharacters(in: ["`"]) }
            }
        }
        return codes
    }
}

/// A party of the examples.
private struct Party {
    let name: [UInt8]
    let key: PrivateKey
    let spki: [UInt8]
    let sealer: EnvelopeSealer

    /// `seed`: an Ed25519 private key of 32 bytes.
    init(_ name: String, seed: ArraySlice<UInt8>) throws {
        // PKCS#8 (RFC 8410 section 7) around the seed.
        let der: [UInt8] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20] + seed
        let pem = "-----BEGIN PRIVATE KEY-----\n\(Data(der).base64EncodedString())\n-----END PRIVATE KEY-----\n"
        self.name = Array(name.utf8)
        key = try PrivateKey(pem: Array(pem.utf8).span)
        let spki = key.publicKey.spki
        self.spki = spki
        sealer = EnvelopeSealer(
            issuer: self.name, publicKey: spki.span, signer: KeySigner(key), hashing: try OpenSSLHashing()
        )
    }

    func trusted() throws -> TrustDocument.Key { TrustDocument.Key(spki, hashing: try OpenSSLHashing()) }
}

private func bytes16(_ bytes: [UInt8]) throws -> Bytes16 {
    let value = Bytes16(copying: bytes.span)
    return try #require(value)
}

@Suite struct WorkedExampleTests {
    private let document: Document
    private let device: Party
    private let operatorParty: Party
    private let gateway: Party
    private let root: Party
    /// 2026-11-21 12:00:00 UTC
    private let start: UInt64 = 1_795_262_400
    private let challenge: Bytes16
    private let commandID: Bytes16
    /// What the device's run before left behind.
    private let head: ChainHead

    init() throws {
        document = try Document()
        let seeds = try document.bytes("keys")
        try #require(seeds.count == 128)
        device = try Party("urn:dev:mac:0024befffe804ff1", seed: seeds[0..<32])
        operatorParty = try Party("urn:martlet:operator", seed: seeds[32..<64])
        gateway = try Party("urn:martlet:gateway", seed: seeds[64..<96])
        root = try Party("urn:martlet:root", seed: seeds[96..<128])
        challenge = try bytes16(Array(0..<16))
        commandID = try bytes16(Array(0xa0..<0xb0))
        head = ChainHead(sequence: 41, digest: try OpenSSLHashing().sha256(Array("41".utf8).span))
    }

    private func ownClaims(_ purpose: Purpose, after seconds: UInt64, _ clock: ClockState, uptime: UInt64) throws
        -> Claims
    {
        let id: [UInt8] = [
            0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87, 0x78, 0x69, 0x5a, 0x4b, 0x3c, 0x2d, 0x1e, 0x0f,
        ]
        var claims = Claims(purpose: purpose)
        claims.issuedAt = start + seconds
        claims.clock = clock
        claims.boot = BootTime(id: try bytes16(id), milliseconds: uptime * 1000)
        return claims
    }

    private var heads: LaneHeads {
        var heads = LaneHeads()
        heads[.normal] = head
        return heads
    }

    /// What `party` seals is what the document prints, with the hash that it prints.
    private func expectSealed(
        _ name: String, by party: Party, _ claims: Claims, audience: [UInt8]? = nil, payload: [UInt8],
        x5chain: [[UInt8]] = []
    ) throws {
        var message: [UInt8] = []
        let digest = try party.sealer.seal(
            claims, audience: audience, contentType: ContentFormat.cbor, payload: payload.span, x5chain: x5chain,
            into: &message)
        #expect(hex(message) == hex(try document.bytes(name)))
        #expect(hex(digest) == hex(try document.hash(name)))
    }

    /// What the document prints is an envelope of `party` with the hash that the document prints.
    private func opened(_ name: String, as purpose: Purpose, of party: Party) throws -> (Envelope, [UInt8]) {
        let message = try document.bytes(name)
        let envelope = try Envelope(decoding: message.span)
        var structure = Envelope.makeStructure()
        let digest = try envelope.verify(
            message.span, as: purpose, with: KeyVerifier(party.key.publicKey), hashing: try OpenSSLHashing(),
            structure: &structure)
        #expect(hex(digest) == hex(try document.hash(name)))
        #expect(Array(message[envelope.issuer]) == party.name)
        return (envelope, message)
    }

    private func gate() throws -> CommandGate {
        let hashing = try OpenSSLHashing()
        let spki = root.spki
        let root = TrustRoot(
            hashing.sha256(spki.span), deviceName: device.name, keys: OpenSSLKeyReading(), hashing: hashing)
        let gate = CommandGate(root: root, policy: try .first(document.bytes("trust"), root), now: 0)
        let declaration = CommandDeclaration(name: Array("set-interval".utf8), parameters: [.integer(1...3600)])
        _ = gate.declare(try #require(declaration))
        return gate
    }

    private func moment(isResumed: Bool) -> GateMoment {
        GateMoment(
            now: 40_000, trustedTime: start + 20, challenge: challenge, previousChallenge: nil, isResumed: isResumed,
            waiting: 0)
    }

    @Test func `the printed birth is what the code writes and reads`() throws {
        let birth = Birth(
            run: 7, connection: 1, challenge: challenge, heads: heads,
            software: [Birth.Software(name: Array("martlet".utf8), version: Array("0.1.0".utf8))])
        var claims = try ownClaims(.birth, after: 0, .bounded, uptime: 20)
        claims.uptime = 20
        let pem = try Data(contentsOf: example("device.pem"))
        let certificates = try Certificate.all(inPEM: [UInt8](pem).span)
        let certificate = try #require(certificates.first)
        #expect(certificate.uris == [device.name])
        try expectSealed(
            "birth", by: device, claims, payload: try #require(birth.encoded()), x5chain: [try certificate.der])

        let (envelope, message) = try opened("birth", as: .birth, of: device)
        #expect(envelope.claims == claims)
        #expect(try envelope.x5chain.map { Array(message[$0]) } == [certificate.der])
        let decoded = try Birth(decoding: message.span.extracting(envelope.payload))
        #expect(decoded == birth)
    }

    @Test func `the printed trust document is what the code writes and takes`() throws {
        let trust = TrustDocument(
            version: 1, roots: [try root.trusted()], threshold: 1,
            controllers: [
                TrustDocument.Controller(
                    name: gateway.name, key: try gateway.trusted(), roles: [Array("gateway".utf8)]),
                TrustDocument.Controller(
                    name: operatorParty.name, key: try operatorParty.trusted(), roles: [Array("operate".utf8)]),
            ],
            policy: [
                TrustDocument.Role(
                    name: Array("operate".utf8),
                    rules: [
                        TrustDocument.Rule(command: Array("identify".utf8), whileSuspended: true),
                        TrustDocument.Rule(
                            command: Array("set-interval".utf8), rate: TrustDocument.Rate(count: 10, seconds: 60),
                            arguments: [[.integer(5), .integer(600)]]),
                    ])
            ])
        let printed = try document.bytes("trust")
        var claims = Claims(purpose: .trust)
        claims.issuedAt = start
        let payload = try trust.encoded()
        var message: [UInt8] = [0x81]
        let digest = try root.sealer.seal(
            claims, contentType: ContentFormat.cbor, payload: payload.span, into: &message)
        #expect(hex(message) == hex(printed))
        #expect(hex(digest) == hex(try document.hash("trust")))
        let policy = try #require(gate().policy)
        #expect(policy.document == trust && policy.message == printed)
    }

    @Test func `the printed resume is what the code writes and takes`() throws {
        let resume = Resume(time: start + 1, heads: heads)
        var claims = Claims(purpose: .resume)
        claims.issuedAt = start + 1
        claims.nonce = challenge
        try expectSealed("resume", by: gateway, claims, audience: device.name, payload: resume.encoded())

        _ = try opened("resume", as: .resume, of: gateway)
        let message = try document.bytes("resume")
        let taken = try gate().judgeResume(message.span, isRetained: false, moment(isResumed: false))
        #expect(taken == resume)
    }

    @Test func `the printed telemetry is what a lane makes and anybody can read`() throws {
        let limits = ReadingBatch.Limits()
        var batch = ReadingBatch(limits: limits)
        try batch.append(
            name: Array("cpu-temperature".utf8).span, unit: Array("Cel".utf8).span, value: .number(51.2), time: 25_000)
        try batch.append(name: Array("door".utf8).span, unit: [UInt8]().span, value: .boolean(true), time: 25_250)
        let spool = try Spool(
            Journal(
                storage: SimulatedDisk(seed: 1), keys: TestSegmentKeys(seed: 1), device: Array("pi-17".utf8),
                stream: Spool.stream(.normal), historySize: nil))
        var lane = TelemetryLane(lane: .normal, spool: spool, least: 0, reserved: 1, gaps: GapList(), limits: limits)
        lane.skip(to: head)
        lane.reservedUntil = 100
        var time = try ownClaims(.telemetry, after: 10, .trusted, uptime: 30)
        let wallClock = Int64(start + 10) * 1000 - 30_000
        #expect(try lane.close(&batch, claims: &time, now: 30_000, wallClock: wallClock, sealer: device.sealer))
        try lane.commit(at: 0)
        var message: [UInt8] = []
        _ = spool.sendNext { _, _, envelope in
            message = [UInt8](copying: envelope)
            return true
        }
        #expect(hex(message) == hex(try document.bytes("telemetry")))
        #expect(hex(try #require(lane.head).digest) == hex(try document.hash("telemetry")))

        let envelope = try opened("telemetry", as: .telemetry, of: device).0
        #expect(envelope.claims.lane == .normal)
        #expect(envelope.claims.sequence == 42)
        #expect(envelope.claims.previous == head)
        let span = message.span.extracting(envelope.payload)
        var reader = SenMLReader(span)
        var records: [SenMLResolvedRecord] = []
        while try reader.next() { records.append(reader.record) }
        #expect(records.map(\.value) == [.number(51.2), .boolean(true)])
        #expect(records.map(\.time.seconds) == [Double(start) + 5, Double(start) + 5.25])
    }

    @Test func `the printed command is accepted, and the printed receipt is its answer`() throws {
        let command = Command(name: Array("set-interval".utf8), arguments: [.integer(60)], deadline: 30)
        var claims = Claims(purpose: .command)
        claims.sequence = 1
        claims.expires = start + 80
        claims.issuedAt = start + 20
        claims.id = commandID
        claims.nonce = challenge
        try expectSealed(
            "command", by: operatorParty, claims, audience: device.name, payload: try #require(command.encoded()))

        _ = try opened("command", as: .command, of: operatorParty)
        let message = try document.bytes("command")
        let gate = try gate()
        guard case .accepted(let accepted, _) = gate.judge(message.span, isRetained: false, moment(isResumed: true))
        else {
            Issue.record("the command was not accepted")
            return
        }
        #expect(accepted.arguments == [.integer(60)])
        #expect(accepted.deadline == 70_000)
        let receipt = try #require(gate.finish(accepted.key, .done, results: [.integer(60)])?.receipt)
        try expectSealed(
            "receipt", by: device, try ownClaims(.receipt, after: 21, .trusted, uptime: 41),
            payload: try #require(receipt.encoded()))

        let (envelope, bytes) = try opened("receipt", as: .receipt, of: device)
        let decoded = try Receipt(decoding: bytes.span.extracting(envelope.payload))
        #expect(decoded == receipt)
    }

    @Test func `the printed checkpoint holds a log that is linked from its beginning`() throws {
        let hashing = try OpenSSLHashing()
        var chain = AuditChain()
        var entries: [[UInt8]] = []
        func add(_ kind: AuditKind, _ values: [AuditValue], after seconds: UInt64, boot: UInt64, _ clock: ClockState)
            throws
        {
            let time = AuditTime(run: 7, boot: boot, seconds: start + seconds, clock: clock)
            let entry = chain.append(kind, values, at: time, hashing: hashing)
            entries.append(try #require(entry))
        }
        let command: [AuditValue] = [
            .number(KeyID(ofKey: hashing.sha256(operatorParty.spki.span)).value), .bytes(Array(0xa0..<0xb0)),
            .bytes(try document.hash("command")),
        ]
        try add(.started, [.number(7)], after: 0, boot: 20_000, .bounded)
        try add(.accepted, command + [.text(Array("set-interval".utf8))], after: 21, boot: 41_000, .trusted)
        try add(.ended, command + [.number(0)], after: 21, boot: 41_005, .trusted)
        let checkpoint = Checkpoint(run: 7, head: try #require(chain.head), heads: heads, entries: entries)
        let claims = try ownClaims(.checkpoint, after: 26, .trusted, uptime: 46)
        try expectSealed("checkpoint", by: device, claims, payload: try #require(checkpoint.encoded()))

        let (envelope, message) = try opened("checkpoint", as: .checkpoint, of: device)
        let decoded = try Checkpoint(decoding: message.span.extracting(envelope.payload))
        #expect(decoded == checkpoint)
        var walk = AuditWalk()
        #expect(walk.take(decoded.entries, upTo: decoded.head, hashing: hashing).verdict == .linked)
    }

    @Test func `the operator's key beside the vectors is the document's`() throws {
        let key = try PrivateKey(pem: [UInt8](Data(contentsOf: example("operator.key"))).span)
        #expect(key.publicKey.spki == operatorParty.key.publicKey.spki)
    }

    @Test func `the document's tables hold every code and no other`() throws {
        #expect(try document.codes("### Purposes") == table(Purpose.allCases))
        #expect(try document.codes("### Lanes") == table(Lane.allCases))
        #expect(try document.codes("### Clock states") == table([ClockState.untrusted, .bounded, .trusted]))
        #expect(try document.codes("### Gap reasons") == table(GapReason.allCases))
        #expect(try document.codes("### Refusals") == table(Refusal.allCases))
        #expect(try document.codes("### Outcomes") == table(Outcome.allCases))
        #expect(try document.codes("### Event kinds") == table(EventKind.allCases))
        #expect(try document.codes("### Audit kinds") == table(AuditKind.allCases))
    }

    private func table<Code: RawRepresentable>(_ cases: [Code]) -> [Int: String] where Code.RawValue == UInt8 {
        Dictionary(uniqueKeysWithValues: cases.map { (Int($0.rawValue), "\($0)") })
    }

    private func example(_ name: String) -> URL {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Vectors/examples/\(name)")
    }

    private func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

    private func hex(_ digest: Digest) -> String {
        digest.bytes.indices.map { String(format: "%02x", digest.bytes[$0]) }.joined()
    }
}
