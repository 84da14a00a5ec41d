// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletCOSE
import MartletEnvelope
import MartletMessages
import TestSupport
import Testing

/// The kid of a key is its last 8 bytes, so that a test can choose it.
final class TailHashing: Hashing {
    func sha256(_ bytes: Span<UInt8>) -> Digest {
        var digest = InlineArray<32, UInt8>(repeating: 0)
        for index in 0..<min(8, bytes.count) { digest[7 - index] = bytes[bytes.count - 1 - index] }
        return Digest(digest)
    }
}

/// A key of 44 bytes with this kid.
func spki(_ kid: UInt8) -> Raw { .bstr([UInt8](repeating: 1, count: 36) + [UInt8](repeating: kid, count: 8)) }

private let badType = MessageError.malformed(.unexpected(at: 0))
private let name: Raw = "urn:example:operator"
private let operatorEntry = Raw.array([name, spki(9), .array(["operate"])])

/// A document with other members than usual.
private func document(_ members: KeyValuePairs<Raw, Raw>) -> Raw {
    var usual: [(Raw, Raw)] = [
        (0, 1), (1, .array([spki(1)])), (2, 1), (3, .array([operatorEntry])),
        (4, .map(["operate": .array([.map([0: "open"])])])),
    ]
    for (key, value) in members {
        if let index = usual.firstIndex(where: { $0.0.bytes == key.bytes }) { usual[index].1 = value }
    }
    return Raw([0xa5] + usual.flatMap { $0.0.bytes + $0.1.bytes })
}

private func rule(_ members: KeyValuePairs<Raw, Raw>) -> Raw {
    document([4: .map(["operate": .array([.map(members)])])])
}

private func controllers(_ count: UInt8) -> Raw {
    .array((0..<count).map { .array([name, spki(100 + $0), .array(["operate"])]) })
}

private func rules(_ count: Int) -> Raw { .array(Array(repeating: .map([0: "open"]), count: count)) }

@Suite struct TrustTests {
    private static func bad(_ error: MessageError, _ payload: Raw) -> Bad { Bad(Kinds.trust, error, payload) }

