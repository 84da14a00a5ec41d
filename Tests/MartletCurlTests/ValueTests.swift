// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MartletCurl

/// What is read without a connection.
@Suite struct ValueTests {
    @Test(arguments: [
        ("https://a", "a", 443), ("https://est.example/", "est.example", 443),
        ("https://est.example:8443/.well-known/est?x=%20y", "est.example", 8443),
        ("https://10.0.0.1:1?q", "10.0.0.1", 1), ("https://[fe80::1]:65535/p", "fe80::1", 65535),
        ("https://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1", 443), ("https://A_b-c.Example/a:b/[c]", "A_b-c.Example", 443),
    ])
    func `a URL says the name that the server must prove, and the port`(text: String, host: String, port: Int) throws {
        let url = try HTTPSURL(text)
        #expect(url.host == host)
        #expect(Int(url.port) == port)
        #expect(url.bytes == Array(text.utf8))
    }

    @Test(arguments: [
        ("", "nothing"), ("https://", "no host"), ("https:///a", "an empty host"), ("https://:443/", "no host"),
        ("http://est.example/", "no TLS"), ("HTTPS://est.example/", "not the one spelling"),
        ("//est.example", "no scheme"),
        ("est.example", "no scheme"), ("ftp://est.example", "another scheme"), ("file:///etc/passwd", "a file"),
        ("https://user:password@est.example/", "a password"), ("https://a@b", "a user"),
        ("https://est.example\\@other.example/", "two hosts, as one reads it"), ("https://a/#fragment", "a fragment"),
        ("https://a b/", "a space"), ("https://a/\r\nHost: b", "a second header"), ("https://a/\0", "NUL"),
        ("https://a\u{e4}/", "not ASCII"), ("https://a:/", "no port"), ("https://a:0/", "port 0"),
        ("https://a:65536/", "beyond the last port"), ("https://a:100000/", "the same"), ("https://a:+1/", "a sign"),
        ("https://a:1:2/", "two ports"), ("https://[::1", "no bracket"), ("https://[::1]a/", "more than an address"),
        ("https://[a.example]/", "a name in brackets"), ("https://[]/", "nothing in brackets"),
        ("https://[fe80::1%25eth0]/", "an interface"), ("https://a]/", "a bracket alone"),
        ("https://a%2e.example/", "a host in another spelling"), ("https://a,b/", "no name"),
    ])
    func `what is no https URL, or could be read in two ways, is refused`(text: String, why: String) {
        #expect(throws: HTTPSError.invalidURL, "\(why)") { try HTTPSURL(text) }
    }

    @Test func `a URL ends at 2,048 bytes, a host at 253`() throws {
        let room = HTTPSURL.maximumLength - "https://a/".utf8.count
        _ = try HTTPSURL("https://a/" + String(repeating: "x", count: room))
        #expect(throws: HTTPSError.invalidURL) { try HTTPSURL("https://a/" + String(repeating: "x", count: room + 1)) }
        _ = try HTTPSURL("https://" + String(repeating: "x", count: 253))
        #expect(throws: HTTPSError.invalidURL) { try HTTPSURL("https://" + String(repeating: "x", count: 254)) }
    }

    private func date(_ text: String) -> Int64? { HTTPDate.seconds(Array(text.utf8).span) }

    @Test(arguments: [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799), ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
        ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648), ("Sun, 07 Feb 2106 06:28:16 GMT", 4_294_967_296),
        ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400), ("Fri, 31 Dec 9999 23:59:60 GMT", 253_402_300_800),
        ("Sat, 01 Jan 0000 00:00:00 GMT", -62_167_219_200), ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
    ])
    func `a date is the second that it names, before and after 2038`(text: String, seconds: Int64) {
        #expect(date(text) == seconds)
    }

    @Test func `every prefix of a date is refused, and every longer text`() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT"
        for count in 0..<text.utf8.count { #expect(date(String(text.prefix(count))) == nil) }
        #expect(date(text + " ") == nil)
    }

    @Test(arguments: [
        ("Sunday, 06-Nov-94 08:49:37 GMT", "obsolete"), ("Sun Nov  6 08:49:37 1994", "obsolete"),
        ("Sun, 00 Nov 1994 08:49:37 GMT", "day 0"), ("Sun, 31 Nov 1994 08:49:37 GMT", "a day too many"),
        ("Tue, 29 Feb 2100 00:00:00 GMT", "no leap year"), ("Sun, 06 Now 1994 08:49:37 GMT", "no month"),
        ("Sun, 06 Nov 1994 24:00:00 GMT", "no hour"), ("Sun, 06 Nov 1994 23:60:00 GMT", "no minute"),
        ("Sun, 06 Nov 1994 23:59:61 GMT", "no second"), ("Sun, 06 Nov 1994 08:49:37 CET", "another zone"),
        ("Sun, +6 Nov 1994 08:49:37 GMT", "a sign"), ("SUN, 06 NOV 1994 08:49:37 GMT", "capitals"),
    ])
    func `what is no date is refused`(text: String, why: String) { #expect(date(text) == nil, "\(why)") }

    private func head(_ lines: String...) -> ResponseHead {
        var head = ResponseHead()
        for line in lines { head.take(Array((line + "\r\n").utf8).span) }
        return head
    }

    @Test func `headers are read whatever their case and the space around them`() {
        let head = head(
            "HTTP/1.1 200 OK", "CONTENT-TYPE: \t text/plain; charset=utf-8 ", "date:Thu, 01 Jan 1970 00:01:00 GMT",
            "Retry-AFTER: 120")
        #expect(head.contentType == Array("text/plain; charset=utf-8".utf8))
        #expect(head.date == 60)
        #expect(head.retryAfter == 120)
    }

    @Test func `headers of an interim answer are not those of the answer`() {
        let head = head("HTTP/1.1 103 Early Hints", "Retry-After: 5", "Content-Type: a/b", "", "HTTP/2 200", "X: y")
        #expect(head.retryAfter == nil)
        #expect(head.contentType.isEmpty)
        #expect(!head.isComplete)
    }

    @Test(arguments: [
        ("0", 0), ("007", 7), ("4294967295", UInt32.max), ("4294967296", .max), ("99999999999999999999999999", .max),
        ("Thu, 01 Jan 1970 00:01:30 GMT", 30), ("Thu, 01 Jan 1970 00:00:59 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", .max),
    ])
    func `Retry-After is seconds, or a date by the server's own clock`(value: String, seconds: UInt32) {
        #expect(head("Date: Thu, 01 Jan 1970 00:01:00 GMT", "Retry-After: \(value)").retryAfter == seconds)
        #expect(head("Retry-After: \(value)", "Date: Thu, 01 Jan 1970 00:01:00 GMT").retryAfter == seconds)
    }

    @Test(arguments: ["", "-1", "+1", "1.5", "1 2", "soon", "0x10", "\u{661}"])
    func `another Retry-After says nothing`(value: String) { #expect(head("Retry-After: \(value)").retryAfter == nil) }

    @Test func `a date of Retry-After says nothing without the server's clock`() {
        #expect(head("Retry-After: Thu, 01 Jan 1970 00:01:30 GMT").retryAfter == nil)
    }

    @Test func `lines that are no header, or one without an end, say nothing`() {
        let head = head(
            ":", "Date", "Date: ", "Content-Type", "Content-Types: a", " Content-Type: a", "Retry-After:")
        #expect(head.date == nil && head.contentType.isEmpty && head.retryAfter == nil && !head.isComplete)
    }
}
