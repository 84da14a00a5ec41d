// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCommands
import MartletController
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import TestSupport

/// A message that must not be executed, by the broker to a running device, and why.
struct NegativeCommand: Sendable {
    enum Verdict: Equatable, Sendable {
        /// Counted under this code, and not answered.
        case dropped(Refusal)
        /// Answered by a signed receipt with this outcome.
        case answered(Outcome)
        /// The device never sees it.
        case unheard
    }

    let why: String
    let verdict: Verdict
    /// Where it is published.
    var topic = "martlet/v1/pump-7/command"
    let message: @Sendable (Forger) throws -> [UInt8]

    init(
        _ why: String, _ verdict: Verdict, topic: String = "martlet/v1/pump-7/command",
        message: @escaping @Sendable (Forger) throws -> [UInt8]
    ) {
        self.why = why
        self.verdict = verdict
        self.topic = topic
        self.message = message
    }

    /// A valid command with one change.
    init(_ why: String, _ verdict: Verdict, change: @escaping @Sendable (inout CommandParts, Forger) throws -> Void) {
        self.init(why, verdict) { forger in
            var parts = forger.parts()
            try change(&parts, forger)
            return try parts.message()
        }
    }
}

private func dropped(
    _ why: String, _ refusal: Refusal, change: @escaping @Sendable (inout CommandParts, Forger) throws -> Void
) -> NegativeCommand { NegativeCommand(why, .dropped(refusal), change: change) }

private func answered(
    _ why: String, _ outcome: Outcome, change: @escaping @Sendable (inout CommandParts, Forger) throws -> Void
) -> NegativeCommand { NegativeCommand(why, .answered(outcome), change: change) }

