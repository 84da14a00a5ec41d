// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletAdapters
import MartletJournal
import MartletTestKit
import Testing

@Suite struct FormatTests {
    /// Keys of the example in FORMAT.md.
    private final class ExampleKeys: SegmentKeys {
        let keys: OpenSSLSegmentKeys

        init() throws { keys = try OpenSSLSegmentKeys(master: [UInt8](0..<32).span) }

        func salt() -> InlineArray<32, UInt8>? { InlineArray { UInt8(0x80 + $0) } }

        func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)? {
            keys.cipher(salt: salt, info: info)
        }
    }

    @Test func `the example of FORMAT_md is what the journal writes, and reads`() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/MartletJournal/FORMAT.md")
        let document = try String(contentsOf: file, encoding: .utf8)
        let section = try #require(document.components(separatedBy: "## Example").last)
        let hex = section.split(separator: "\n").filter { $0.hasPrefix("    ") }.joined()
            .filter { $0.isHexDigit }
        let example = stride(from: 0, to: hex.count, by: 2).compactMap { place in
            UInt8(hex.dropFirst(place).prefix(2), radix: 16)
        }
        let disk = SimulatedDisk(seed: 1)
        let journal = Journal(disk, try ExampleKeys())
        _ = try Found(journal)
        try journal.commit([text("hello")]) { [] }
        try journal.commit([text("one"), [], text("two")]) { [] }
        let image = disk.image[0].bytes
        let written = image[..<168].map { String(format: "%02x", $0) }.joined()
        #expect(example == Array(image[..<168]), "\(written)")
        #expect(image[168...].allSatisfy { $0 == 0 })
        disk.restore([(name: disk.image[0].name, bytes: example + [UInt8](repeating: 0, count: 4096 - 168))])
        #expect(try Found(Journal(disk, try ExampleKeys())) == Found(records: ["hello", "one", "", "two"]))
    }
}
