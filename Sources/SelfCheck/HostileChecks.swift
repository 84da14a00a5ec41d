// SPDX-License-Identifier: Apache-2.0

import CSelfCheck
import MartletAudit
import MartletCBOR
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletPosix
import MartletTestKit

/// Bytes that an attacker may send: each is refused, none traps, none makes the process grow.
enum HostileChecks {
    static var all: [Check] {
        [
            Check("hostile: deep nesting and huge lengths are refused by every parser", table),
            Check("hostile: a huge length in the place of any byte of a command is refused", lengthsInside),
            Check("hostile: every prefix and every bit flip of an Ed25519 command is refused") { () throws(Failure) in
                try damaged(.ed25519, stride: 1)
            },
            // An ES256 verification is the slowest thing here: each bit is decoded, every fifth signature verified.
            Check("hostile: the same for P-256, a fifth of the signatures") { () throws(Failure) in
                try damaged(.p256, stride: 5)
            },
            Check("hostile: all this again makes peak memory grow by less than 8 MiB", memory),
        ]
    }

    /// 50,000 open arrays, arrays without length, tags, maps.
    static func nested() -> [[UInt8]] {
        [0x81, 0x9f, 0xc1, 0xa1].map { [UInt8](repeating: $0, count: 50_000) }
    }

    /// Items of every major type that has one, of a length at which a 32-bit or a 64-bit number ends.
    static func lengths() -> [[UInt8]] {
        var inputs: [[UInt8]] = []
        for major in 2...6 as ClosedRange<UInt8> {
            for length in edges where length > 0xffff {
                inputs.append([major << 5 | 27] + bigEndian(length))
                // What follows a tag is its content, so a tag stands alone.
                if major < 6 {
                    inputs.append([major << 5 | 27] + bigEndian(length) + [UInt8](repeating: 0x60, count: 1000))
                }
                if length <= 0xffff_ffff { inputs.append([major << 5 | 26] + bigEndian(length)[4...]) }
            }
        }
        return inputs
    }

    private static func table() throws(Failure) {
        let bench = try CommandChecks.Bench()
        let inputs = nested() + lengths() + lengths().map { [0xd2, 0x84] + $0 } + lengths().map { [0xa1, 0x01] + $0 }
        for (number, input) in inputs.enumerated() {
            let name = try acceptingParser(input, bench.gate)
            try require(name == nil, "input", number: Int64(number), name: name)
        }
    }

    /// The name of a parser that takes `input`; nil if there is none.
    private static func acceptingParser(_ input: [UInt8], _ gate: CommandGate) throws(Failure) -> StaticString? {
        if case .success = CBORChecks.transcribed(input) { return "CBORReader.next" }
        var reader = CBORReader(input.span)
        if (try? reader.skip()) != nil && (try? reader.finish()) != nil { return "CBORReader.skip" }
        if SenMLChecks.isRead(input) { return "SenMLReader" }
        if (try? Sign1(decoding: input.span, tagging: .required)) != nil { return "Sign1" }
        if (try? Sign1(decoding: input.span, tagging: .none)) != nil { return "Sign1, no tag" }
        if (try? COSEHeader(decoding: input.span, at: input.indices)) != nil { return "COSEHeader" }
        if (try? Envelope(decoding: input.span, limit: .max)) != nil { return "Envelope" }
        if (try? Birth(decoding: input.span)) != nil { return "Birth" }
        if (try? Resume(decoding: input.span)) != nil { return "Resume" }
        if (try? Command(decoding: input.span)) != nil { return "Command" }
        if (try? Receipt(decoding: input.span)) != nil { return "Receipt" }
        if (try? Gap(decoding: input.span)) != nil { return "Gap" }
        if (try? Event(decoding: input.span)) != nil { return "Event" }
        if (try? Checkpoint(decoding: input.span)) != nil { return "Checkpoint" }
        if (try? AuditEntry(decoding: input.span)) != nil { return "AuditEntry" }
        if (try? Presence(decoding: input.span)) != nil { return "Presence" }
        if (try? Exchange.Request(decoding: input.span)) != nil { return "Exchange.Request" }
        if (try? Exchange.Answer(decoding: input.span)) != nil { return "Exchange.Answer" }
        if (try? Certificate(der: input.span)) != nil { return "Certificate" }
        if (try? PublicKey(spki: input.span)) != nil { return "PublicKey" }
        if (try? PrivateKey(pem: input.span)) != nil { return "PrivateKey" }
        let moment = GateMoment(
            now: 0, trustedTime: nil, challenge: bytes16(1), previousChallenge: nil, isResumed: true, waiting: 0)
        guard case .dropped = gate.judge(input.span, isRetained: false, moment) else { return "CommandGate.judge" }
        return gate.judgeResume(input.span, isRetained: false, moment) == nil ? nil : "CommandGate.judgeResume"
    }

