// SPDX-License-Identifier: Apache-2.0

struct Reading {
    /// A SenML name (RFC 8428 section 4.5.1) of at most 64 characters.
    let name: String
    /// A registered SenML unit (RFC 8428 section 12.1, RFC 8798).
    let unit: StaticString
    let value: Double
}

/// A SenML name from words of the kernel: `kind/word/word`.
///
/// What a name may not hold becomes `-`; a name ends after 64 characters.
struct ReadingName {
    static let maximumLength = 64

    private(set) var bytes: [UInt8] = []

    init(_ kind: StaticString) {
        kind.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    func appending(_ word: [UInt8]) -> ReadingName {
        var name = self
        name.bytes.append(UInt8(ascii: "/"))
        for byte in word { name.bytes.append(Self.isAllowed(byte) ? byte : UInt8(ascii: "-")) }
        name.bytes = Array(name.bytes.prefix(Self.maximumLength))
        return name
    }

    func appending(_ word: StaticString) -> ReadingName {
        appending(word.withUTF8Buffer { Array($0) })
    }

    var string: String { String(text: bytes) }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "-")...UInt8(ascii: ":"), UInt8(ascii: "_"):  // - . / 0…9 :
            true
        default:
            false
        }
    }
}

/// Names given to readings so far: none is given twice.
struct ReadingNames {
    private var given: [[UInt8]] = []

    /// The name; the second of its kind ends in `-2`, the third in `-3`.
    mutating func claim(_ name: ReadingName) -> String {
        var candidate = name.bytes
        var number = 1
        while given.contains(candidate) {
            number += 1
            var suffix = Text("-")
            suffix.add(number)
            candidate = Array(name.bytes.prefix(ReadingName.maximumLength - suffix.bytes.count)) + suffix.bytes
        }
        given.append(candidate)
        return String(text: candidate)
    }
}
