// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import Testing

@Suite struct CBORReaderTests {
    static let refusals: [(hex: String, reason: CBORError)] = [
        // Lengths and counts that the input cannot hold; 2^32 and above must not reach a 32-bit Int.
        ("", .truncated(at: 0)),
        ("18", .truncated(at: 0)),
        ("1b 00000000000000", .truncated(at: 0)),
        ("41", .truncated(at: 0)),
        ("62 61", .truncated(at: 0)),
        ("5b 0000000100000000 00", .truncated(at: 0)),
        ("5b 8000000000000000 00", .truncated(at: 0)),
        ("5b ffffffffffffffff 00", .truncated(at: 0)),
        ("7b 0000000100000000 00", .truncated(at: 0)),
        ("7b 8000000000000000 00", .truncated(at: 0)),
        ("7b ffffffffffffffff 00", .truncated(at: 0)),
        ("9b 0000000100000000 00", .truncated(at: 0)),
        ("9b 8000000000000000 00", .truncated(at: 0)),
        ("9b ffffffffffffffff 00", .truncated(at: 0)),
        ("bb 0000000100000000 00 00", .truncated(at: 0)),
        ("bb 8000000000000000 00 00", .truncated(at: 0)),
        ("bb ffffffffffffffff 00 00", .truncated(at: 0)),
        ("82 00", .truncated(at: 0)),
        ("a1 00", .truncated(at: 0)),
        ("82 81 00", .truncated(at: 3)),
        ("c1", .truncated(at: 1)),
        ("00 82 00", .trailingBytes(at: 1)),
        // Forms that are not the shortest.
        ("18 17", .notShortest(at: 0)),
        ("19 00ff", .notShortest(at: 0)),
        ("1a 0000ffff", .notShortest(at: 0)),
        ("1b 00000000ffffffff", .notShortest(at: 0)),
        ("38 17", .notShortest(at: 0)),
        ("58 01 00", .notShortest(at: 0)),
        ("78 01 61", .notShortest(at: 0)),
        ("98 01 00", .notShortest(at: 0)),
        ("b8 01 00 00", .notShortest(at: 0)),
        ("d8 17 00", .notShortest(at: 0)),
        ("fa 3fc00000", .notShortest(at: 0)),
        ("fa 33800000", .notShortest(at: 0)),
        ("fb 3ff8000000000000", .notShortest(at: 0)),
        ("fb 47efffffe0000000", .notShortest(at: 0)),
        ("fb 36a0000000000000", .notShortest(at: 0)),
        ("f9 7e01", .notShortest(at: 0)),
        ("f9 fe00", .notShortest(at: 0)),
        ("f9 7c01", .notShortest(at: 0)),
        ("fa 7fc00001", .notShortest(at: 0)),
        ("fb 7ff8000000000001", .notShortest(at: 0)),
        // Additional information without a meaning.
        ("1c", .reserved(at: 0)),
        ("3d", .reserved(at: 0)),
        ("5e", .reserved(at: 0)),
        ("1f", .reserved(at: 0)),
        ("3f", .reserved(at: 0)),
        ("df 00", .reserved(at: 0)),
        ("fc", .reserved(at: 0)),
        ("f8 00", .reserved(at: 0)),
        ("f8 1f", .reserved(at: 0)),
        ("ff", .indefiniteLength(at: 0)),
        ("81 ff", .indefiniteLength(at: 1)),
        // Map keys: by the bytes of their encoding, not by length first.
        ("a2 01 00 01 00", .duplicateKey(at: 3)),
        ("a2 6161 00 6161 00", .duplicateKey(at: 4)),
        ("a2 02 00 01 00", .keyOrder(at: 3)),
        ("a2 20 00 1864 00", .keyOrder(at: 3)),
        ("a3 01 00 03 00 02 00", .keyOrder(at: 5)),
        ("a2 8102 00 8101 00", .keyOrder(at: 4)),
        ("a2 8101 00 8101 00", .duplicateKey(at: 4)),
        ("a2 c101 00 c100 00", .keyOrder(at: 4)),
        ("81 a2 f5 00 f4 00", .keyOrder(at: 4)),
        ("a1 a2 01 00 01 00 00", .duplicateKey(at: 4)),
        ("a1 00 a2 01 00 01 00", .duplicateKey(at: 5)),
        // Text that is not UTF-8: stray, overlong, surrogate, beyond U+10FFFF, cut.
        ("61 80", .notUTF8(at: 0)),
        ("62 c080", .notUTF8(at: 0)),
        ("63 eda080", .notUTF8(at: 0)),
        ("64 f4908080", .notUTF8(at: 0)),
        ("82 00 62 61c3", .notUTF8(at: 2)),
    ]

    @Test(arguments: refusals.indices) func `input outside the deterministic subset is refused`(_ index: Int) {
        let (hex, reason) = Self.refusals[index]
        #expect(refusal(bytes(hex: hex)) == reason, "\(hex)")
    }

    @Test func `keys sort by their encoded bytes`() throws {
        // 10, 100, -1, "z", "aa", [100], [-1], false: the example of RFC 8949 section 4.2.1.
        let input = bytes(hex: "a8 0a00 186400 2000 617a00 62616100 81186400 812000 f400")
        #expect(try items(input).count == 1 + 16 + 2)
    }

    @Test(arguments: [0x81, 0x9f, 0xc1, 0xa1, 0x5f, 0xd8, 0xff] as [UInt8])
    func `fifty thousand opened items are refused`(_ initial: UInt8) {
        let input = [UInt8](repeating: initial, count: 50_000)
        let reason = refusal(input)
        switch initial {
        case 0x81, 0xc1: #expect(reason == .tooDeep(at: 16))
        case 0xa1: #expect(reason == .tooDeep(at: 16))
        case 0xd8: #expect(reason == .tooDeep(at: 32))
        default: #expect(reason == .indefiniteLength(at: 0))
        }
        #expect(refusalBySkip(input) == reason)
    }

