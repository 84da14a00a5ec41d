// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCOSE
import Testing

@testable import MartletEnrolment

@Suite struct EnrolmentLabelTests {
    static let ca = String(repeating: "0a", count: 32)
    static let root = String(repeating: "B1", count: 32)
    static let token = "0123456789abcdef-_ABCDEF"
    static let whole =
        "martlet:pump-7?est=registrar.example:8443/plant&ca=\(ca)&root=\(root)&token=\(token)&mqtt=[fd00::1]:1883"

    private func label(_ text: String) throws(LabelError) -> EnrolmentLabel {
        let bytes = Array(text.utf8)
        return try EnrolmentLabel(parsing: bytes.span)
    }

    @Test func `a label with everything is understood`() throws {
        let label = try label(Self.whole)
        #expect(label.id == Array("pump-7".utf8))
        let registrar = try #require(label.registrar)
        #expect(
            String(decoding: registrar.url(.enrol), as: UTF8.self)
                == "https://registrar.example:8443/.well-known/est/plant/simpleenroll")
        #expect(label.authority == Digest(InlineArray(repeating: 0x0A)))
        #expect(label.root == Digest(InlineArray(repeating: 0xB1)))
        #expect(label.token == Array(Self.token.utf8))
        #expect(label.broker.map { String(decoding: $0.text, as: UTF8.self) } == "[fd00::1]:1883")
    }

    @Test func `the root alone is enough, where the rest is installed or discovered`() throws {
        let label = try label("martlet:a?root=\(Self.root)")
        #expect(label.registrar == nil && label.broker == nil && label.authority == nil && label.token.isEmpty)
    }

    @Test func `the broker's port is 8883 unless the label says another`() throws {
        #expect(try label("martlet:a?root=\(Self.root)&mqtt=b").broker?.port == 8883)
    }

    @Test func `no prefix traps, and none with the root cut off is accepted`() throws {
        let text = Array(Self.whole.utf8)
        let end = try #require(Self.whole.range(of: "&token")).lowerBound.utf16Offset(in: Self.whole)
        for count in 0..<text.count {
            let prefix = Array(text[..<count])
            let label = try? EnrolmentLabel(parsing: prefix.span)
            if count < end { #expect(label == nil, "\(count)") }
        }
    }

    static let bad: [(String, LabelError)] = [
        ("", .notALabel), ("Martlet:a?root=\(root)", .notALabel), ("https://a?root=\(root)", .notALabel),
        ("martlet:a?root=\(root)&token=" + String(repeating: "x", count: 1024), .notALabel),
        ("martlet:?root=\(root)", .badID), ("martlet:-a?root=\(root)", .badID), ("martlet:a/b?root=\(root)", .badID),
        ("martlet:a+?root=\(root)", .badID), ("martlet:..?root=\(root)", .badID),
        ("martlet:a\u{0}?root=\(root)", .badID), ("martlet:ä?root=\(root)", .badID),
        ("martlet:" + String(repeating: "a", count: 65) + "?root=\(root)", .badID),
        ("martlet:a", .noRoot), ("martlet:a?", .badPart), ("martlet:a?root=\(root)&", .badPart),
        ("martlet:a?ca=\(ca)", .noRoot), ("martlet:a?root=\(root)&root=\(root)", .repeatedKey),
        ("martlet:a?root=\(root)&Root=\(root)", .unknownKey), ("martlet:a?root=\(root)&verify=no", .unknownKey),
        ("martlet:a?root=\(root)&=x", .unknownKey), ("martlet:a?root=\(root.dropLast())", .badValue(.root)),
        ("martlet:a?root=\(root)0", .badValue(.root)), ("martlet:a?root=\(root)&ca=", .badValue(.ca)),
        ("martlet:a?root=\(root)&ca=g\(ca.dropFirst())", .badValue(.ca)),
        ("martlet:a?root=\(root)&token=0123456789abcde", .badValue(.token)),
        ("martlet:a?root=\(root)&token=" + String(repeating: "x", count: 129), .badValue(.token)),
        ("martlet:a?root=\(root)&token=0123456789abcde%20", .badValue(.token)),
        ("martlet:a?root=\(root)&mqtt=", .badValue(.mqtt)), ("martlet:a?root=\(root)&mqtt=a:0", .badValue(.mqtt)),
        ("martlet:a?root=\(root)&est=https://a", .badValue(.est)), ("martlet:a?root=\(root)&est=a@b", .badValue(.est)),
    ]

    @Test(arguments: bad) func `anything else is refused for its own reason`(_ text: String, _ error: LabelError) {
        #expect(throws: error) { try label(text) }
    }
}
