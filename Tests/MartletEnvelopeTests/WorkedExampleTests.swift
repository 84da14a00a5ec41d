// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletAdapters
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletSenML
import MartletTelemetry
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

    /// Code and name from the rows "| 1 | `name` |…" of the first table below a heading.
    func codes(_ heading: String) throws -> [Int: String] {
        let start = try #require(lines.firstIndex(of: Substring(heading)), "no heading \(heading)")
        let table = lines[(start + 1)...].drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }
        var codes: [Int: String] = [:]
        for row in table {
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            if let code = Int(cells[0]) { codes[code] = cells[1].trimmingCharacters(in: ["`"]) }
        }
        return codes
    }
}

/// A party of the examples.
private struct Party {
    let name: [UInt8]
    let key: PrivateKey
    let sealer: EnvelopeSealer

    /// `seed`: an Ed25519 private key of 32 bytes.
    init(_ name: String, seed: ArraySlice<UInt8>) throws {
        // PKCS#8 (RFC 8410 section 7) around the seed.
        let der: [UInt8] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20] + seed
        let pem = "-----BEGIN PRIVATE KEY-----\n\(Data(der).base64EncodedString())\n-----END PRIVATE KEY-----\n"
        self.name = Array(name.utf8)
        key = try PrivateKey(pem: Array(pem.utf8).span)
        sealer = EnvelopeSealer(
            issuer: self.name, publicKey: key.publicKey.spki.span, signer: KeySigner(key), hashing: try OpenSSLHashing()
        )
    }

    func controller(_ role: Role) throws -> Controller {
        Controller(
            name: name, role: role, key: KeyVerifier(key.publicKey), publicKey: key.publicKey.spki.span,
            hashing: try OpenSSLHashing())
    }
}

@Suite struct WorkedExampleTests {
    private let document: Document
    private let device: Party
    private let operatorParty: Party
    private let gateway: Party
    /// 2026-11-21 12:00:00 UTC
    private let start: UInt64 = 1_795_262_400
    private let challenge: Bytes16
    private let commandID: Bytes16
    /// What the device's run before left behind.
    private let head: ChainHead