    @Test func `sixteen levels are read and the seventeenth is refused`() throws {
        for opener in [[0x81], [0xa1, 0x00], [0xc1]] as [[UInt8]] {
            let deepest = Array(repeatElement(opener, count: 16).joined())
            #expect(try items(deepest + [0x00]).count == 16 * opener.count + 1)
            #expect(refusal(deepest + opener + [0x00]) == .tooDeep(at: deepest.count))
        }
    }

    @Test func `an unread child keeps finish from succeeding`() throws {
        let input = bytes(hex: "82 00 01")
        var reader = CBORReader(input.span)
        try reader.array(exactly: 2)
        #expect(try reader.unsigned() == 0)
        let reason: CBORError? = { do throws(CBORError) { try reader.finish(); return nil } catch { return error } }()
        #expect(reason == .unfinished(at: 2))
    }

    @Test func `skip passes one item and leaves the next`() throws {
        let input = bytes(hex: "83 a1 01 8102 c1 820304 05")
        var reader = CBORReader(input.span)
        try reader.array(exactly: 3)
        try reader.skip()
        try reader.skip()
        let last = try reader.unsigned()
        try reader.finish()
        #expect(last == 5)
    }

    @Test func `items at the top level follow each other`() throws {
        let input = bytes(hex: "8101 02")
        var reader = CBORReader(input.span)
        try reader.skip()
        let offset = reader.offset
        let second = try reader.unsigned()
        try reader.finish()
        #expect(offset == 2)
        #expect(second == 2)
    }

    @Test func `a typed read gives the value`() throws {
        let input = bytes(hex: "8c 1864 3863 4201ff 63e6b0b4 8100 a10000 c100 f5 f6 f93e00 2a 1bffffffffffffffff")
        var reader = CBORReader(input.span)
        try reader.array(exactly: 12)
        #expect(try reader.unsigned() == 100)
        #expect(try reader.integer() == -100)
        #expect(try reader.bytes(exactly: 2) == 6..<8)
        #expect(try reader.text() == 9..<12)
        #expect(try reader.array() == 1)
        try reader.skip()
        #expect(try reader.map() == 1)
        try reader.skip()
        try reader.skip()
        #expect(try reader.tag() == 1)
        #expect(try reader.isNull() == false)
        #expect(try reader.integer() == 0)
        #expect(try reader.bool())
        #expect(try reader.isNull())
        #expect(try reader.number() == 1.5)
        #expect(try reader.number() == -11)
        #expect(try reader.number() == 0x1p64)
        try reader.finish()
    }

    @Test func `integers beyond Int64 are not given as Int64`() throws {
        #expect(try integer("1b7fffffffffffffff") == .max)
        #expect(try integer("3b7fffffffffffffff") == .min)
        #expect(throws: CBORError.unexpected(at: 0)) { try integer("1b8000000000000000") }
        #expect(throws: CBORError.unexpected(at: 0)) { try integer("3b8000000000000000") }
    }

    /// Every typed read refuses every item that is not its own, here at offset 1 after an array head.
    @Test func `another type than the one asked for is unexpected`() throws {
        let samples: [(kind: String, hex: String)] = [
            ("unsigned", "00"), ("negative", "20"), ("bytes", "4100"), ("text", "6161"), ("array", "8100"),
            ("map", "a10000"), ("tag", "c100"), ("bool", "f5"), ("null", "f6"), ("undefined", "f7"), ("simple", "e0"),
            ("float", "f93e00"),
        ]
        let reads: [(kinds: [String], read: (inout CBORReader) throws(CBORError) -> Void)] = [
            (["unsigned"], { (reader) throws(CBORError) in _ = try reader.unsigned() }),
            (["unsigned", "negative"], { (reader) throws(CBORError) in _ = try reader.integer() }),
            (["bytes"], { (reader) throws(CBORError) in _ = try reader.bytes() }),
            (["bytes"], { (reader) throws(CBORError) in _ = try reader.bytes(exactly: 1) }),
            ([], { (reader) throws(CBORError) in _ = try reader.bytes(exactly: 2) }),
            (["text"], { (reader) throws(CBORError) in _ = try reader.text() }),
            (["array"], { (reader) throws(CBORError) in _ = try reader.array() }),
            (["array"], { (reader) throws(CBORError) in try reader.array(exactly: 1) }),
            ([], { (reader) throws(CBORError) in try reader.array(exactly: 2) }),
            (["map"], { (reader) throws(CBORError) in _ = try reader.map() }),
            (["tag"], { (reader) throws(CBORError) in _ = try reader.tag() }),
            (["bool"], { (reader) throws(CBORError) in _ = try reader.bool() }),
            (["null"], { (reader) throws(CBORError) in try reader.null() }),
            (["unsigned", "negative", "float"], { (reader) throws(CBORError) in _ = try reader.number() }),
        ]
        for sample in samples {
            let input = [0x81] + bytes(hex: sample.hex)
            for (index, (kinds, read)) in reads.enumerated() {
                let reason: CBORError? = {
                    do throws(CBORError) {
                        var reader = CBORReader(input.span)
                        try reader.array(exactly: 1)
                        try read(&reader)
                        return nil
                    } catch { return error }
                }()
                let expected = kinds.contains(sample.kind) ? nil : CBORError.unexpected(at: 1)
                #expect(reason == expected, "read \(index) of \(sample.kind)")
            }
        }
    }

    private func integer(_ hex: String) throws(CBORError) -> Int64 {
        let input = bytes(hex: hex)
        var reader = CBORReader(input.span)
        return try reader.integer()
    }
}
