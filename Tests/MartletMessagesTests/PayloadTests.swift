// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletCOSE
import MartletEnvelope
import MartletMessages
import TestSupport
import Testing

private let badType = MessageError.malformed(.unexpected(at: 0))

/// A payload that is refused, and why.
struct Bad: CustomTestStringConvertible, Sendable {
    let kind: Kind
    let error: MessageError
    let payload: Raw
    var testDescription: String { "\(kind.testDescription) \(hex(payload.bytes.prefix(24))): \(error)" }

    init(_ kind: Kind, _ error: MessageError, _ payload: Raw) {
        self.kind = kind
        self.error = error
        self.payload = payload
    }
}

@Suite struct PayloadTests {
    @Test(arguments: Kinds.all)
    func `what the protocol prescribes is read, and written with the same bytes`(kind: Kind) throws {
        for example in kind.examples {
            #expect(try kind.roundTrip(example.bytes) == example.bytes)
        }
    }

    @Test(arguments: Kinds.all)
    func `every prefix and one trailing byte are refused`(kind: Kind) {
        for example in kind.examples {
            for count in example.bytes.indices {
                #expect(
                    kind.refusal(Array(example.bytes[..<count])) == .malformed(.truncated(at: 0)), "\(count) bytes")
            }
            #expect(kind.refusal(example.bytes + [0]) == .malformed(.trailingBytes(at: 0)))
        }
    }

    @Test(arguments: Kinds.all)
    func `an unknown member is refused and named`(kind: Kind) {
        for example in kind.examples {
            let count = example.bytes[0] & 31
            for (label, value) in [(Raw(23), Raw(0)), (24, .map([0: .array([])])), (most, .null)] {
                let more = [example.bytes[0] + 1] + example.bytes.dropFirst() + label.bytes + value.bytes
                let number: UInt64 = label.bytes == most.bytes ? .max : label.bytes.count == 1 ? 23 : 24
                #expect(kind.refusal(more) == .unknown(number), "\(count) members")
            }
        }
    }

    @Test(arguments: Kinds.all)
    func `what is no map with unsigned keys is refused`(kind: Kind) {
        let table: [(Raw, MessageError)] = [
            (Raw([]), .malformed(.truncated(at: 0))),
            (.array([0, 1]), badType),
            (0, badType),
            (.null, badType),
            (.bstr([0xa0]), badType),
            (.tag(1, .map([:])), badType),
            (.map(["0": 1]), badType),
            (.map([-1: 1]), badType),
            (Raw(hex: "bf00f5ff"), .malformed(.indefiniteLength(at: 0))),
            (Raw(hex: "b800"), .malformed(.notShortest(at: 0))),
            (Raw(hex: "ba ffffffff 00"), .malformed(.truncated(at: 0))),
            (Raw(hex: "bb 0000000100000000 00"), .malformed(.truncated(at: 0))),
            (Raw(hex: "bb 8000000000000000 00"), .malformed(.truncated(at: 0))),
            (Raw([UInt8](repeating: 0x81, count: 50_000)), badType),
            (Raw([0xa1, 0x17] + [UInt8](repeating: 0x81, count: 50_000)), .malformed(.tooDeep(at: 0))),
            (Raw([0xa1, 0x17] + [UInt8](repeating: 0xd2, count: 50_000)), .malformed(.tooDeep(at: 0))),
            (.map([:]), .missing(0)),
        ]
        for (payload, error) in table {
            #expect(kind.refusal(payload.bytes) == error, "\(hex(payload.bytes.prefix(16)))")
        }
    }

    @Test(arguments: Kinds.all)
    func `members twice or out of order are refused`(kind: Kind) {
        for example in kind.examples {
            // The first key is 0, its value of one or more bytes; a second key 0 after it is a duplicate.
            let twice = [example.bytes[0] + 1] + example.bytes.dropFirst() + [0, 0]
            #expect(kind.refusal(twice) == .malformed(.keyOrder(at: 0)))
        }
        #expect(kind.refusal(bytes(hex: "a2 17f5 17f5")) == .malformed(.duplicateKey(at: 0)))
    }

    @Test(arguments: Kinds.all)
    func `no bit flip does more than give another payload or an error`(kind: Kind) {
        for example in kind.examples where example.bytes.count < 1500 {
            for bit in 0..<(example.bytes.count * 8) {
                var flipped = example.bytes
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                // What is accepted is written back with the bytes that were read: no second form of one message.
                if let again = try? kind.roundTrip(flipped) { #expect(again == flipped || kind.isOptional(flipped)) }
            }
        }
    }

    static let bad: [Bad] = [
        Bad(Kinds.birth, .missing(1), .map([0: 1, 2: id])),
        Bad(Kinds.birth, .missing(2), .map([0: 1, 1: 1])),
        Bad(Kinds.birth, badType, .map([0: -1, 1: 1, 2: id])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: "1", 2: id])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: .bstr([UInt8](repeating: 0, count: 15))])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: .bstr([UInt8](repeating: 0, count: 17))])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 3: .array([])])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 3: .map([3: .array([1, hash])])])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 3: .map([256: .array([1, hash])])])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 3: .map([0: .null])])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 3: .map([0: .array([1])])])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 3: .map([0: .array([1, id])])])),
        Bad(
            Kinds.birth, .malformed(.duplicateKey(at: 0)),
            .map([0: 1, 1: 1, 2: id, 3: .map([0: .array([1, hash]), 0: .array([1, hash])])])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 4: -1])),
        Bad(
            Kinds.birth, badType,
            .map([0: 1, 1: 1, 2: id, 5: .array(Array(repeating: .array(["a", "1"]), count: 5))])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 5: .array([.array(["a"])])])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 5: .array([.array(["a", 1])])])),
        Bad(
            Kinds.birth, badType,
            .map([0: 1, 1: 1, 2: id, 5: .array([.array([.text([UInt8](repeating: 0x61, count: 33)), "1"])])])),
        Bad(
            Kinds.birth, badType,
            .map([0: 1, 1: 1, 2: id, 5: .array([.array(["a", .text([UInt8](repeating: 0x61, count: 33))])])])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 6: .null])),
        Bad(Kinds.birth, badType, .map([0: 1, 1: 1, 2: id, 6: .array([1, id])])),

        Bad(Kinds.command, .missing(0), .map([1: .array([])])),
        Bad(Kinds.command, .badValue(0), .map([0: ""])),
        Bad(Kinds.command, .badValue(0), .map([0: "Reboot"])),
        Bad(Kinds.command, .badValue(0), .map([0: "1a"])),
        Bad(Kinds.command, .badValue(0), .map([0: "-a"])),
        Bad(Kinds.command, .badValue(0), .map([0: "a_b"])),
        Bad(Kinds.command, .badValue(0), .map([0: "a b"])),
        Bad(Kinds.command, .badValue(0), .map([0: "ä"])),
        Bad(Kinds.command, .badValue(0), .map([0: .text([0x61, 0])])),
        Bad(Kinds.command, badType, .map([0: .text([UInt8](repeating: 0x61, count: 33))])),
        Bad(Kinds.command, badType, .map([0: .bstr([0x61])])),
        Bad(Kinds.command, .malformed(.notUTF8(at: 0)), .map([0: .text([0xc0, 0x80])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: 1])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array(Array(repeating: 0, count: 9))])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([.null])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([Raw([0xf7])])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([.array([])])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([.map([:])])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([.tag(1, 1)])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([Raw(hex: "f97e00")])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([Raw(hex: "f97c00")])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([Raw(hex: "f9fc00")])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([.unsigned(1 << 63)])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([Raw(hex: "3b8000000000000000")])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([.text([UInt8](repeating: 0x61, count: 1025))])])),
        Bad(Kinds.command, badType, .map([0: "a", 1: .array([.bstr([UInt8](repeating: 0x61, count: 1025))])])),
        Bad(Kinds.command, .badValue(2), .map([0: "a", 2: .unsigned(1 << 31 + 1)])),
        Bad(Kinds.command, .badValue(2), .map([0: "a", 2: most])),
        Bad(Kinds.command, badType, .map([0: "a", 2: -1])),
        Bad(Kinds.command, .badValue(3), .map([0: "a", 3: 3])),
        Bad(Kinds.command, .badValue(3), .map([0: "a", 3: 256])),

        Bad(Kinds.receipt, .missing(1), .map([0: id, 2: 0, 3: hash])),
        Bad(Kinds.receipt, .missing(2), .map([0: id, 1: 0, 3: hash])),
        Bad(Kinds.receipt, .missing(3), .map([0: id, 1: 0, 2: 0])),
        Bad(Kinds.receipt, .badValue(2), .map([0: id, 1: 0, 2: 3, 3: hash])),
        Bad(Kinds.receipt, .badValue(2), .map([0: id, 1: 0, 2: 9, 3: hash])),
        Bad(Kinds.receipt, .badValue(2), .map([0: id, 1: 0, 2: 23, 3: hash])),
        Bad(Kinds.receipt, .badValue(2), .map([0: id, 1: 0, 2: 256, 3: hash])),
        Bad(Kinds.receipt, badType, .map([0: hash, 1: 0, 2: 0, 3: hash])),
        Bad(Kinds.receipt, badType, .map([0: id, 1: .bstr([0]), 2: 0, 3: hash])),
        Bad(Kinds.receipt, badType, .map([0: id, 1: 0, 2: 0, 3: id])),
        Bad(Kinds.receipt, badType, .map([0: id, 1: 0, 2: 0, 3: hash, 4: .array(Array(repeating: 0, count: 9))])),
        Bad(Kinds.receipt, badType, .map([0: id, 1: 0, 2: 0, 3: hash, 5: hash])),
        Bad(Kinds.receipt, badType, .map([0: id, 1: 0, 2: 0, 3: hash, 5: .null])),

        Bad(Kinds.resume, .badValue(0), .map([0: .unsigned(1 << 40 + 1)])),
        Bad(Kinds.resume, .badValue(0), .map([0: most])),
        Bad(Kinds.resume, badType, .map([0: -1])),
        Bad(Kinds.resume, badType, .map([0: Raw(hex: "f93c00")])),
        Bad(Kinds.resume, badType, .map([0: 1, 1: 1])),
        Bad(Kinds.resume, badType, .map([0: 1, 1: .array([1, id])])),
        Bad(Kinds.resume, badType, .map([0: 1, 2: .null])),
        Bad(Kinds.resume, badType, .map([0: 1, 3: .map([5: .array([1, hash])])])),

        Bad(Kinds.gap, .missing(1), .map([0: 1])),
        Bad(Kinds.gap, .missing(3), .map([0: 1, 1: 1])),
        Bad(Kinds.gap, .badValue(1), .map([0: 2, 1: 1, 3: 0])),
        Bad(Kinds.gap, .badValue(3), .map([0: 1, 1: 1, 3: 6])),
        Bad(Kinds.gap, .badValue(3), .map([0: 1, 1: 1, 3: 256])),
        Bad(Kinds.gap, badType, .map([0: 1, 1: 1, 2: -1, 3: 0])),
        Bad(Kinds.gap, badType, .map([0: 1, 1: 1, 3: 0, 4: id])),
        Bad(Kinds.gap, badType, .map([0: 1, 1: 1, 3: 0, 4: 0])),

        Bad(Kinds.checkpoint, .missing(1), .map([0: 1])),
        Bad(Kinds.checkpoint, badType, .map([0: 1, 1: .null])),
        Bad(Kinds.checkpoint, badType, .map([0: 1, 1: .array([1, id])])),
        Bad(Kinds.checkpoint, badType, .map([0: 1, 1: .array([1, hash, 1])])),
        Bad(Kinds.checkpoint, badType, .map([0: 1, 1: .array([1, hash]), 2: .map([3: .array([1, hash])])])),
        Bad(Kinds.checkpoint, badType, .map([0: 1, 1: .array([1, hash]), 4: .array([.text("a")])])),
        Bad(
            Kinds.checkpoint, badType,
            .map([0: 1, 1: .array([1, hash]), 4: .array(Array(repeating: .bstr([0]), count: 65))])),
        Bad(
            Kinds.checkpoint, .badValue(4),
            .map([0: 1, 1: .array([1, hash]), 4: .array([.bstr([UInt8](repeating: 0, count: 15 * 1024))])])),

        Bad(Kinds.event, .badValue(0), .map([0: 0])),
        Bad(Kinds.event, .badValue(0), .map([0: 7])),
        Bad(Kinds.event, .badValue(0), .map([0: 257])),
        Bad(Kinds.event, .missing(0), .map([1: .array([])])),
        Bad(Kinds.event, badType, .map([0: 1, 1: .array(Array(repeating: .array([0, 0]), count: 33))])),
        Bad(Kinds.event, badType, .map([0: 1, 1: .array([.array([0])])])),
        Bad(Kinds.event, badType, .map([0: 1, 1: .array([.array([0, -1])])])),
        Bad(Kinds.event, badType, .map([0: 1, 1: .array([0])])),

        Bad(Kinds.presence, .missing(0), .map([1: 0])),
        Bad(Kinds.presence, badType, .map([0: 1])),
        Bad(Kinds.presence, badType, .map([0: .null])),
        Bad(Kinds.presence, badType, .map([0: Raw([0xf5]), 1: -1])),
    ]

    @Test(arguments: bad)
    func `a bad value is refused and named`(bad: Bad) {
        #expect(bad.kind.refusal(bad.payload.bytes) == bad.error)
    }
}

extension Kind {
    /// Whether a member that has a default was left out, so that writing adds it.
    func isOptional(_ payload: [UInt8]) -> Bool {
        guard let again = try? roundTrip(payload) else { return false }
        // A missing member is written; the usual states of a rule are left out.
        return again[0] > payload[0] || again.count < payload.count
    }
}
