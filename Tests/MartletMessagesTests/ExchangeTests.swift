// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletEnvelope
import MartletMessages
import TestSupport
import Testing

/// What HTTPS carries: requests and answers, put together by hand.
@Suite struct ExchangeTests {
    static let telemetry = Raw.array(["telemetry", .bstr([1, 2, 3])])
    static let unknown = Raw.array(["weather", .bstr([])])

    static let requests: [(Raw, Exchange.Request)] = [
        (.array([0, .array([]), 0]), Exchange.Request(wait: 0, messages: [], mark: 0)),
        (.array([60, .array([]), most]), Exchange.Request(wait: 60, messages: [], mark: .max)),
        (
            .array([20, .array([telemetry, .array(["presence", .bstr([])])]), 24]),
            Exchange.Request(
                wait: 20,
                messages: [
                    Exchange.Message(leaf: .signed(.telemetry), bytes: [1, 2, 3]),
                    Exchange.Message(leaf: .presence, bytes: []),
                ], mark: 24)
        ),
    ]

    static let answers: [(Raw, Exchange.Answer)] = [
        (.array([.array([]), .array([]), 0]), Exchange.Answer(codes: [], messages: [], mark: 0)),
        (
            .array([.array([0, 0x10, 255]), .array([.array(["command", .bstr([9])])]), 1]),
            Exchange.Answer(
                codes: [0, 0x10, 255], messages: [Exchange.Message(leaf: .signed(.command), bytes: [9])], mark: 1)
        ),
    ]

    static func request(_ bytes: [UInt8]) -> MessageError? {
        refusal { _ = try Exchange.Request(decoding: bytes.span) }
    }
    static func answer(_ bytes: [UInt8]) -> MessageError? { refusal { _ = try Exchange.Answer(decoding: bytes.span) } }

    private static func refusal(_ body: () throws -> Void) -> MessageError? {
        do { try body() } catch { return (error as? MessageError)?.anywhere }
        return nil
    }

    @Test func `what the protocol prescribes is read, and written with the same bytes`() throws {
        for (raw, request) in Self.requests {
            #expect(try Exchange.Request(decoding: raw.bytes.span) == request)
            #expect(request.encoded() == raw.bytes)
        }
        for (raw, answer) in Self.answers {
            #expect(try Exchange.Answer(decoding: raw.bytes.span) == answer)
            #expect(answer.encoded() == raw.bytes)
        }
    }

    @Test func `every prefix and one trailing byte are refused`() {
        for (raw, _) in Self.requests {
            for count in raw.bytes.indices {
                #expect(Self.request(Array(raw.bytes[..<count])) == .malformed(.truncated(at: 0)), "\(count)")
            }
            #expect(Self.request(raw.bytes + [0]) == .malformed(.trailingBytes(at: 0)))
        }
        for (raw, _) in Self.answers {
            for count in raw.bytes.indices {
                #expect(Self.answer(Array(raw.bytes[..<count])) == .malformed(.truncated(at: 0)), "\(count)")
            }
            #expect(Self.answer(raw.bytes + [0]) == .malformed(.trailingBytes(at: 0)))
        }
    }

    @Test func `no bit flip does more than give another message or an error`() {
        for (raw, _) in Self.requests {
            for flipped in Self.flips(raw.bytes) {
                guard let request = try? Exchange.Request(decoding: flipped.span) else { continue }
                // A name that is no leaf has no second way back.
                #expect(request.encoded() == (request.messages.contains { $0.leaf == nil } ? nil : flipped))
            }
        }
        for (raw, _) in Self.answers {
            for flipped in Self.flips(raw.bytes) {
                guard let answer = try? Exchange.Answer(decoding: flipped.span) else { continue }
                #expect(answer.encoded() == (answer.messages.contains { $0.leaf == nil } ? nil : flipped))
            }
        }
    }

    private static func flips(_ bytes: [UInt8]) -> [[UInt8]] {
        (0..<(bytes.count * 8)).map { bit in
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            return flipped
        }
    }

    /// Of what may stand in both, at the place of the messages.
    static let badMessages: [(Raw, CBORError)] = [
        (.map([:]), .unexpected(at: 0)),
        (.bstr([]), .unexpected(at: 0)),
        (.array([0]), .unexpected(at: 0)),
        (.array([.array([])]), .unexpected(at: 0)),
        (.array([.array(["telemetry"])]), .unexpected(at: 0)),
        (.array([.array(["telemetry", .bstr([]), 0])]), .unexpected(at: 0)),
        (.array([.array([.bstr(Array("telemetry".utf8)), .bstr([])])]), .unexpected(at: 0)),
        (.array([.array(["telemetry", "text"])]), .unexpected(at: 0)),
        (.array([.array([2, .bstr([])])]), .unexpected(at: 0)),
        (.array([.array([Raw(hex: "61ff"), .bstr([])])]), .notUTF8(at: 0)),
        (.array(Array(repeating: unknown, count: 65)), .unexpected(at: 0)),
        (Raw(hex: "9fff"), .indefiniteLength(at: 0)),
        (Raw(hex: "9b ffffffffffffffff"), .truncated(at: 0)),
        (Raw(hex: "9a 00010000"), .truncated(at: 0)),
        (Raw(hex: "81 82 60 5b 7fffffffffffffff"), .truncated(at: 0)),
        (Raw([UInt8](repeating: 0x81, count: 50_000)), .unexpected(at: 0)),
    ]

