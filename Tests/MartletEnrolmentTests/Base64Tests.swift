// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MartletEnrolment

@Suite struct Base64Tests {
    private func decoded(_ text: String) -> [UInt8]? { Base64.decoded(Array(text.utf8).span) }

    /// RFC 4648 §10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `the examples of the standard hold`(_ plain: String, _ text: String) {
        #expect(decoded(text) == Array(plain.utf8))
        let lines = String(decoding: Base64.encoded(Array(plain.utf8).span), as: UTF8.self)
        #expect(lines == (text.isEmpty ? "" : text + "\n"))
    }

    @Test func `bytes of any number come back, from lines of 64 and from one`() {
        var generator = SystemRandomNumberGenerator()
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let lines = Base64.encoded(bytes.span)
            #expect(Base64.decoded(lines.span) == bytes, "\(bytes)")
            #expect(lines.split(separator: 10).allSatisfy { $0.count <= 64 })
            let one = Data(bytes).base64EncodedString()
            #expect(decoded(one) == bytes, "\(bytes)")
            #expect(decoded(one.map { "\($0) \r\n\t" }.joined()) == bytes, "\(bytes)")
        }
    }

    @Test(arguments: [
        ("Z", "one letter"), ("Zg", "no padding"), ("Zg=", "half of the padding"), ("Zg===", "too much padding"),
        ("Z===", "one letter and padding"), ("====", "padding alone"), ("=Zg=", "padding first"),
        ("Zm=8", "in between"),
        ("Zg==Zg==", "a second text"), ("Zg==\nA", "a letter behind"), ("Zh==", "bits of no byte"),
        ("Zm9=", "bits of no byte"), ("Zm8-", "the alphabet of URLs"), ("Zm\u{0}8", "NUL"), ("Zmö=", "not ASCII"),
    ])
    func `anything else is refused`(_ text: String, _ reason: String) {
        #expect(decoded(text) == nil, "\(reason)")
    }
}
