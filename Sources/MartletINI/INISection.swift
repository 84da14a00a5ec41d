// SPDX-License-Identifier: Apache-2.0

/// A heading and the entries below it.
public final class INISection: @unchecked Sendable {  // changed only while the file is parsed
    /// The first word of the heading: 1 byte or more of visible ASCII.
    public let kind: [UInt8]
    /// The second word of the heading; empty if it has one word only.
    public let name: [UInt8]
    /// The line of the heading; the first line of a file is 1.
    public let line: Int
    /// In the order of the file, several entries of one key included.
    public internal(set) var entries: [INIEntry] = []

    /// Reads `[kind]` or `[kind name]`. `text` begins with `[` and has no blanks around it.
    init(heading text: Span<UInt8>, line: Int) throws(INIProblem) {
        guard text.count > 2, text[text.count - 1] == UInt8(ascii: "]") else { throw .badHeading }
        let words = text.extracting(1..<text.count - 1).trimmed
        var end = 0
        while end < words.count, !words[end].isBlank { end += 1 }
        let kind = words.extracting(..<end)
        let name = words.extracting(end...).trimmed
        guard !kind.isEmpty, isWord(kind), isWord(name) else { throw .badHeading }
        self.kind = kind.array
        self.name = name.array
        self.line = line
    }

    /// The one entry of `key`, nil if there is none. Throws `duplicateKey`, with the line of the second, if there are
    /// several.
    public func value(_ key: StaticString) throws(INIError) -> INIEntry? {
        var found: INIEntry?
        for entry in entries where entry.hasKey(key) {
            guard found == nil else { throw INIError(line: entry.line, problem: .duplicateKey) }
            found = entry
        }
        return found
    }

    /// All entries of `key`, in the order of the file.
    public func all(_ key: StaticString) -> [INIEntry] {
        entries.filter { $0.hasKey(key) }
    }
}

/// Visible ASCII without the brackets of a heading.
private func isWord(_ bytes: Span<UInt8>) -> Bool {
    for i in bytes.indices {
        guard bytes[i].isVisible, bytes[i] != UInt8(ascii: "["), bytes[i] != UInt8(ascii: "]") else { return false }
    }
    return true
}
