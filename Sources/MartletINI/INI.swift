// SPDX-License-Identifier: Apache-2.0

/// A configuration file: sections of `key = value` lines.
///
///     # comment            (`#` or `;` as the first character that is not blank; none at the end of a line)
///     [mqtt]               a heading of one word, or of two: `[controllers backup]`
///     host = broker.local  the value is the rest of the line without the blanks around it, perhaps empty
///
/// UTF-8, lines end in LF or CRLF, the last one perhaps in neither. Words of headings and keys are visible ASCII.
/// A heading stands once. Anything else is refused, as is whatever exceeds the limits below: parsing is total, its
/// memory is bounded by them. What a key means, and whether it is known, is for the reader of the sections to say:
/// every section and entry can be listed and knows its line.
public struct INI: Sendable {
    /// Bytes of a file.
    public static let maximumFileLength = 65_536
    /// Bytes of a line without its end.
    public static let maximumLineLength = 512
    /// Headings and entries of a file together.
    public static let maximumEntryCount = 256

    /// In the order of the file.
    public private(set) var sections: [INISection] = []

    public init(parsing bytes: Span<UInt8>) throws(INIError) {
        guard bytes.count <= Self.maximumFileLength else { throw INIError(line: 1, problem: .fileTooLong) }
        var count = 0
        var number = 1
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != .lineFeed { end += 1 }
            let next = end + 1
            if end < bytes.count, end > start, bytes[end - 1] == .carriageReturn { end -= 1 }
            do throws(INIProblem) {
                if try parseLine(bytes.extracting(start..<end), number: number) {
                    count += 1
                    guard count <= Self.maximumEntryCount else { throw .tooManyEntries }
                }
            } catch {
                throw INIError(line: number, problem: error)
            }
            start = next
            number += 1
        }
    }

    /// The section under the heading `[kind]`, or `[kind name]`.
    public func section(_ kind: StaticString, _ name: [UInt8] = []) -> INISection? {
        sections.first { kind.matches($0.kind) && $0.name == name }
    }

    /// The one value of `key` below `[section]`; nil if there is none.
    /// Throws `duplicateKey` if it stands there twice.
    public func value(_ section: StaticString, _ key: StaticString) throws(INIError) -> INIEntry? {
        try self.section(section)?.value(key)
    }

    /// Takes in one line; false if it is blank or a comment.
    private mutating func parseLine(_ line: Span<UInt8>, number: Int) throws(INIProblem) -> Bool {
        guard line.count <= Self.maximumLineLength else { throw .lineTooLong }
        try checkText(line, isFirst: number == 1)
        let text = line.trimmed
        guard let first = text.isEmpty ? nil : text[0], first != UInt8(ascii: "#"), first != UInt8(ascii: ";") else {
            return false
        }
        if first == UInt8(ascii: "[") {
            let section = try INISection(heading: text, line: number)
            guard !sections.contains(where: { $0.kind == section.kind && $0.name == section.name }) else {
                throw .duplicateSection
            }
            sections.append(section)
        } else {
            let entry = try INIEntry(text, line: number)
            guard !sections.isEmpty else { throw .noSection }
            sections[sections.count - 1].entries.append(entry)
        }
        return true
    }
}

/// Tabs are the only control characters of text; neither those of ASCII nor U+0080 to U+009F are.
private func checkText(_ line: Span<UInt8>, isFirst: Bool) throws(INIProblem) {
    if isFirst, line.count >= 3, line[0] == 0xef, line[1] == 0xbb, line[2] == 0xbf { throw .byteOrderMark }
    for i in line.indices where line[i] < 0x20 && line[i] != .tab || line[i] == 0x7f { throw .controlCharacter }
    guard (try? UTF8Span(validating: line)) != nil else { throw .notUTF8 }
    for i in line.indices.dropFirst() where line[i - 1] == 0xc2 && line[i] < 0xa0 { throw .controlCharacter }
}