    private static func lengthsInside() throws(Failure) {
        let bench = try CommandChecks.Bench()
        let message = try bench.message()
        let envelope = try require(try? Envelope(decoding: message.span), "open")
        let payload = [UInt8](message[envelope.payload])
        for major in 0...6 as ClosedRange<UInt8> {
            for length in [0x8000_0000, 0x1_0000_0000, 0x8000_0000_0000_0000, .max] as [UInt64] {
                let head = [major << 5 | 27] + bigEndian(length)
                for at in message.indices {
                    let bad = [UInt8](message[..<at]) + head + message[(at + 1)...]
                    guard case .dropped = bench.gate.judge(bad.span, isRetained: false, bench.moment) else {
                        throw Failure(why: "not dropped, byte", number: Int64(at))
                    }
                }
                for at in payload.indices {
                    let bad = [UInt8](payload[..<at]) + head + payload[(at + 1)...]
                    // A number may take another's place: then it is read as it stands.
                    guard let command = try? Command(decoding: bad.span) else { continue }
                    let isInteger = command.arguments.contains(.integer(Int64(clamping: length)))
                    let isNegative = command.arguments.contains(.integer(~Int64(clamping: length)))
                    try require(isInteger || isNegative || command.deadline != nil, "read, byte", number: Int64(at))
                }
            }
        }
    }

    private static func damaged(_ kind: KeyKind, stride: Int) throws(Failure) {
        let key = try require(try? TestKey(kind, seed: seed), "key")
        let name = bytes("urn:example:operator")
        let device = bytes(EnvelopeChecks.deviceName)
        let trust = try require(try? TestTrust(deviceName: device, seed: seed + 9), "root")
        var trusted = trust.document([], commands: [bytes("set")])
        trusted.controllers = [
            TrustDocument.Controller(name: name, key: key.trusted, roles: [TestRole.operate.name])
        ]
        let policy = try require(try? trust.policy(trust.message(trusted)), "trust document")
        let gate = CommandGate(root: trust.root, policy: policy, now: 0)
        let declaration = try require(
            CommandDeclaration(name: bytes("set"), parameters: [.integer(1...9)]), "declaration")
        try require(gate.declare(declaration) == 0, "declare")
        var claims = Claims(purpose: .command)
        claims.sequence = 1_800_000_000_000
        claims.id = bytes16(3)
        claims.nonce = bytes16(1)
        claims.expires = 1_800_000_000
        let command = Command(name: bytes("set"), arguments: [.integer(5)], deadline: 60)
        let payload = try require(command.encoded(), "command")
        var message: [UInt8] = []
        _ = try require(
            try? key.sealer(name).seal(
                claims, audience: device, contentType: ContentFormat.cbor, payload: payload.span, into: &message),
            "seal")
        var moment = GateMoment(
            now: 0, trustedTime: nil, challenge: bytes16(1), previousChallenge: nil, isResumed: true, waiting: 0)

        for length in message.indices {
            let prefix = [UInt8](message[..<length])
            try require((try? Envelope(decoding: prefix.span)) == nil, "decoded up to", number: Int64(length))
            guard case .dropped(.malformed) = gate.judge(prefix.span, isRetained: false, moment) else {
                throw Failure(why: "prefix not dropped", number: Int64(length))
            }
        }
        var verified: Int64 = 0
        for bit in 0..<message.count * 8 {
            var bad = message
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            guard let envelope = try? Envelope(decoding: bad.span) else { continue }
            if bit % stride != 0 { continue }
            // The gate first refuses what costs nothing, so each signature is also tried without it.
            var structure = Envelope.makeStructure()
            let digest = try? envelope.verify(
                bad.span, as: .command, with: key.verifier, hashing: key.hashing, structure: &structure)
            try require(digest == nil, "verified, bit", number: Int64(bit))
            // An hour later: no budget is spent.
            moment.now += 3_600_000
            guard case .dropped(let refusal) = gate.judge(bad.span, isRetained: false, moment), refusal != .overBudget
            else { throw Failure(why: "not dropped, bit", number: Int64(bit)) }
            verified += 1
        }
        note("bit flips that decoded and were judged", verified)
        guard case .accepted = gate.judge(message.span, isRetained: false, moment) else {
            throw Failure(why: "the undamaged command was not accepted")
        }
    }

    // MARK: Memory

    /// The checks above have run before: what they load once, or an emulator translates once, does not count. What an
    /// input makes a parser allocate would be allocated again.
    private static func memory() throws(Failure) {
        try require(CSelfCheck_reset_peak() != 0, "the kernel does not reset VmHWM")
        let before = try require(peak(), "no VmHWM in /proc/self/status")
        try table()
        try lengthsInside()
        try damaged(.p256, stride: 97)
        let after = try require(peak(), "no VmHWM in /proc/self/status")
        note("peak memory before", before, " KiB")
        note("peak memory after", after, " KiB")
        try require(after - before < 8 * 1024, "grew by KiB", number: after - before)
    }

    /// VmHWM.
    private static func peak() -> Int64? {
        guard let status = try? PublicFile.read("/proc/self/status", limit: 16_384) else { return nil }
        let label = bytes("VmHWM:")
        var start = 0
        while start < status.count {
            let end = status[start...].firstIndex(of: UInt8(ascii: "\n")) ?? status.count
            if status[start..<end].starts(with: label) {
                let digits = status[start..<end].filter { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
                return digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
            }
            start = end + 1
        }
        return nil
    }
}