    static let badRequests: [(Raw, CBORError)] =
        badMessages.map { (.array([0, $0.0, 0]), $0.1) } + [
            (Raw([]), .truncated(at: 0)),
            (0, .unexpected(at: 0)),
            (.map([0: 0]), .unexpected(at: 0)),
            (.array([0, .array([])]), .unexpected(at: 0)),
            (.array([0, .array([]), 0, 0]), .unexpected(at: 0)),
            (.array([61, .array([]), 0]), .unexpected(at: 0)),
            (.array([most, .array([]), 0]), .unexpected(at: 0)),
            (.array([-1, .array([]), 0]), .unexpected(at: 0)),
            (.array([.null, .array([]), 0]), .unexpected(at: 0)),
            (.array([0, .array([]), .null]), .unexpected(at: 0)),
            (.array([0, .array([]), -1]), .unexpected(at: 0)),
            (.array([Raw(hex: "1814"), .array([]), Raw(hex: "1817")]), .notShortest(at: 0)),
        ]

    static let badAnswers: [(Raw, CBORError)] =
        badMessages.map { (.array([.array([]), $0.0, 0]), $0.1) } + [
            (.array([0, .array([]), 0]), .unexpected(at: 0)),
            (.array([.array([256]), .array([]), 0]), .unexpected(at: 0)),
            (.array([.array([most]), .array([]), 0]), .unexpected(at: 0)),
            (.array([.array([-1]), .array([]), 0]), .unexpected(at: 0)),
            (.array([.array([.array([0])]), .array([]), 0]), .unexpected(at: 0)),
            (.array([.array(Array(repeating: 0, count: 65)), .array([]), 0]), .unexpected(at: 0)),
            (.array([.array([]), .array([])]), .unexpected(at: 0)),
        ]

    @Test func `bad bytes are refused, each for its reason`() {
        for (raw, error) in Self.badRequests {
            #expect(Self.request(raw.bytes) == .malformed(error), "\(hex(raw.bytes.prefix(24)))")
        }
        for (raw, error) in Self.badAnswers {
            #expect(Self.answer(raw.bytes) == .malformed(error), "\(hex(raw.bytes.prefix(24)))")
        }
    }

    @Test func `64 KiB are read, and no byte more`() {
        for more in [0, 1] {
            let content = [UInt8](repeating: 7, count: Exchange.maximumSize - 18 + more)
            let raw = Raw.array([0, .array([.array(["telemetry", .bstr(content)])]), 0])
            #expect(raw.bytes.count == Exchange.maximumSize + more)
            #expect(Self.request(raw.bytes) == (more == 0 ? nil : .malformed(.unexpected(at: 0))))
        }
    }

    @Test func `names that are no leaf are told as such, and never written`() throws {
        let raw = Raw.array([.array([]), .array([Self.unknown, .array(["", .bstr([1])])]), 0])
        let answer = try Exchange.Answer(decoding: raw.bytes.span)
        #expect(answer.messages == [Exchange.Message(leaf: nil, bytes: []), Exchange.Message(leaf: nil, bytes: [1])])
        #expect(answer.encoded() == nil)
    }

    @Test func `what a reader would refuse is not written`() {
        let message = Exchange.Message(leaf: .presence, bytes: [])
        #expect(Exchange.Request(wait: 61, messages: [], mark: 0).encoded() == nil)
        for count in [64, 65] {
            let messages = [Exchange.Message](repeating: message, count: count)
            #expect((Exchange.Request(wait: 0, messages: messages, mark: 0).encoded() == nil) == (count == 65))
            let codes = [UInt8](repeating: 0, count: count)
            #expect((Exchange.Answer(codes: codes, messages: [], mark: 0).encoded() == nil) == (count == 65))
        }
        for (count, isWritten) in [(Exchange.maximumSize - 17, true), (Exchange.maximumSize, false)] {
            let large = Exchange.Message(leaf: .presence, bytes: [UInt8](repeating: 0, count: count))
            #expect((Exchange.Request(wait: 0, messages: [large], mark: 0).encoded() != nil) == isWritten)
        }
    }

    @Test func `as many messages as the bounds for their sizes allow are written`() {
        let size = (Exchange.maximumSize - Exchange.overhead) / Exchange.maximumCount - Exchange.messageOverhead
        let message = Exchange.Message(leaf: .signed(.decommission), bytes: [UInt8](repeating: 0, count: size))
        let messages = [Exchange.Message](repeating: message, count: Exchange.maximumCount)
        #expect(Exchange.Request(wait: 60, messages: messages, mark: .max).encoded() != nil)
        let codes = [UInt8](repeating: 255, count: Exchange.maximumCount)
        #expect(Exchange.Answer(codes: codes, messages: messages, mark: .max).encoded() != nil)
    }
}
