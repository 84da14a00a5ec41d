// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCurl
import MartletHTTPS
import MartletOpenSSL
import TestSupport
import Testing

/// Which version of HTTP is spoken, with a real nginx.
@Suite(.timeLimit(.minutes(2))) struct NginxTests {
    let authority: TestAuthority
    let client: Client

    init() throws {
        authority = try TestAuthority()
        client = try Client(trusting: authority)
    }

    @Test(arguments: [("http2", "HTTP/2.0"), ("", "HTTP/1.1")])
    func `HTTP/2 is spoken where it is offered, and 1.1 otherwise, over one connection`(
        listen: String, version: String
    ) throws {
        let nginx = try Nginx(authority, listen: listen, server: "return 200 $connection_requests;")
        for count in 1...3 {
            #expect(try client.fetch(url(nginx.port, "/a")).body == Array("\(count)".utf8))
        }
        #expect(try unlessReset { try client.fetch(url(nginx.port, "/a"), body: body(100)) }.status == 200)
        try nginx.waitForOutput("REQUEST GET /a \(version) - 200\n", times: 3)
        try nginx.waitForOutput("REQUEST POST /a \(version) 100 200\n")
    }

    @Test func `a server of both gets 1.1 from who does not offer HTTP/2`() throws {
        let nginx = try Nginx(authority, listen: "http2", server: "return 200;")
        var request = try HTTPSRequest(url: HTTPSURL(url(nginx.port, "/a")))
        request.offersHTTP2 = false
        #expect(try client.perform(request).status == 200)
        try nginx.waitForOutput("REQUEST GET /a HTTP/1.1 - 200\n")
    }

    @Test func `through a proxy the server's version is spoken, and the proxy is asked by 1.1`() throws {
        let nginx = try Nginx(authority, listen: "http2", server: "return 200;")
        let proxy = try TunnelProxy()
        defer { proxy.stop() }
        let tls = try TLSContext(serverName: "localhost", anchors: [authority.authority.certificate])
        let https = try VerifiedHTTPS(
            tls: tls, cancellation: HTTPSCancellation(),
            proxy: HTTPSProxy(bytes: Array("http://127.0.0.1:\(proxy.port)".utf8)))
        let request = try HTTPSRequest(url: HTTPSURL(url(nginx.port, "/a")))
        for _ in 1...2 {
            #expect(try https.perform(request, time: client.time, boottime: 0, acceptNotYetValid: false).status == 200)
        }
        #expect(proxy.heads.count == 1)
        #expect(proxy.heads[0].hasPrefix("CONNECT localhost:\(nginx.port) HTTP/1.1\r\n"))
        try nginx.waitForOutput("REQUEST GET /a HTTP/2.0 - 200\n", times: 2)
    }

    @Test func `a request by HTTP/2 says nothing but what it was given`() throws {
        let headers = [HTTPSHeader(name: "Authorization", value: Array("Bearer t".utf8))]
        let nginx = try unlessReset {
            let nginx = try Nginx(authority, listen: "http2", server: "return 200;")
            #expect(try client.fetch(url(nginx.port, "/a"), headers: headers, body: body(9)).status == 200)
            return nginx
        }
        try nginx.waitForOutput("REQUEST ")
        let said = nginx.output.split(separator: "\n").compactMap { line in
            line.firstRange(of: "http2 header: ").map { String(line[$0.upperBound...]) }
        }
        let expected = [
            "\":method: POST\"", "\":path: /a\"", "\":scheme: https\"",
            "\":authority: localhost:\(nginx.port)\"", "\"accept: */*\"", "\"authorization: Bearer t\"",
            "\"content-type: a/b\"", "\"content-length: 9\"",
        ]
        // libcurl 8.14 begins in another order.
        #expect(HostileFrames.isNew ? said.sorted() == expected.sorted() : said == expected)
    }

    @Test(arguments: [100, 65_535, 65_536, 3_000_000])
    func `what nginx refuses without reading it has its answer`(count: Int) throws {
        let refusal = """
            client_max_body_size 50;
            error_page 413 = @large;
            location @large { add_header Retry-After 7 always; return 413; }
            """
        let nginx = try Nginx(authority, listen: "http2", server: refusal)
        for _ in 1...2 {
            let response = try unlessReset { try client.fetch(url(nginx.port), body: body(count)) }
            #expect(response.status == 413 && response.retryAfter == 7)
        }
    }

    @Test func `a connection that nginx ends after some requests costs none of them`() throws {
        let nginx = try Nginx(authority, listen: "http2", server: "keepalive_requests 3; return 200 $connection;")
        var connections: Set<[UInt8]> = []
        for _ in 1...10 { connections.insert(try client.fetch(url(nginx.port)).body) }
        #expect(connections.count == 4)
    }

    /// libcurl 7.88 loses an answer that nginx gives before it has the whole request, now and then.
    private func unlessReset<Result>(_ body: () throws -> Result) throws -> Result {
        for _ in 1...20 {
            do { return try body() } catch HTTPSFailure.https(.reset) {}
        }
        return try body()
    }
}
