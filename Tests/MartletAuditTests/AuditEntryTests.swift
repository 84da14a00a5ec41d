// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletAudit
import MartletCBOR
import MartletCOSE
import MartletEnvelope
import TestSupport
import Testing

private func entry(_ kind: AuditKind, _ values: [AuditValue]) -> AuditEntry {
    AuditEntry(index: 2, previous: digest(0xee), kind: kind, time: time, values: values)
}

private func refusal(_ bytes: [UInt8]) -> AuditError? {
    do throws(AuditError) {
        _ = try AuditEntry(decoding: bytes.span)
        return nil
    } catch {
        return error.anywhere
    }
}

extension AuditError {
    /// The same error without the place of bad CBOR.
    fileprivate var anywhere: AuditError {
        switch self {
        case .malformed(.unexpected): .malformed(.unexpected(at: 0))
        case .malformed(.truncated): .malformed(.truncated(at: 0))
        case .malformed(.trailingBytes): .malformed(.trailingBytes(at: 0))
        case .malformed(.notShortest): .malformed(.notShortest(at: 0))
        case .malformed(.notUTF8): .malformed(.notUTF8(at: 0))
        default: self
        }
    }
}

private let when = Raw.array([7, 30_000, 1_795_262_400, 2])
private let before = Raw.bstr([UInt8](repeating: 0xee, count: 32))

/// A well-formed entry of kind `clock`, but for what is given.
private func raw(
    index: Raw = 2, previous: Raw = before, kind: Raw = 7, time: Raw = when, values: Raw = .array([1])
) -> [UInt8] {
    Raw.array([index, previous, kind, time, values]).bytes
}

@Suite struct AuditEntryTests {
    @Test func `the bytes are those of the protocol`() {
        let accepted = entry(.accepted, [.number(5), .bytes(id), .bytes(hash), .text(text32)])
        let values = Raw.array([5, .bstr(id), .bstr(hash), .text(text32)])
        #expect(accepted.encoded() == raw(kind: 2, values: values))
        var undated = entry(.clock, [.number(1)])
        undated.time.seconds = nil
        undated.time.clock = .untrusted
        #expect(undated.encoded() == raw(time: .array([7, 30_000, .null, 0])))
    }

    @Test func `every kind comes back as what it was, within the stated size`() throws {
        #expect(Set(values.map(\.kind)).count == AuditKind.allCases.count)
        for (kind, values) in values {
            var entry = AuditEntry(
                index: .max, previous: digest(0xff), kind: kind,
                time: AuditTime(run: .max, boot: .max, seconds: 1 << 40, clock: .trusted), values: values)
            let bytes = try #require(entry.encoded())
            #expect(bytes.count <= AuditEntry.maximumSize)
            #expect(try AuditEntry(decoding: bytes.span) == entry)
            entry.index = 1
            entry.previous = digest(0)
            let first = try #require(entry.encoded())
            #expect(try AuditEntry(decoding: first.span) == entry)
        }
    }

    @Test func `every prefix and one trailing byte are refused`() throws {
        for (kind, values) in values {
            let bytes = try #require(entry(kind, values).encoded())
            for count in bytes.indices {
                #expect(refusal(Array(bytes[..<count])) == .malformed(.truncated(at: 0)))
            }
            #expect(refusal(bytes + [0]) == .malformed(.trailingBytes(at: 0)))
        }
    }

