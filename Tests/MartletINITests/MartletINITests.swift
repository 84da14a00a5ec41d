// SPDX-License-Identifier: Apache-2.0

@testable import MartletINI
import Testing

private func parse(_ text: String) throws(INIError) -> INI {
    try parse(Array(text.utf8))
}

private func parse(_ bytes: [UInt8]) throws(INIError) -> INI {
    try INI(parsing: bytes.span)
}

private func error(_ bytes: [UInt8]) -> INIError? {
    do throws(INIError) {
        _ = try parse(bytes)
        return nil
    } catch {
        return error
    }
}

private func text(_ bytes: [UInt8]?) -> String? {
    bytes.map { String(decoding: $0, as: UTF8.self) }
}

@Suite struct INITests {
    @Test func `sections, names, entries and their lines are kept in order`() throws {
        let ini = try parse(
            "# who\n[device]\nid = board-1\n\n ; where\n\t[controllers  backup ]\r\n  a=b = c \r\nz\t=\n[mqtt]\nhost = Zürich 100% [#;]"
        )
        #expect(ini.sections.map { text($0.kind) } == ["device", "controllers", "mqtt"])
        #expect(ini.sections.map { text($0.name) } == ["", "backup", ""])
        #expect(ini.sections.map(\.line) == [2, 6, 9])
        let entries = ini.sections.flatMap(\.entries)
        #expect(entries.map { text($0.key) } == ["id", "a", "z", "host"])
        #expect(entries.map { text($0.value) } == ["board-1", "b = c", "", "Zürich 100% [#;]"])
        #expect(entries.map(\.line) == [3, 7, 8, 10])
    }

    @Test func `a value is found by section and key, both case-sensitive`() throws {
        let ini = try parse("[a]\nk = 1\n[a b]\nk = 2\n[b]\nk2 = 3\n")
        #expect(text(try ini.value("a", "k")?.value) == "1")
        #expect(text(try ini.section("a", Array("b".utf8))?.value("k")?.value) == "2")
        #expect(try ini.value("a", "K") == nil)
        #expect(try ini.value("A", "k") == nil)
        #expect(try ini.value("b", "k") == nil)
        #expect(try ini.value("b", "k22") == nil)
        #expect(try ini.value("b", "k2")?.hasValue("3") == true)
        #expect(ini.section("c") == nil)
    }

    @Test func `a key that stands twice is refused unless all of its values are asked for`() throws {
        let ini = try parse("[mqtt]\nhost = a\nport = 1\nhost = b\n")
        #expect(throws: INIError(line: 4, problem: .duplicateKey)) { try ini.value("mqtt", "host") }
        #expect(ini.section("mqtt")?.all("host").map { text($0.value) } == ["a", "b"])
        #expect(try ini.value("mqtt", "port")?.line == 3)
    }

    @Test(arguments: ["", "\n", "\r\n\r\n", " \t", "# a", ";", "[a]", "[a]\n[b]\r\n"])
    func `a file needs neither entries nor a last line end`(_ file: String) throws {
        #expect(try parse(file).sections.allSatisfy { $0.entries.isEmpty })
    }

