// SPDX-License-Identifier: Apache-2.0

import MartletController
import Testing

@testable import martlet_gateway

@Suite struct TextTests {
    @Test("LOG-01 remote text reaches a terminal as printable ASCII only")
    func escaping() {
        let hostile = Array("a\u{1b}[2J\u{7}\r\n\u{7f}\u{9b}\u{202e}\\é".utf8) + [0xff, 0]
        for text in [printable(hostile), JSON.bytes(hostile).text, JSON.object([("\u{1b}", .bytes(hostile))]).text] {
            #expect(text.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "\(Array(text.utf8))")
        }
        #expect(printable([0x1b, UInt8(ascii: "a"), 0x5c]) == "\\x1ba\\x5c")
        #expect(printable([UInt8](repeating: 65, count: 9), limit: 4) == "AAAA...")
    }

    @Test func `JSON is what it should be`() {
        let value = JSON.object([
            ("a", .string("\"\\\n\u{1F600}")), ("b", .array([.null, .bool(true), .integer(.max)])),
            ("c", .number(-0.5)), ("d", .number(20)), ("e", .number(1e300)),
        ])
        #expect(
            value.text
                == #"{"a":"\"\\\u000a\ud83d\ude00","b":[null,true,18446744073709551615],"c":-0.5,"d":20,"e":1e+300}"#)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (1_800_000_000_250, "2027-01-15T08:00:00.250Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (253_402_300_800_000, nil), (.max, nil), (.min, nil),
        ] as [(Int64, String?)])
    func `times are RFC 3339, or none`(milliseconds: Int64, text: String?) {
        #expect(timestamp(milliseconds: milliseconds) == text)
    }
}
