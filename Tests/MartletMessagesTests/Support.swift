// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletCOSE
import MartletEnvelope
import MartletMessages
import TestSupport
import Testing

func bytes16(_ byte: UInt8) -> Bytes16 { Bytes16(InlineArray(repeating: byte)) }

func digest(_ byte: UInt8) -> Digest { Digest(InlineArray(repeating: byte)) }

/// What all payloads have in common, so that one test can drive each of them.
struct Kind: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Decodes and encodes again.
    let roundTrip: @Sendable (_ payload: [UInt8]) throws -> [UInt8]?
    /// Payloads as the protocol prescribes them, put together by hand.
    let examples: [Raw]

    /// Why `payload` is refused, wherever in it; nil if it is not.
    func refusal(_ payload: [UInt8]) -> MessageError? {
        do {
            _ = try roundTrip(payload)
            return nil
        } catch {
            return (error as? MessageError)?.anywhere
        }
    }
}

extension MessageError {
    /// The same error without the place of bad CBOR.
    var anywhere: MessageError {
        switch self {
        case .malformed(.unexpected): .malformed(.unexpected(at: 0))
        case .malformed(.truncated): .malformed(.truncated(at: 0))
        case .malformed(.trailingBytes): .malformed(.trailingBytes(at: 0))
        case .malformed(.duplicateKey): .malformed(.duplicateKey(at: 0))
        case .malformed(.keyOrder): .malformed(.keyOrder(at: 0))
        case .malformed(.notShortest): .malformed(.notShortest(at: 0))
        case .malformed(.notUTF8): .malformed(.notUTF8(at: 0))
        case .malformed(.tooDeep): .malformed(.tooDeep(at: 0))
        case .malformed(.indefiniteLength): .malformed(.indefiniteLength(at: 0))
        default: self
        }
    }
}

let id = Raw.bstr([UInt8](repeating: 0x1d, count: 16))
let hash = Raw.bstr([UInt8](repeating: 0xd1, count: 32))
let most = Raw.unsigned(.max)
let text1024 = Raw.text(String(repeating: "a", count: 1024))
let data1024 = Raw.bstr([UInt8](repeating: 0, count: 1024))
let heads = Raw.map([0: .array([1, hash]), 1: .array([most, hash]), 2: .array([0, hash])])
let values = Raw.array([60, -1, Raw(hex: "fb3ff199999999999a"), Raw([0xf5]), "läuft", .bstr([0, 1])])

enum Kinds {
    static let birth = Kind(
        testDescription: "birth", roundTrip: { try Birth(decoding: $0.span).encoded() },
        examples: [
            .map([0: 1, 1: 2, 2: id, 3: .map([:]), 4: 0, 5: .array([])]),
            .map([
                0: most, 1: most, 2: id, 3: heads, 4: most,
                5: .array(Array(repeating: .array([text32, text32]), count: 4)),
            ]),
            .map([0: 1, 1: 2, 2: id, 3: .map([:]), 4: 0, 5: .array([]), 6: .array([most, hash])]),
        ])
    static let text32 = Raw.text(String(repeating: "v", count: 32))

    static let command = Kind(
        testDescription: "command", roundTrip: { try Command(decoding: $0.span).encoded() },
        examples: [
            .map([0: "a", 1: .array([]), 3: 1]),
            .map([0: "set-interval", 1: values, 2: .unsigned(1 << 31), 3: 2]),
            .map([0: "z0-9", 1: .array(Array(repeating: text1024, count: 8)), 2: 0, 3: 0]),
            .map([0: "b", 1: .array([.unsigned(1 << 63 - 1), Raw(hex: "3b7fffffffffffffff"), data1024]), 3: 1]),
        ])

    static let receipt = Kind(
        testDescription: "receipt", roundTrip: { try Receipt(decoding: $0.span).encoded() },
        examples: [
            .map([0: id, 1: 0, 2: 0, 3: hash, 4: .array([])]),
            .map([0: id, 1: most, 2: 10, 3: hash, 4: values, 5: id]),
        ])

    static let resume = Kind(
        testDescription: "resume", roundTrip: { try Resume(decoding: $0.span).encoded() },
        examples: [
            .map([0: 0, 1: .null, 2: 0, 3: .map([:])]),
            .map([0: .unsigned(1 << 40), 1: .array([most, hash]), 2: most, 3: heads]),
        ])

    static let gap = Kind(
        testDescription: "gap", roundTrip: { try Gap(decoding: $0.span).encoded() },
        examples: [
            .map([0: 5, 1: 5, 2: 0, 3: 0, 4: .null]),
            .map([0: 0, 1: most, 2: most, 3: 5, 4: hash]),
        ])

    static let event = Kind(
        testDescription: "event", roundTrip: { try Event(decoding: $0.span).encoded() },
        examples: [
            .map([0: 4, 1: .array([])]),
            .map([0: 1, 1: .array(Array(repeating: .array([most, most]), count: 32))]),
        ])

    static let checkpoint = Kind(
        testDescription: "checkpoint", roundTrip: { try Checkpoint(decoding: $0.span).encoded() },
        examples: [
            .map([0: 0, 1: .array([0, hash]), 2: .map([:]), 3: 0, 4: .array([])]),
            .map([0: most, 1: .array([most, hash]), 2: heads, 3: most, 4: .array(Array(repeating: id, count: 64))]),
        ])

    static let presence = Kind(
        testDescription: "presence", roundTrip: { try Presence(decoding: $0.span).encoded() },
        examples: [.map([0: Raw([0xf4]), 1: 0, 2: 0]), .map([0: Raw([0xf5]), 1: most, 2: most])])

    static let all = [birth, command, receipt, resume, gap, event, checkpoint, presence, trust]
}
