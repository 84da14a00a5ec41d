// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MartletEnrolment

@Suite struct ESTServerTests {
    private func parsed(_ text: String) -> ESTServer? { ESTServer(parsing: Array(text.utf8).span) }

    @Test(arguments: [
        ("a", "https://a:443/.well-known/est/cacerts"),
        ("a.example.", "https://a.example.:443/.well-known/est/cacerts"),
        ("a:1", "https://a:1/.well-known/est/cacerts"), ("a:65535/", "https://a:65535/.well-known/est/cacerts"),
        ("192.0.2.1:8443/x", "https://192.0.2.1:8443/.well-known/est/x/cacerts"),
        ("[2001:db8::1]", "https://[2001:db8::1]:443/.well-known/est/cacerts"),
        ("a/x/y-1/", "https://a:443/.well-known/est/x/y-1/cacerts"),
    ])
    func `an address with up to two segments is a registrar`(_ text: String, _ url: String) throws {
        #expect(String(decoding: try #require(parsed(text)).url(.authorities), as: UTF8.self) == url)
    }

    @Test func `each operation has its path`() throws {
        let server = try #require(parsed("a"))
        let paths = [ESTServer.Operation.authorities, .attributes, .enrol, .renew].map {
            String(decoding: server.url($0), as: UTF8.self).split(separator: "/").last
        }
        #expect(paths == ["cacerts", "csrattrs", "simpleenroll", "simplereenroll"])
    }

    @Test(arguments: [
        ("", "nothing"), (":1", "no host"), ("/x", "no host"), ("a:", "no port"), ("a:0", "port 0"),
        ("a:01", "a leading zero"), ("a:65536", "beyond 16 bits"), ("a:99999999999", "far beyond"),
        ("a:1x", "no number"),
        ("a b", "a blank"), ("a?x", "a query"), ("a#x", "a fragment"), ("u@a", "a user"), ("https://a", "a scheme"),
        ("-a", "an option"), ("[::1", "no end"), ("[::1]x", "behind the address"), ("[]", "no address"),
        ("[g::1]", "no address"), ("ä", "not ASCII"), ("a\u{0}", "NUL"), ("a\r\nX: y", "a header"),
        ("a//x", "an empty segment"), ("a/x//", "an empty segment"), ("a/..", "the folder above"), ("a/.x", "hidden"),
        ("a/x/y/z", "three segments"), ("a/simpleenroll", "an operation"), ("a/x/cacerts", "an operation"),
        ("a/x?y", "a query"), ("a/%2e", "percent-encoding"),
    ])
    func `anything else is refused`(_ text: String, _ reason: String) {
        #expect(parsed(text) == nil, "\(reason)")
    }

    @Test func `names and labels are bounded`() {
        #expect(parsed(String(repeating: "a", count: 253)) != nil)
        #expect(parsed(String(repeating: "a", count: 254)) == nil)
        #expect(parsed("a/" + String(repeating: "b", count: 64)) != nil)
        #expect(parsed("a/" + String(repeating: "b", count: 65)) == nil)
    }
}