/// Each differs from a valid command in what its first words say. The operator's key is P-256.
let negativeCommands: [NegativeCommand] = [
    // Not signed, or by somebody else.
    NegativeCommand("nothing", .dropped(.malformed)) { _ in [] },
    NegativeCommand("text", .dropped(.malformed)) { _ in Array("set-interval 60".utf8) },
    NegativeCommand("a command without an envelope", .dropped(.malformed)) { _ in CommandParts.setInterval.bytes },
    dropped("no signature", .malformed) { parts, _ in parts.sign = { _ in .bstr([]) } },
    dropped("a signature of 63 bytes", .malformed) { parts, _ in parts.sign = { .bstr($0.dropLast()) } },
    dropped("a signature of zeros", .badSignature) { parts, _ in
        parts.sign = { _ in .bstr([UInt8](repeating: 0, count: 64)) }
    },
    dropped("s is 0", .badSignature) { parts, _ in
        parts.sign = { .bstr($0.prefix(32) + [UInt8](repeating: 0, count: 32)) }
    },
    dropped("s is the order of the group", .badSignature) { parts, _ in
        parts.sign = { .bstr($0.prefix(32) + P256.order) }
    },
    dropped("another key in the operator's name", .badSignature) { parts, forger in parts.key = forger.stranger },
    dropped("the gateway's key in the operator's name", .badSignature) { parts, forger in parts.key = forger.gateway },
    dropped("a key that nobody knows", .unknownKey) { parts, forger in
        parts.key = forger.stranger
        parts.set(header: 4, .bstr(SHA256.kid(forger.stranger.publicKey.spki)))
    },
    dropped("the device's own key", .unknownKey) { parts, forger in
        parts.key = forger.bench.identity.key
        parts.set(header: 4, .bstr(SHA256.kid(forger.bench.identity.key.publicKey.spki)))
    },
    dropped("the hint of the gateway's key", .wrongIssuer) { parts, forger in
        parts.set(header: 4, .bstr(SHA256.kid(forger.gateway.publicKey.spki)))
    },
    dropped("a path for a key hint", .malformed) { parts, _ in parts.set(header: 4, .bstr(Array("../../x".utf8))) },
    dropped("no key hint", .malformed) { parts, _ in parts.set(header: 4, nil) },
    answered("the gateway's key in its own name", .notAuthorised) { parts, forger in
        parts = CommandParts(
            key: forger.gateway, issuer: "urn:martlet:gateway", device: forger.device, challenge: forger.challenge,
            sequence: forger.sequence)
    },

    // For somebody else, or for something else.
    dropped("another device", .wrongAudience) { parts, _ in parts.set(claim: 3, "urn:dev:mac:0024befffe804ff2") },
    dropped("a device whose name begins with this one's", .wrongAudience) { parts, forger in
        parts.set(claim: 3, .text(forger.device + Array("0".utf8)))
    },
    dropped("a device of another kind of name", .wrongAudience) { parts, _ in
        parts.set(claim: 3, "urn:dev:ops:32473-pump-7")
    },
    dropped("two audiences", .malformed) { parts, forger in
        parts.set(claim: 3, .array([.text(forger.device), .text(forger.device)]))
    },
    dropped("another issuer", .wrongIssuer) { parts, _ in parts.set(claim: 1, "urn:martlet:operator-2") },
    NegativeCommand("another device's topic", .unheard, topic: "martlet/v1/pump-8/command") {
        try $0.parts().message()
    },
    NegativeCommand("another prefix", .unheard, topic: "other/v1/pump-7/command") { try $0.parts().message() },
    NegativeCommand("another topic of this device", .unheard, topic: "martlet/v1/pump-7/desired") {
        try $0.parts().message()
    },
    dropped("the content type of telemetry", .wrongPurpose) { parts, _ in parts.set(header: 3, 112) },
    dropped("no content type", .malformed) { parts, _ in parts.set(header: 3, nil) },
    dropped("the purpose telemetry", .wrongPurpose) { parts, forger in
        parts.set(claim: -65537, CommandParts.privateClaim(purpose: 2, sequence: .unsigned(forger.sequence)))
    },
    dropped("the purpose approval", .wrongPurpose) { parts, forger in
        parts.set(claim: -65537, CommandParts.privateClaim(purpose: 17, sequence: .unsigned(forger.sequence)))
    },
    dropped("a purpose that is none", .malformed) { parts, forger in
        parts.set(claim: -65537, CommandParts.privateClaim(purpose: 99, sequence: .unsigned(forger.sequence)))
    },
    dropped("the context of a resume", .badSignature) { parts, _ in parts.external = "martlet/1/resume" },
    dropped("no context", .badSignature) { parts, _ in parts.external = "" },
    dropped("a resume's signature and purpose", .wrongPurpose) { parts, forger in
        parts.external = "martlet/1/resume"
        parts.set(claim: -65537, CommandParts.privateClaim(purpose: 20, sequence: .null))
    },
    NegativeCommand("telemetry of this device, sent back", .dropped(.unknownKey)) { try $0.captured(.telemetry) },
    NegativeCommand("a receipt of this device, sent back", .dropped(.unknownKey)) { forger in
        _ = try forger.obeyed(forger.parts())
        return try forger.captured(.receipt)
    },
    NegativeCommand("the birth of this device, sent back", .dropped(.unknownKey)) { try $0.captured(.birth) },
    NegativeCommand("the back end's own resume", .dropped(.wrongPurpose)) { forger in
        let nonce = Bytes16(InlineArray { forger.challenge[$0] })
        let time = UInt64(Date().timeIntervalSince1970)
        return try forger.bench.backEnd.resumeSigner.sign(Resume(time: time), for: forger.device, challenge: nonce)
    },

    // Not for now.
    answered("expired", .expired) { parts, _ in parts.set(claim: 4, .int(Int64(Date().timeIntervalSince1970) - 1)) },
    answered("not yet valid", .notYetValid) { parts, _ in
        parts.set(claim: 5, .int(Int64(Date().timeIntervalSince1970) + 3600))
    },
    answered("a challenge that nobody gave", .stale) { parts, _ in
        parts.set(claim: 10, .bstr([UInt8](repeating: 9, count: 16)))
    },
    answered("the challenge of the run before", .stale) { parts, forger in
        parts.set(claim: 10, .bstr(forger.earlierChallenge))
    },
    NegativeCommand("obeyed before", .dropped(.replayed)) { try $0.obeyed($0.parts()) },
    NegativeCommand("obeyed before, with the twin of its signature", .dropped(.replayed)) { forger in
        var message = try forger.obeyed(forger.parts())
        message.replaceSubrange((message.count - 32)..., with: P256.negated(message.suffix(32)))
        return message
    },
    NegativeCommand("obeyed before, with another deadline", .dropped(.replayed)) { forger in
        var parts = forger.parts()
        _ = try forger.obeyed(parts)
        parts.payload = .bstr(Raw.map([0: "set-interval", 1: .array([60]), 2: 60]).bytes)
        return try parts.message()
    },
    NegativeCommand("64 sequence numbers late", .dropped(.replayed)) { forger in
        let late = forger.parts()
        for _ in 0..<63 { _ = forger.sequence }
        _ = try forger.obeyed(forger.parts())
        return try late.message()
    },

    // Incomplete.
    dropped("no issuer", .malformed) { parts, _ in parts.set(claim: 1, nil) },
    dropped("no audience", .wrongAudience) { parts, _ in parts.set(claim: 3, nil) },
    dropped("no id", .incomplete) { parts, _ in parts.set(claim: 7, nil) },
    dropped("no challenge", .incomplete) { parts, _ in parts.set(claim: 10, nil) },
    dropped("no sequence number", .incomplete) { parts, _ in
        parts.set(claim: -65537, CommandParts.privateClaim(purpose: 16, sequence: .null))
    },
    dropped("no private claim", .malformed) { parts, _ in parts.set(claim: -65537, nil) },
    dropped("no claims", .malformed) { parts, _ in parts.protected = { CommandParts.map($0.header) } },

    // Not the one encoding.
    dropped("no algorithm", .malformed) { parts, _ in parts.set(header: 1, nil) },
    dropped("the algorithm none", .malformed) { parts, _ in parts.set(header: 1, 0) },
    dropped("the algorithm HMAC", .malformed) { parts, _ in parts.set(header: 1, 5) },
    dropped("the algorithm of another kind of key", .badSignature) { parts, _ in parts.set(header: 1, -8) },
    dropped("the algorithm outside of the signature", .malformed) { parts, _ in
        parts.set(header: 1, nil)
        parts.unprotected = .map([1: -7])
    },
    dropped("content in the unprotected header", .malformed) { parts, _ in
        parts.unprotected = .map([4: .bstr([1, 2, 3])])
    },
    dropped("a critical header", .malformed) { parts, _ in parts.set(header: 2, .array([4])) },
    dropped("a certificate", .malformed) { parts, _ in parts.set(header: 33, .bstr([0x30, 0])) },
    dropped("a claim that is none", .malformed) { parts, _ in parts.set(claim: 8, "x") },
    dropped("a time as a float", .malformed) { parts, _ in parts.set(claim: 6, Raw(hex: "f94000")) },
    dropped("no tag", .malformed) { parts, _ in parts.tag = nil },
    dropped("the tag of COSE_Sign", .malformed) { parts, _ in parts.tag = 98 },
    dropped("a detached payload", .malformed) { parts, _ in parts.payload = .null },
    dropped("a payload of indefinite length", .malformed) { parts, _ in
        parts.payload = Raw([0x5f] + parts.payload.bytes + [0xff])
    },
    dropped("claims of indefinite length", .malformed) { parts, _ in
        parts.protected = { parts in
            let claims = CommandParts.map(parts.claims).bytes
            let before = Array(parts.wholeHeader.bytes.dropLast(claims.count))
            return Raw(before + [0xbf] + Array(claims.dropFirst()) + [0xff])
        }
    },
    dropped("an algorithm that is not in its shortest form", .malformed) { parts, _ in
        parts.set(header: 1, Raw([0x38, 6]))
    },
    dropped("an issuer twice", .malformed) { parts, _ in parts.claims.insert(parts.claims[0], at: 0) },
    dropped("a key hint twice", .malformed) { parts, _ in parts.header.append(parts.header[2]) },
    dropped("claims in another order", .malformed) { parts, _ in parts.claims.swapAt(0, 1) },
    NegativeCommand("one byte more", .dropped(.malformed)) { try $0.parts().message() + [0] },
    NegativeCommand("one byte less", .dropped(.malformed)) { Array(try $0.parts().message().dropLast()) },
    dropped("16,384 bytes and one", .tooLarge) { parts, _ in
        let rest = try parts.message().count - parts.payload.bytes.count + 3
        parts.payload = .bstr([UInt8](repeating: 0, count: 16_385 - rest))
    },
    NegativeCommand("more than the device lets the broker send", .unheard) {
        try $0.parts().message() + [UInt8](repeating: 0, count: 40_000)
    },
    NegativeCommand("16,384 opened arrays", .dropped(.malformed)) { _ in [UInt8](repeating: 0x81, count: 16_384) },

    // Signed, but nothing that this device does.
    answered("no payload", .badCommand) { parts, _ in parts.payload = .bstr([]) },
    answered("a payload with a byte more", .badCommand) { parts, _ in
        parts.payload = .bstr(CommandParts.setInterval.bytes + [0])
    },
    answered("a payload of opened arrays", .badCommand) { parts, _ in
        parts.payload = .bstr([UInt8](repeating: 0x81, count: 10_000))
    },
    answered("a key that commands do not have", .badCommand) { parts, _ in
        parts.payload = .bstr(Raw.map([0: "set-interval", 1: .array([60]), 9: 1]).bytes)
    },
    answered("a command that the device does not have", .unknownCommand) { parts, _ in
        parts.payload = .bstr(Raw.map([0: "format-disk"]).bytes)
    },
    answered("no argument", .badArguments) { parts, _ in parts.payload = .bstr(Raw.map([0: "set-interval"]).bytes) },
    answered("an argument too many", .badArguments) { parts, _ in
        parts.payload = .bstr(Raw.map([0: "set-interval", 1: .array([60, 60])]).bytes)
    },
    answered("an argument out of range", .badArguments) { parts, _ in
        parts.payload = .bstr(Raw.map([0: "set-interval", 1: .array([3601])]).bytes)
    },
    answered("an argument of another type", .badArguments) { parts, _ in
        parts.payload = .bstr(Raw.map([0: "set-interval", 1: .array(["60"])]).bytes)
    },
]

private enum P256 {
    /// SEC 2 section 2.4.2.
    static let order: [UInt8] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6,
        0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ]

    /// The order less `number`: the s of the other signature.
    static func negated(_ number: ArraySlice<UInt8>) -> [UInt8] {
        var result = order
        var borrow = 0
        for (index, byte) in zip(result.indices, number).reversed() {
            let difference = Int(result[index]) - Int(byte) - borrow
            borrow = difference < 0 ? 1 : 0
            result[index] = UInt8(difference & 0xFF)
        }
        return result
    }
}