    static let bad: [Bad] = [
        bad(.missing(1), .map([0: 1])),
        bad(.missing(4), .map([0: 1, 1: .array([spki(1)]), 2: 1, 3: .array([])])),
        bad(.badValue(0), document([0: 0])),
        bad(.badValue(0), document([0: .unsigned(1 << 62 + 1)])),
        bad(badType, document([0: "1"])),
        bad(badType, document([1: spki(1)])),
        bad(.badValue(1), document([1: .array([])])),
        bad(badType, document([1: .array([spki(1), spki(2), spki(3), spki(4), spki(5)])])),
        bad(.badValue(1), document([1: .array([.bstr([])])])),
        bad(badType, document([1: .array([.bstr([UInt8](repeating: 1, count: 129))])])),
        bad(badType, document([1: .array(["key"])])),
        // Two roots with one kid, whatever else is in them.
        bad(.badValue(1), document([1: .array([spki(1), spki(1)])])),
        bad(.badValue(1), document([1: .array([spki(1), .bstr([UInt8](repeating: 1, count: 8))])])),
        bad(.badValue(2), document([2: 0])),
        bad(.badValue(2), document([2: 2])),
        bad(.badValue(2), document([2: most])),
        bad(badType, document([2: -1])),
        bad(badType, document([3: controllers(17)])),
        bad(badType, document([3: .array([.array([name, spki(9)])])])),
        bad(badType, document([3: .array([.array([name, spki(9), .array(["operate"]), 0])])])),
        bad(.badValue(3), document([3: .array([.array([name, spki(9), .array([])])])])),
        bad(.badValue(3), document([3: .array([.array(["operator", spki(9), .array(["operate"])])])])),
        bad(.badValue(3), document([3: .array([.array(["urn:a b", spki(9), .array(["operate"])])])])),
        bad(.badValue(3), document([3: .array([.array([name, spki(9), .array(["Operate"])])])])),
        bad(.badValue(3), document([3: .array([.array([name, spki(9), .array(["operate", "operate"])])])])),
        bad(badType, document([3: .array([.array([name, spki(9), .array(Array(repeating: "a", count: 9))])])])),
        // Two controllers with one kid, and a root that is a controller.
        bad(.badValue(3), document([3: .array([operatorEntry, operatorEntry])])),
        bad(.badValue(3), document([3: .array([.array([name, spki(1), .array(["operate"])])])])),
        bad(badType, document([4: .array([])])),
        bad(.badValue(4), document([4: .map(["": .array([])])])),
        bad(.badValue(4), document([4: .map(["Operate": .array([])])])),
        bad(.badValue(4), document([4: .map(["gateway": .array([])])])),
        bad(
            .malformed(.duplicateKey(at: 0)), document([4: .map(["operate": .array([]), "operate": .array([])])])),
        bad(badType, document([4: .map(["operate": rules(33)])])),
        bad(.badValue(4), document([4: .map(["operate": rules(17), "service": rules(16)])])),
        bad(.badValue(4), rule([1: .array([1, 1])])),
        bad(.badValue(4), rule([0: "Open"])),
        bad(badType, rule([0: "open", 4: 0])),
        bad(badType, rule([0: "open", 1: 1])),
        bad(badType, rule([0: "open", 1: .array([1])])),
        bad(.badValue(4), rule([0: "open", 1: .array([0, 1])])),
        bad(.badValue(4), rule([0: "open", 1: .array([1, 0])])),
        bad(.badValue(4), rule([0: "open", 1: .array([1001, 1])])),
        bad(.badValue(4), rule([0: "open", 1: .array([1, 86_401])])),
        bad(.badValue(4), rule([0: "open", 1: .array([most, most])])),
        bad(badType, rule([0: "open", 2: .null])),
        bad(badType, rule([0: "open", 2: .array(Array(repeating: .null, count: 9))])),
        bad(badType, rule([0: "open", 2: .array([.array([])])])),
        bad(.badValue(4), rule([0: "open", 2: .array([.array([1])])])),
        bad(.badValue(4), rule([0: "open", 2: .array([.array([2, 1])])])),
        bad(.badValue(4), rule([0: "open", 2: .array([.array([1, 2, 3])])])),
        bad(.badValue(4), rule([0: "open", 2: .array([.array([1, "a"])])])),
        bad(.badValue(4), rule([0: "open", 2: .array([.array([.bstr([1])])])])),
        bad(.badValue(4), rule([0: "open", 2: .array([.array([Raw([0xf4]), Raw([0xf5])])])])),
        bad(badType, rule([0: "open", 2: .array([.array([Raw(hex: "f97c00"), Raw(hex: "f97c00")])])])),
        bad(badType, rule([0: "open", 2: .array([.array(Array(repeating: "a", count: 9))])])),
        bad(.badValue(4), rule([0: "open", 3: .array([])])),
        bad(badType, rule([0: "open", 3: .array([2])])),
        bad(badType, rule([0: "open", 3: .array([1, 0])])),
        bad(badType, rule([0: "open", 3: .array([0, 0])])),
        bad(badType, rule([0: "open", 3: .array([1, 1])])),
        bad(badType, rule([0: "open", 3: 0])),
    ]

    @Test("CMD-08 a document that cannot be is refused, and the member is named", arguments: bad)
    func refused(bad: Bad) {
        #expect(bad.kind.refusal(bad.payload.bytes) == bad.error)
    }

    private static func limits(_ limits: [CommandValue]...) -> TrustDocument.Rule {
        TrustDocument.Rule(command: [0x61], arguments: limits)
    }

    private static let text = { CommandValue.text(Array($0.utf8)) } as @Sendable (String) -> CommandValue