    @Test(arguments: [
        ("key = value\n", 1, INIProblem.noSection),
        ("[a]\nkey\n", 2, .noEqualsSign),
        ("[a]\n\n= value", 3, .badKey),
        ("[a]\ntwo words = value", 2, .badKey),
        ("[a]\nschlüssel = value", 2, .badKey),
        ("[a\n", 1, .badHeading),
        ("[a] # comment\n", 1, .badHeading),
        ("[]\n", 1, .badHeading),
        ("[ ]\n", 1, .badHeading),
        ("[\n", 1, .badHeading),
        ("[a]]\n", 1, .badHeading),
        ("[[a]\n", 1, .badHeading),
        ("[a b c]\n", 1, .badHeading),
        ("[ä]\n", 1, .badHeading),
        ("[a]\n[a]\n", 2, .duplicateSection),
        ("[a b]\n[a]\n[ a\tb ]\n", 3, .duplicateSection),
        ("\u{feff}[a]\n", 1, .byteOrderMark),
        ("[a]\nk = \0\n", 2, .controlCharacter),
        ("# \u{1b}[31m\n", 1, .controlCharacter),
        ("[a]\nk = \u{7f}\n", 2, .controlCharacter),
        ("[a]\nk = \u{85}\n", 2, .controlCharacter),
        ("[a]\rk = v\r", 1, .controlCharacter),
        ("[a]\nk = v\r\r\n", 2, .controlCharacter),
    ])
    func `a bad line is refused with its number and reason`(_ file: String, _ line: Int, _ problem: INIProblem) {
        #expect(error(Array(file.utf8)) == INIError(line: line, problem: problem))
    }

    @Test(
        arguments: [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0x80]] as [[UInt8]])
    func `what is not UTF-8 is refused, in comments too`(_ bytes: [UInt8]) {
        #expect(error(Array("[a]\n# ".utf8) + bytes)?.problem == .notUTF8)
        #expect(error(Array("[a]\nk = ".utf8) + bytes + [0x0a])?.line == 2)
    }

    @Test func `the limits hold to the byte`() throws {
        let line = "k = " + String(repeating: "v", count: INI.maximumLineLength - 4)
        #expect(try parse("[a]\n\(line)\r\n").value("a", "k")?.value.count == INI.maximumLineLength - 4)
        #expect(error(Array("[a]\n\(line)v".utf8)) == INIError(line: 2, problem: .lineTooLong))

        let full = "[a]\n" + String(repeating: "k = v\n", count: INI.maximumEntryCount - 1)
        #expect(try parse(full).sections[0].entries.count == INI.maximumEntryCount - 1)
        #expect(error(Array("\(full)[b]".utf8)) == INIError(line: 257, problem: .tooManyEntries))
        #expect(error(Array("\(full)k = v".utf8)) == INIError(line: 257, problem: .tooManyEntries))

        let file = [UInt8](repeating: 0x0a, count: INI.maximumFileLength)
        #expect(try parse(file).sections.isEmpty)
        #expect(error(file + [0x0a]) == INIError(line: 1, problem: .fileTooLong))
    }

    @Test func `every change of one byte is parsed or refused`() {
        let file = Array("[device]\nid = bö\r\n# c\n[controllers b]\nk = v".utf8)
        for i in file.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = file
                changed[i] = byte
                if let error = error(changed) { #expect(error.line >= 1 && error.line <= 6) }
            }
            _ = error(Array(file[..<i]))
        }
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("86400", 86_400), ("-5", -5), ("007", 7),
            ("9223372036854775807", Int64.max), ("-9223372036854775808", Int64.min),
            ("", nil), ("-", nil), ("+1", nil), ("1 ", 1), ("1s", nil), ("1.5", nil), ("0x10", nil), ("--1", nil),
            ("1 2", nil),
            ("٣", nil), ("9223372036854775808", nil), ("-9223372036854775809", nil), ("99999999999999999999", nil),
        ] as [(String, Int64?)])
    func `an integer is decimal digits`(_ value: String, _ expected: Int64?) throws {
        #expect(try parse("[a]\nk = \(value)").value("a", "k")?.integer(in: Int64.min...Int64.max) == expected)
    }

    @Test func `an integer outside its range is none`() throws {
        let entry = try #require(try parse("[a]\nk = 10").value("a", "k"))
        #expect(entry.integer(in: 1...10) == 10)
        #expect(entry.integer(in: 1...9) == nil)
        #expect(entry.integer(in: 11...20) == nil)
    }

    @Test func `every reason is one line of ASCII that says what to do`() {
        for problem in INIProblem.allCases {
            let reason = problem.reason.description
            #expect(reason.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
            #expect(reason.contains(", "))
        }
    }
}
