// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletHTTPS
import MartletCurl
import MartletOpenSSL
import TestSupport
import Testing

/// Requests to a server that is trusted, whatever it answers.
@Suite(.timeLimit(.minutes(2))) struct AnswerTests {
    let authority: TestAuthority
    let server: HTTPSServer
    let client: Client

    init() throws {
        authority = try TestAuthority()
        server = try HTTPSServer(authority)
        client = try Client(trusting: authority)
    }

    private func fetch(_ path: String, limits: HTTPSLimits = HTTPSLimits()) throws -> HTTPSResponse {
        try client.fetch(url(server.port, path), limits: limits)
    }

    private func failure(_ path: String, limits: HTTPSLimits = HTTPSLimits()) throws -> HTTPSFailure? {
        try client.failure(url(server.port, path), limits: limits)
    }

    @Test func `an answer has status, type, clock, time to wait and body`() throws {
        try server.answer(
            "a",
            with: "HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                + "Retry-After: Sun, 06 Nov 1994 08:51:37 GMT\r\nContent-Length: 5\r\n\r\nwait\n")
        let response = try fetch("/a")
        #expect(response.status == 202)
        #expect(response.contentType == Array("text/plain".utf8))
        #expect(response.date == 784_111_777)
        #expect(response.retryAfter == 120)
        #expect(response.body == Array("wait\n".utf8))
    }

    @Test func `a request says nothing but what it was given`() throws {
        try server.answer("a", body: "ok")
        _ = try client.fetch(
            url(server.port, "/a"), headers: [HTTPSHeader(name: "Authorization", value: Array("Bearer t".utf8))])
        try server.waitForOutput("DONE")
        let request = server.output.replacing("\r\n", with: "\n").components(separatedBy: "REQUEST 1 ").last
        #expect(
            request?.hasPrefix(
                "GET /a HTTP/1.1\nHost: localhost:\(server.port)\nAccept: */*\nAuthorization: Bearer t\n\nBODY 0 ")
                == true)
    }

    @Test(arguments: [0, 1, 5000, 3_000_000])
    func `a POST carries its body as it is, however long`(count: Int) throws {
        try server.answer("a", body: "ok")
        let body = HTTPSBody(contentType: "application/pkcs10", bytes: [UInt8](repeating: 0x78, count: count))
        #expect(try client.fetch(url(server.port, "/a"), body: body).status == 200)
        try server.waitForOutput("DONE")
        let request = server.output
        #expect(request.contains("POST /a HTTP/1.1\r\n"))
        #expect(
            request.contains("\r\nContent-Type: application/pkcs10\r\nContent-Length: \(count)\r\n\r\nBODY \(count) "))
        #expect(!request.contains("Expect") && !request.contains("Transfer-Encoding"))
    }

    @Test(arguments: ["a\r\nX: y", "a\nb", "\0", "", "\u{e4}", "\u{7f}", String(repeating: "x", count: 4097)])
    func `a header that could be another one is not sent`(value: String) throws {
        let headers = [HTTPSHeader(name: "X-Name", value: Array(value.utf8))]
        #expect(try client.failure(url(server.port), headers: headers) == .https(.invalidRequest))
        #expect(!server.output.contains("ACCEPTED"))
    }

    @Test func `limits outside their bounds are refused`() throws {
        for limits in [
            HTTPSLimits(body: -1), HTTPSLimits(body: HTTPSBody.maximumLength + 1), HTTPSLimits(connect: 0),
            HTTPSLimits(total: 0), HTTPSLimits(total: .max), HTTPSLimits(idle: 0), HTTPSLimits(body: .max),
        ] { #expect(try failure("/a", limits: limits) == .https(.invalidRequest)) }
        let body = HTTPSBody(contentType: "a/b", bytes: [UInt8](repeating: 0, count: HTTPSBody.maximumLength + 1))
        #expect(try client.failure(url(server.port), body: body) == .https(.invalidRequest))
    }

    @Test func `the connection is kept, and judged anew after disconnect`() throws {
        try server.answer("a", body: "ok")
        for _ in 1...3 { #expect(try fetch("/a").status == 200) }
        try server.waitForOutput("DONE", times: 3)
        #expect(!server.output.contains("ACCEPTED 2"))
        client.https.disconnect()
        #expect(try fetch("/a").status == 200)
        #expect(client.tls.resumed)
        client.https.disconnect()
        client.tls.dropSessions()
        #expect(try fetch("/a").status == 200)
        #expect(!client.tls.resumed)
        try server.waitForOutput("CONNECTION 3 nobody TLSv1.3 resumed=False")
        #expect(server.output.contains("CONNECTION 2 nobody TLSv1.3 resumed=True"))
    }

    // MARK: Nothing leads elsewhere

    @Test("TLS-05 a redirect is an answer: nobody else is asked", arguments: ["http", "https", "file"])
    func redirect(scheme: String) throws {
        let other = try TCPServer(.end)
        defer { other.stop() }
        let location = scheme == "file" ? "file:///etc/hostname" : "\(scheme)://localhost:\(other.port)/"
        for status in [301, 302, 303, 307, 308] {
            try server.answer(
                "r", with: "HTTP/1.1 \(status) Elsewhere\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n")
            let response = try fetch("/r")
            #expect(response.status == status)
            #expect(response.body.isEmpty)
        }
        #expect(other.received.isEmpty)
        #expect(!server.output.contains("ACCEPTED 2"))
    }

    @Test func `cookies, other services and demands of a password change no later request`() throws {
        let other = try TCPServer(.end)
        defer { other.stop() }
        try server.answer(
            "c",
            with: "HTTP/1.1 401 No\r\nSet-Cookie: a=b; Path=/\r\nAlt-Svc: h2=\"localhost:\(other.port)\"; ma=86400\r\n"
                + "WWW-Authenticate: Basic realm=\"a\"\r\nStrict-Transport-Security: max-age=9999\r\nContent-Length: 0\r\n\r\n"
        )
        for _ in 1...2 { #expect(try fetch("/c").status == 401) }
        client.https.disconnect()
        #expect(try fetch("/c").status == 401)
        try server.waitForOutput("DONE", times: 3)
        #expect(!server.output.contains("Cookie") && !server.output.contains("Authorization"))
        #expect(other.received.isEmpty)
    }

    // MARK: Bounds

    @Test(arguments: [0, 1, 1000])
    func `a body ends at its limit`(limit: Int) throws {
        try server.answer("fits", body: String(repeating: "x", count: limit))
        try server.answer("more", body: String(repeating: "x", count: limit + 1))
        let limits = HTTPSLimits(body: limit)
        #expect(try fetch("/fits", limits: limits).body.count == limit)
        #expect(try failure("/more", limits: limits) == .https(.tooLarge))
        #expect(try fetch("/fits", limits: limits).body.count == limit, "and the client goes on")
    }

    private static let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test func `a chunked body is put together, its trailer is not read`() throws {
        try server.answer(
            "c", with: Self.chunked + "5\r\nhello\r\n1;x=y\r\n \r\nA\r\n0123456789\r\n0\r\nRetry-After: 9\r\n\r\n")
        let response = try fetch("/c")
        #expect(String(decoding: response.body, as: UTF8.self) == "hello 0123456789")
        #expect(response.retryAfter == nil)
    }

    @Test(arguments: ["/chunks?flood", "/endless?flood", "/declared?flood"])
    func `a body without end is left at the limit`(path: String) throws {
        try server.answer("chunks", with: Self.chunked + "40000000\r\n")
        try server.answer("endless", with: "HTTP/1.1 200 OK\r\n\r\n")
        try server.answer("declared", with: "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        #expect(try failure(path, limits: HTTPSLimits(body: 100_000)) == .https(.tooLarge))
    }

    @Test func `an answer may be longer than what may come at once`() throws {
        try server.answer("long", body: String(repeating: "x", count: 3_000_000))
        #expect(try fetch("/long", limits: HTTPSLimits(body: 3_000_000)).body.count == 3_000_000)
    }

    @Test func `headers without end cost no more than their limit`() throws {
        let line = "X-Filler: " + String(repeating: "x", count: 990) + "\r\n"
        try server.answer(
            "few", with: "HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 15) + "Content-Length: 0\r\n\r\n")
        try server.answer(
            "many", with: "HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 17) + "Content-Length: 0\r\n\r\n")
        try server.answer("hints", with: String(repeating: "HTTP/1.1 103 Early Hints\r\n\r\n", count: 1000))
        try server.answer("long", with: "HTTP/1.1 200 OK\r\nX: ")
        #expect(try fetch("/few").status == 200)
        #expect(try failure("/many") == .https(.tooLarge))
        #expect(try failure("/hints?hang") == .https(.tooLarge))
        // A line that never ends: libcurl or the limit of TLS stops it.
        let endless = try failure("/long?flood")
        #expect([.https(.tooLarge), .https(.outOfMemory), .tls(.inputLimit)].contains(endless))
    }

    // MARK: Ends

    @Test(arguments: ["cut", "end", "reset"])
    func `an answer that ends too early is none`(how: String) throws {
        try server.answer("length", with: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        try server.answer("chunks", with: Self.chunked + "A\r\nhello")
        try server.answer("chunk", with: Self.chunked + "5\r\nhello\r\n")
        try server.answer("head", with: "HTTP/1.1 200 OK\r\nContent-Le")
        try server.answer("nothing", with: "")
        for path in ["length", "chunks", "chunk", "head", "nothing"] {
            let failure = try failure("/\(path)?\(how)")
            #expect(failure == .https(.closed), "\(path)")
        }
    }

    @Test func `a body without length is whole if TLS ends as it should, and not if TCP alone does`() throws {
        try server.answer("a", with: "HTTP/1.1 200 OK\r\n\r\nhello")
        #expect(try fetch("/a?end").body == Array("hello".utf8))
        #expect(try failure("/a?cut") != nil)
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ])
    func `what is no HTTP is named so`(text: String) throws {
        try server.answer("a", with: text)
        #expect(try failure("/a?end") == .https(.notHTTP))
    }

    @Test(arguments: ["xyz\r\nhello\r\n0\r\n\r\n", "-1\r\n", "FFFFFFFFFFFFFFFFFF\r\nx"])
    func `a chunk of impossible length is an error`(chunks: String) throws {
        try server.answer("a", with: Self.chunked + chunks)
        let failure = try failure("/a?end")
        #expect([.https(.closed), .https(.notHTTP)].contains(failure))
    }
}
