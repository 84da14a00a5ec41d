// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope
import TestSupport
import Testing

/// Names that mean something elsewhere: in a topic, a path, a shell, a terminal, a certificate.
let hostileNames: [(name: String, bytes: [UInt8])] = [
    ("empty", []),
    ("slash", Array("a/b".utf8)),
    ("leading slash", Array("/a".utf8)),
    ("trailing slash", Array("a/".utf8)),
    ("plus", Array("+".utf8)),
    ("plus within", Array("a+b".utf8)),
    ("hash", Array("#".utf8)),
    ("hash within", Array("a#".utf8)),
    ("shared subscription", Array("$share/g/a".utf8)),
    ("dollar", Array("$SYS".utf8)),
    ("NUL", [0]),
    ("NUL within", [0x61, 0, 0x62]),
    ("NUL at the end", [0x61, 0]),
    ("parent", Array("../".utf8)),
    ("parent within", Array("a/../b".utf8)),
    ("space", Array("a b".utf8)),
    ("line feed", Array("a\n".utf8)),
    ("carriage return", Array("a\r".utf8)),
    ("escape", [0x61, 0x1b]),
    ("delete", [0x61, 0x7f]),
    ("U+FFFF", [0x61, 0xef, 0xbf, 0xbf]),
    ("U+FFFE", [0x61, 0xef, 0xbf, 0xbe]),
    ("surrogate", [0x61, 0xed, 0xa0, 0x80]),
    ("overlong slash", [0x61, 0xc0, 0xaf]),
    ("overlong NUL", [0x61, 0xc0, 0x80]),
    ("overlong dot in three bytes", [0x61, 0xe0, 0x80, 0xae]),
    ("byte that is never UTF-8", [0x61, 0xff]),
    ("letter beyond ASCII", Array("ü".utf8)),
    ("digits of another script", Array("٣".utf8)),
    ("byte order mark", [0xef, 0xbb, 0xbf, 0x61]),
    ("65,535 bytes", [UInt8](repeating: 0x61, count: 65_535)),
    ("65,536 bytes", [UInt8](repeating: 0x61, count: 65_536)),
]

@Suite struct DeviceIDTests {
    @Test("TOP-01 a device id that means something elsewhere is refused", arguments: hostileNames)
    func hostile(name: String, bytes: [UInt8]) {
        let valid = DeviceID.isValid(bytes.span)
        #expect(!valid)
    }

    @Test(
        "TOP-01 ids of a device",
        arguments: [
            ("a", true), ("Z", true), ("0", true), ("sensor-1.room_2", true), ("a..b", true), ("a-", true),
            (".", false), ("..", false), (".a", false), ("-a", false), ("_a", false), ("a:b", false), ("a,b", false),
            ("a=b", false), ("a\\b", false), ("a*", false), ("a'b", false), ("a%2fb", false), ("a@b", false),
        ])
    func table(id: String, isValid: Bool) {
        let valid = DeviceID.isValid(Array(id.utf8).span)
        #expect(valid == isValid)
    }

    @Test("TOP-01 length of a device id", arguments: [(1, true), (63, true), (64, true), (65, false), (128, false)])
    func length(count: Int, isValid: Bool) {
        let valid = DeviceID.isValid([UInt8](repeating: 0x61, count: count).span)
        #expect(valid == isValid)
    }

    @Test func `exactly 62 bytes can begin an id, and three more can follow`() {
        let first = (0...255).filter { DeviceID.isValid([UInt8($0)].span) }
        let second = (0...255).filter { DeviceID.isValid([0x61, UInt8($0)].span) }
        #expect(first.count == 62)
        #expect(Set(second) == Set(first + [0x2d, 0x2e, 0x5f]))
    }
}

@Suite struct PartyNameTests {
    @Test("TOP-01 a party's name that is no URN of visible ASCII is refused", arguments: hostileNames)
    func hostile(name: String, bytes: [UInt8]) {
        let bare = PartyName.isValid(bytes.span)
        #expect(!bare)
        // What a URN may contain (RFC 8141), and no topic does.
        let allowed = ["slash", "plus", "hash", "share", "dollar", "parent"].contains { name.contains($0) }
        if name != "empty" && !name.hasPrefix("overlong") && allowed { return }
        let urn = PartyName.isValid((Array("urn:".utf8) + bytes).span)
        #expect(!urn)
    }

    @Test(
        "TOP-01 names of a party",
        arguments: [
            ("urn:dev:mac:0024befffe804ff1", true), ("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true),
            ("urn:a", true), ("urn:", false), ("urn", false), ("URN:dev:x", false), ("xurn:dev:x", false),
            ("https://example.org", false), ("urn:a\u{7f}", false), ("urn:a b", false), ("urn:ä", false),
        ])
    func table(name: String, isValid: Bool) {
        let valid = PartyName.isValid(Array(name.utf8).span)
        #expect(valid == isValid)
    }

    @Test("TOP-01 length of a party's name", arguments: [(5, true), (127, true), (128, true), (129, false)])
    func length(count: Int, isValid: Bool) {
        let name = Array("urn:".utf8) + [UInt8](repeating: 0x61, count: count - 4)
        let valid = PartyName.isValid(name.span)
        #expect(valid == isValid)
    }
}

@Suite struct ValueTests {
    @Test func `16 bytes and 32 bytes are copied only from as many`() {
        for count in [0, 15, 17, 31, 33] {
            let bytes = [UInt8](repeating: 1, count: count)
            #expect(Bytes16(copying: bytes.span) == nil)
            #expect(Digest(copying: bytes.span) == nil)
        }
        #expect(Bytes16(copying: [UInt8](repeating: 3, count: 16).span) == bytes16(3))
        #expect(Digest(copying: [UInt8](repeating: 3, count: 32).span) == digest(3))
    }

    @Test func `values that differ in any byte differ`() {
        for index in 0..<16 {
            var bytes = [UInt8](repeating: 0, count: 16)
            bytes[index] = 1
            #expect(Bytes16(copying: bytes.span) != bytes16(0))
        }
        for index in 0..<32 {
            var bytes = [UInt8](repeating: 0, count: 32)
            bytes[index] = 1
            #expect(Digest(copying: bytes.span) != digest(0))
        }
    }
}
