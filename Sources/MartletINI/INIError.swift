// SPDX-License-Identifier: Apache-2.0

/// Where and why a file is not the INI we accept.
public struct INIError: Error, Hashable {
    /// The first line of a file is 1.
    public let line: Int
    public let problem: INIProblem
}

public enum INIProblem: Error, Hashable, CaseIterable {
    case fileTooLong
    case lineTooLong
    case tooManyEntries
    case byteOrderMark
    case notUTF8
    case controlCharacter
    case badHeading
    case duplicateSection
    case noSection
    case noEqualsSign
    case badKey
    case duplicateKey

    /// What is wrong and what to do, in ASCII, to stand behind `file:line: `.
    public var reason: StaticString {
        switch self {
        case .fileTooLong: "the file is longer than 64 KiB, shorten it"
        case .lineTooLong: "the line is longer than 512 bytes, shorten it"
        case .tooManyEntries: "the file has more than 256 headings and entries, remove some"
        case .byteOrderMark: "the file begins with a byte order mark, save it as UTF-8 without one"
        case .notUTF8: "the line is not UTF-8, save the file as UTF-8"
        case .controlCharacter: "the line holds a control character other than a tab, remove it"
        case .badHeading: "not a heading, write [word] or [word word]"
        case .duplicateSection: "the heading stands twice, put its entries below the first one"
        case .noSection: "the entry stands before the first heading, put it below one"
        case .noEqualsSign: "neither a heading nor an entry, write key = value"
        case .badKey: "the key is empty or not one word of ASCII, write key = value"
        case .duplicateKey: "the key stands twice in its section, remove one"
        }
    }
}