    @Test(
        arguments: [
            (limits(), [], true), (limits(), [.integer(1)], false), (limits([]), [], false),
            (limits([]), [.boolean(true)], true), (limits([]), [.integer(1), .integer(1)], false),
            (limits([.integer(1), .integer(5)]), [.integer(1)], true),
            (limits([.integer(1), .integer(5)]), [.integer(5)], true),
            (limits([.integer(1), .integer(5)]), [.integer(0)], false),
            (limits([.integer(1), .integer(5)]), [.integer(6)], false),
            (limits([.integer(1), .integer(5)]), [.number(4.5)], true),
            (limits([.integer(1), .integer(5)]), [.number(5.5)], false),
            (limits([.integer(1), .integer(5)]), [.number(.nan)], false),
            (limits([.integer(1), .integer(5)]), [text("1")], false),
            (limits([.integer(1), .integer(5)]), [.boolean(true)], false),
            (limits([.number(-0.5), .number(0.5)]), [.integer(0)], true),
            (limits([.number(-0.5), .number(0.5)]), [.integer(1)], false),
            (limits([.integer(.max - 1), .integer(.max)]), [.integer(.max - 2)], false),
            (limits([.integer(.min), .integer(.min)]), [.integer(.min + 1)], false),
            (limits([text("on"), text("off")]), [text("off")], true),
            (limits([text("on"), text("off")]), [text("of")], false),
            (limits([text("on"), text("off")]), [.data(Array("on".utf8))], false),
            (limits([text("on"), text("off")]), [.integer(1)], false),
            (limits([text("on")], [.integer(1), .integer(2)]), [text("on"), .integer(2)], true),
            (limits([text("on")], [.integer(1), .integer(2)]), [text("on"), .integer(3)], false),
            (TrustDocument.Rule(command: [0x61]), [.integer(1), .boolean(false)], true),
        ] as [(TrustDocument.Rule, [CommandValue], Bool)])
    func `the limits of a rule hold for each argument, and for their number`(
        rule: TrustDocument.Rule, values: [CommandValue], isAllowed: Bool
    ) {
        #expect(rule.allows(values) == isAllowed)
    }

    @Test func `what a reader would refuse is not written`() throws {
        let good = try TrustDocument(decoding: document([:]).bytes.span, hashing: TailHashing())
        #expect(try good.encoded() == document([:]).bytes)
        func fault(_ change: (inout TrustDocument) -> Void) -> MessageError? {
            var document = good
            change(&document)
            do throws(MessageError) { _ = try document.encoded() } catch { return error }
            return nil
        }
        #expect(fault { $0.version = 0 } == .badValue(0))
        #expect(fault { $0.roots = [] } == .badValue(1))
        #expect(fault { $0.roots += $0.roots } == .badValue(1))
        #expect(fault { $0.threshold = -1 } == .badValue(2))
        #expect(fault { $0.controllers[0].key = $0.roots[0] } == .badValue(3))
        #expect(fault { $0.policy += $0.policy } == .badValue(4))
        #expect(fault { $0.policy[0].rules[0].whileActive = false } == .badValue(4))
        // More than an envelope holds.
        let long = [CommandValue](repeating: .text([UInt8](repeating: 0x61, count: 1024)), count: 8)
        #expect(fault { $0.policy[0].rules[0].arguments = [long, long] } == .badValue(4))
        // Roles go by the bytes of their encodings, whatever their order.
        let names = ["b", "aa", "a"].map { Array($0.utf8) }
        #expect(fault { $0.policy = names.map { TrustDocument.Role(name: $0, rules: []) } } == nil)
    }
}

extension Kinds {
    static let trust = Kind(
        testDescription: "trust",
        roundTrip: { try TrustDocument(decoding: $0.span, hashing: TailHashing()).encoded() },
        examples: [
            document([:]),
            document([0: .unsigned(1 << 62), 3: .array([]), 4: .map([:])]),
            document([
                1: .array([spki(1), spki(2), spki(3), spki(4)]), 2: 4,
                3: .array([.array([name, spki(9), .array(["a", "b", "c", "d", "e", "f", "g", "gateway"])])]),
                4: .map([
                    "z": rules(2), "operate": .array([]),
                    "service": .array([
                        .map([
                            0: "set", 1: .array([1000, 86_400]),
                            2: .array([
                                .null, .array([-1, Raw(hex: "fb3ff199999999999a")]), .array(["on", "off", "läuft"]),
                            ]), 3: .array([0, 1]),
                        ]),
                        .map([0: "open", 3: .array([1])]),
                    ]),
                ]),
            ]),
            document([3: controllers(16), 4: .map(["operate": rules(32)])]),
        ])
}