    init() throws {
        document = try Document()
        let seeds = try document.bytes("keys")
        try #require(seeds.count == 96)
        device = try Party("urn:dev:mac:0024befffe804ff1", seed: seeds[0..<32])
        operatorParty = try Party("urn:example:operator", seed: seeds[32..<64])
        gateway = try Party("urn:example:gateway", seed: seeds[64..<96])
        let nonce = Bytes16(copying: Array(UInt8(0)..<16).span)
        challenge = try #require(nonce)
        let id = Bytes16(copying: Array(UInt8(0xa0)..<0xb0).span)
        commandID = try #require(id)
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
        let boot = Bytes16(copying: id.span)
        claims.boot = BootTime(id: try #require(boot), milliseconds: uptime * 1000)
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
        #expect(hex(digest) == hex(try document.bytes(name + "-hash")))
    }

    /// What the document prints is an envelope of `party` with the hash that the document prints.
    private func opened(_ name: String, as purpose: Purpose, of party: Party) throws -> (Envelope, [UInt8]) {
        let message = try document.bytes(name)
        let envelope = try Envelope(decoding: message.span)
        var structure = Envelope.makeStructure()
        let digest = try envelope.verify(
            message.span, as: purpose, with: KeyVerifier(party.key.publicKey), hashing: try OpenSSLHashing(),
            structure: &structure)
        #expect(hex(digest) == hex(try document.bytes(name + "-hash")))
        #expect(Array(message[envelope.issuer]) == party.name)
        return (envelope, message)
    }

    private func gate() throws -> CommandGate {
        let gate = CommandGate(
            deviceName: device.name,
            controllers: [try operatorParty.controller(.operate), try gateway.controller(.gateway)],
            hashing: try OpenSSLHashing(), now: 0)
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
        let certificate = try #require(try Certificate.all(inPEM: [UInt8](pem).span).first)
        #expect(certificate.uris == [device.name])
        try expectSealed(
            "birth", by: device, claims, payload: try #require(birth.encoded()), x5chain: [try certificate.der])

        let (envelope, message) = try opened("birth", as: .birth, of: device)
        #expect(envelope.claims == claims)
        #expect(try envelope.x5chain.map { Array(message[$0]) } == [certificate.der])
        #expect(try Birth(decoding: message.span.extracting(envelope.payload)) == birth)
    }

    @Test func `the printed resume is what the code writes and takes`() throws {
        let resume = Resume(time: start + 1, heads: heads)
        var claims = Claims(purpose: .resume)
        claims.issuedAt = start + 1
        claims.nonce = challenge
        try expectSealed("resume", by: gateway, claims, audience: device.name, payload: resume.encoded())

        _ = try opened("resume", as: .resume, of: gateway)
        let message = try document.bytes("resume")
        #expect(try gate().judgeResume(message.span, isRetained: false, moment(isResumed: false)) == resume)
    }

    @Test func `the printed telemetry is what a lane makes and anybody can read`() throws {
        let limits = ReadingBatch.Limits()
        var batch = ReadingBatch(limits: limits)
        try batch.append(
            name: Array("cpu-temperature".utf8).span, unit: Array("Cel".utf8).span, value: .number(51.2), time: 25_000)
        try batch.append(name: Array("door".utf8).span, unit: [UInt8]().span, value: .boolean(true), time: 25_250)
        let queue = MemoryQueue(byteLimit: 1 << 16)
        var lane = TelemetryLane(
            lane: .normal, queue: queue, next: 42, reservedUntil: 100, head: head, gaps: GapList(), limits: limits)
        let time = try ownClaims(.telemetry, after: 10, .trusted, uptime: 30)
        let wallClock = Int64(start + 10) * 1000 - 30_000
        #expect(try lane.close(&batch, claims: time, now: 30_000, wallClock: wallClock, sealer: device.sealer))
        var message: [UInt8] = []
        _ = queue.sendNext { _, envelope in
            message = [UInt8](copying: envelope)
            return true
        }
        #expect(hex(message) == hex(try document.bytes("telemetry")))
        #expect(hex(try #require(lane.head).digest) == hex(try document.bytes("telemetry-hash")))

        let envelope = try opened("telemetry", as: .telemetry, of: device).0
        #expect(envelope.claims.lane == .normal)
        #expect(envelope.claims.sequence == 42)
        #expect(envelope.claims.previous == head)
        let span = message.span.extracting(envelope.payload)
        var reader = SenMLReader(span)
        #expect(try reader.next())
        let first = reader.record
        #expect(first.value == .number(51.2))
        #expect(first.time == .absolute(seconds: Double(start) + 5))
        #expect(try reader.next())
        let second = reader.record
        #expect(second.value == .boolean(true))
        #expect(second.time == .absolute(seconds: Double(start) + 5.25))
        #expect(try !reader.next())
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
        guard case .accepted(let accepted) = gate.judge(message.span, isRetained: false, moment(isResumed: true)) else {
            Issue.record("the command was not accepted")
            return
        }
        #expect(accepted.arguments == [.integer(60)])
        #expect(accepted.deadline == 70_000)
        let receipt = try #require(gate.finish(accepted.key, .done, results: [.integer(60)]))
        try expectSealed(
            "receipt", by: device, try ownClaims(.receipt, after: 21, .trusted, uptime: 41),
            payload: try #require(receipt.encoded()))

        let (envelope, bytes) = try opened("receipt", as: .receipt, of: device)
        #expect(try Receipt(decoding: bytes.span.extracting(envelope.payload)) == receipt)
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
    }

    private func table<Code: RawRepresentable<UInt8>>(_ cases: [Code]) -> [Int: String] {
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