    @Test func `no bit flip gives a second form of one entry`() throws {
        for (kind, values) in values {
            let bytes = try #require(entry(kind, values).encoded())
            for bit in 0..<bytes.count * 8 {
                var flipped = bytes
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                if let read = try? AuditEntry(decoding: flipped.span) { #expect(read.encoded() == flipped) }
            }
        }
    }

    @Test func `values that are not those of the kind are neither written nor read`() {
        let number = AuditValue.number(1)
        let (short, long) = (AuditValue.bytes(Array(id.dropLast())), AuditValue.bytes(hash + [0]))
        let bad: [(AuditKind, [AuditValue])] = [
            (.started, []), (.started, [number, number]), (.started, [.bytes(id)]), (.started, [.text([0x31])]),
            (.accepted, [number, .bytes(id), .bytes(hash)]),
            (.accepted, [number, .bytes(id), .bytes(hash), number]),
            (.accepted, [number, .bytes(id), .bytes(hash), .text([])]),
            (.accepted, [number, .bytes(id), .bytes(hash), .text(text32 + [0x61])]),
            (.accepted, [number, .bytes(hash), .bytes(id), .text(text32)]),
            (.accepted, [number, short, .bytes(hash), .text(text32)]),
            (.accepted, [number, .bytes(id), long, .text(text32)]),
            (.refused, [number, .bytes(id), .bytes(hash), .text(text32)]),
            (.ended, [number, .bytes(id), .bytes(hash), number, number]),
            (.refusals, []), (.refusals, [AuditValue](repeating: number, count: 10)), (.refusals, [.bytes(id)]),
            (.trusted, [.bytes(hash), number]), (.clock, [.bytes(id)]), (.connection, [number]),
            (.rolledBack, [number]), (.damaged, []), (.lifecycle, [number, number]), (.givenUp, [number]),
        ]
        for (kind, values) in bad {
            #expect(entry(kind, values).encoded() == nil, "\(kind) \(values)")
            let items = values.map { value -> Raw in
                switch value {
                case .number(let number): .unsigned(number)
                case .bytes(let bytes): .bstr(bytes)
                case .text(let text): .text(text)
                }
            }
            let error = refusal(raw(kind: .unsigned(UInt64(kind.rawValue)), values: .array(items)))
            #expect(error == .badValues || (items.count > 9 && error == .malformed(.unexpected(at: 0))))
        }
        #expect(entry(.accepted, [number, .bytes(id), .bytes(hash), .text([0xff])]).encoded() == nil)
    }

    @Test(arguments: [0, 13, 263, UInt64.max])
    func `a kind of a later version is read as it is, and nothing is said of its values`(code: UInt64) throws {
        let values: [AuditValue] = [.text([]), .bytes([1]), .number(.max)]
        let bytes = raw(kind: .unsigned(code), values: .array([.text([]), .bstr([1]), .unsigned(.max)]))
        let entry = try AuditEntry(decoding: bytes.span)
        #expect(entry.code == code && entry.kind == nil && entry.values == values)
        #expect(entry.encoded() == bytes)
    }

    @Test func `what contradicts itself is neither written nor read`() {
        var zero = entry(.clock, [.number(1)])
        zero.index = 0
        #expect(zero.encoded() == nil)
        #expect(refusal(raw(index: 0)) == .badIndex)
        var first = entry(.clock, [.number(1)])
        first.index = 1
        #expect(first.encoded() == nil)
        #expect(refusal(raw(index: 1)) == .badPrevious)
        var orphan = entry(.clock, [.number(1)])
        orphan.previous = digest(0)
        #expect(orphan.encoded() == nil)
        #expect(refusal(raw(previous: .bstr([UInt8](repeating: 0, count: 32)))) == .badPrevious)
        var dated = entry(.clock, [.number(1)])
        dated.time.clock = .untrusted
        #expect(dated.encoded() == nil)
        #expect(refusal(raw(time: .array([7, 1, 1, 0]))) == .badTime)
        var late = entry(.clock, [.number(1)])
        late.time.seconds = 1 << 40 + 1
        #expect(late.encoded() == nil)
        #expect(refusal(raw(time: .array([7, 1, .unsigned(1 << 40 + 1), 2]))) == .badTime)
    }

    @Test func `what is not an entry is refused with a reason`() {
        let badType = AuditError.malformed(.unexpected(at: 0))
        let table: [([UInt8], AuditError)] = [
            ([UInt8](repeating: 0x81, count: AuditEntry.maximumSize + 1), .tooLarge),
            ([UInt8](repeating: 0x81, count: 40), badType),
            ([0xa0], badType),
            (Raw.array([1, before, 7, when]).bytes, badType),
            (Raw.array([2, before, 7, when, .array([1]), 0]).bytes, badType),
            (raw(index: -1), badType),
            (raw(index: "2"), badType),
            (raw(index: Raw(hex: "1802")), .malformed(.notShortest(at: 0))),
            (raw(previous: .bstr(id)), badType),
            (raw(previous: .null), badType),
            (raw(kind: -1), badType),
            (raw(kind: 13, values: .array([.null])), badType),
            (raw(index: 0, kind: 13), .badIndex),
            (raw(time: .array([7, 1, 1])), badType),
            (raw(time: .array([7, 1, 1, 2, 0])), badType),
            (raw(time: .array([7, 1, 1, 3])), .badTime),
            (raw(time: .array([7, 1, 1, 258])), .badTime),
            (raw(time: .array([7, .null, 1, 2])), badType),
            (raw(time: .array([-1, 1, 1, 2])), badType),
            (raw(values: .array([.array([])])), badType),
            (raw(values: .array([.null])), badType),
            (raw(values: .array([-1])), badType),
            (raw(values: .array([.tag(1, 1)])), badType),
            (raw(values: .array([.text([0xc0, 0x80])])), .malformed(.notUTF8(at: 0))),
            (raw(values: 1), badType),
            (raw(values: Raw(hex: "9bffffffffffffffff")), .malformed(.truncated(at: 0))),
        ]
        for (bytes, error) in table { #expect(refusal(bytes) == error, "\(hex(bytes))") }
    }
}
