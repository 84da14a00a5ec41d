// SPDX-License-Identifier: Apache-2.0

@testable import MartletTool
import Testing

@Suite struct TextTests {
    private func escaped(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.add(escaping: bytes)
        // A repair would add characters that were not there.
        return String(validating: text, as: UTF8.self) ?? "not UTF-8"
    }

    @Test(arguments: ["Gateway 1", "Küche & Keller", "网关", "Шлюз", "🏠", "\"quoted\"", "", "~!@#$%^&*()"])
    func `what leaves ink stays as it is`(_ name: String) {
        #expect(escaped(Array(name.utf8)) == name)
    }

    @Test(arguments: [
        ("\u{1b}[2J", "\\x1b[2J"), ("a\nb\r\t\0", "a\\x0ab\\x0d\\x09\\x00"), ("\u{7f}", "\\x7f"),
        ("\u{9b}31m", "\\xc2\\x9b31m"), ("a\u{a0}b", "a\\xc2\\xa0b"), ("\u{ad}", "\\xc2\\xad"),
        ("\u{202e}txt", "\\xe2\\x80\\xaetxt"), ("\u{2066}", "\\xe2\\x81\\xa6"), ("a\u{200b}b", "a\\xe2\\x80\\x8bb"),
        ("\u{2028}", "\\xe2\\x80\\xa8"), ("\u{feff}", "\\xef\\xbb\\xbf"), ("\u{e0041}", "\\xf3\\xa0\\x81\\x81"),
        ("\u{fe0f}", "\\xef\\xb8\\x8f"), ("\\x1b", "\\\\x1b"), ("\\", "\\\\"),
        (" a", "\\x20a"), ("a ", "a\\x20"), ("a  b", "a \\x20b"), (" ", "\\x20"),
    ])
    func `what does not is escaped`(_ name: String, _ expected: String) {
        #expect(escaped(Array(name.utf8)) == expected)
    }

    @Test(
        arguments: [
            ([0xff], "\\xff"), ([0x80], "\\x80"), ([0xc3], "\\xc3"), ([0xc3, 0x28], "\\xc3("),
            ([0xc0, 0xaf], "\\xc0\\xaf"), ([0xe0, 0x80, 0xaf], "\\xe0\\x80\\xaf"),
            ([0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"),
            ([0xf4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"), ([0xf5, 0x80, 0x80, 0x80], "\\xf5\\x80\\x80\\x80"),
            ([0xf0, 0x9f, 0x8f], "\\xf0\\x9f\\x8f"), ([0xe7, 0xbd, 0x41], "\\xe7\\xbdA"),
        ] as [([UInt8], String)])
    func `what is not UTF-8 is escaped`(_ bytes: [UInt8], _ expected: String) {
        #expect(escaped(bytes) == expected)
    }

    /// The reader of a terminal may take single bytes for controls.
    @Test func `no scalar leaves a control byte`() {
        for value in UInt32(0)...0xffff {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = escaped(Array(String(scalar).utf8))
            let isClean = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) }
            #expect(isClean, "\(value)")
        }
    }

    @Test func `numbers are decimal, and a scalar is one column`() {
        var text: [UInt8] = []
        for number in [0, 9, 10, 8883, 65_535] as [UInt16] {
            text.add(number)
            text.add(" ")
        }
        #expect(String(decoding: text, as: UTF8.self) == "0 9 10 8883 65535 ")
        #expect(Array("Küche 🏠".utf8).width == 7)
    }
}
