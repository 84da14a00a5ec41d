// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCurl
import MartletHTTPS
import MartletOpenSSL
import TestSupport
import Testing

/// Servers of HTTP/2 that are trusted, whatever they send.
@Suite(.timeLimit(.minutes(2))) struct HTTP2Tests {
    typealias Script = HTTP2Server.Script

    let authority: TestAuthority
    let client: Client

    init() throws {
        authority = try TestAuthority()
        client = try Client(trusting: authority)
    }

    private static let length = [("content-length", "5")]
    private static let good = HTTP2.head("200", length) + HTTP2.data("hello")

    // MARK: Answers

    @Test func `an answer has status, type, clock, time to wait and body, over one connection for all`() throws {
        let fields = [
            ("content-type", "text/plain"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("retry-after", "Sun, 06 Nov 1994 08:51:37 GMT"),
        ]
        let server = try HTTP2Server(authority, Script(HTTP2.head("202", fields) + HTTP2.data("wait\n")))
        for _ in 1...3 {
            let response = try client.fetch(url(server.port))
            #expect(response.status == 202)
            #expect(response.contentType == Array("text/plain".utf8))
            #expect(response.date == 784_111_777)
            #expect(response.retryAfter == 120)
            #expect(response.body == Array("wait\n".utf8))
        }
        let output = try server.output
        #expect(output.contains("CONNECTION 1 h2 ") && !output.contains("ACCEPTED 2"))
    }

    @Test func `interim answers and trailers say nothing of the answer`() throws {
        let interim = HTTP2.head("103", [("retry-after", "5"), ("content-type", "c/d")])
        let trailer = HTTP2.frame(
            .headers, flags: HTTP2.endHeaders | HTTP2.endStream,
            HTTP2.block([("retry-after", "9"), ("content-type", "e/f")]))
        for body in ["", "hello"] {
            let part = body.isEmpty ? [] : HTTP2.data(body, end: false)
            let server = try HTTP2Server(
                authority, Script(interim + HTTP2.head("200", [("content-type", "a/b")]) + part + trailer))
            let response = try client.fetch(url(server.port))
            #expect(response.status == 200 && response.body == Array(body.utf8))
            #expect(response.contentType == Array("a/b".utf8))
            #expect(response.retryAfter == nil)
        }
    }

    @Test(arguments: [0, 1, 65_535, 65_536, HTTPSBody.maximumLength])
    func `a POST carries its body as it is, however long`(count: Int) throws {
        let server = try HTTP2Server(authority, Script(Self.good))
        let times = count == HTTPSBody.maximumLength ? 1 : 2
        for _ in 1...times { #expect(try client.fetch(url(server.port), body: body(count)).body.count == 5) }
        let output = try server.output
        let lengths = output.matches(of: #/FRAME 1 DATA length=([0-9]+) /#).compactMap { Int($0.1) }
        #expect(lengths.reduce(0, +) == times * count)
        #expect(!output.contains("ACCEPTED 2"))
    }

    @Test(arguments: ["401", "413", "429", "503"])
    func `an answer before the body was sent is one`(status: String) throws {
        let answer = HTTP2.head(status, [("retry-after", "7"), ("content-length", "5")]) + HTTP2.data("hello")
        for script in [
            Script(answer, isEarly: true), Script(answer, isEarly: true, grants: false),
            Script(greeting: HTTP2.noWindow, answer, isEarly: true, grants: false),
        ] {
            let server = try HTTP2Server(authority, script)
            for count in [100, 65_536, 3_000_000] {
                // libcurl 8.14 waits for leave to send the rest of a body that it has in its buffer.
                let mayWait = HostileFrames.isNew && !script.grants && count == 65_536
                do {
                    let response = try client.fetch(
                        url(server.port), body: body(count), limits: mayWait ? HTTPSLimits(total: 2000) : HTTPSLimits())
                    #expect(String(response.status) == status && response.retryAfter == 7)
                } catch HTTPSFailure.https(.timedOut) where mayWait {}
            }
        }
    }

    @Test func `a body ends at its limit, and the client goes on`() throws {
        let long = String(repeating: "x", count: 16_000)
        let fits = Script(HTTP2.head() + HTTP2.data(long))
        let more = Script(HTTP2.head() + HTTP2.data(long, end: false) + HTTP2.data("x"))
        let announced = Script(HTTP2.head("200", [("content-length", "16001")]))
        let endless = Script(HTTP2.head(), repeated: HTTP2.data(long, end: false))
        let server = try HTTP2Server(authority, fits)
        let limits = HTTPSLimits(body: long.utf8.count)
        for script in [more, announced, endless] {
            try server.say([script])
            #expect(try client.failure(url(server.port), limits: limits) == .https(.tooLarge))
            try server.say([fits])
            #expect(try client.fetch(url(server.port), limits: limits).body.count == 16_000)
        }
    }

    @Test func `an answer may be longer than what may come at once`() throws {
        let part = HTTP2.data(String(repeating: "x", count: 16_000), end: false)
        for count in [1, 10, 50] {
            let parts = Array(repeatElement(part, count: count).joined())
            let server = try HTTP2Server(authority, Script(HTTP2.head() + parts + HTTP2.data("")))
            let response = try client.fetch(url(server.port), limits: HTTPSLimits(body: 800_000))
            #expect(response.body.count == count * 16_000)
        }
    }

    @Test func `headers cost no more than their limit, whatever stands for them`() throws {
        let server = try HTTP2Server(authority, Script(HTTP2.bomb(2, size: 4000) + HTTP2.data("hello")))
        #expect(try client.fetch(url(server.port)).body.count == 5)
        for (count, size) in [(4, 4000), (20, 4000), (31, 4000), (12_000, 4000), (60_000, 1)] {
            try server.say([Script(HTTP2.bomb(count, size: size) + HTTP2.data("hello"))])
            let failure = try client.failure(url(server.port))
            #expect([.https(.tooLarge), .https(.closed)].contains(failure), "\(count) of \(size)")
        }
    }

    // MARK: Ends

    @Test(arguments: ["end", "cut"])
    func `an answer that ends too early is none`(how: String) throws {
        for answer in [
            [], HTTP2.head(), HTTP2.head("200", Self.length), HTTP2.head() + HTTP2.data("hello", end: false),
            HTTP2.head("200", [("content-length", "6")]) + HTTP2.data("hello", end: false),
            HTTP2.head() + HTTP2.data("hello").dropLast(), HTTP2.head("103"),
            HTTP2.head("200", Self.length) + HTTP2.goAway(last: 1),
        ] {
            let server = try HTTP2Server(authority, Script(answer, then: how))
            #expect(try client.failure(url(server.port)) == .https(.closed), "\(answer)")
        }
    }

    @Test(arguments: [2, 5, 7, 8, 11] as [UInt32])
    func `a stream that the server resets has no answer, and the next request goes over a new connection`(
        code: UInt32
    ) throws {
        let head = HTTP2.head("200", Self.length)
        for answer in [[], HTTP2.head("103"), head, head + HTTP2.data("hel", end: false)] {
            let server = try HTTP2Server(authority, Script(answer + HTTP2.reset(code)))
            // One that says that it did nothing is asked again (RFC 9113 §8.7), five times; by libcurl 8.14 only if it
            // said nothing else.
            let isRefused = code == 7
            let isAskedAgain = isRefused && (answer.isEmpty || !HostileFrames.isNew)
            #expect(try client.failure(url(server.port)) == .https(isRefused ? .closed : .reset))
            let before = try server.requests
            #expect(before == (isAskedAgain ? 6 : 1))
            try server.say([Script(Self.good)])
            #expect(try client.fetch(url(server.port)).status == 200)
            #expect(try server.requests == before + 1)
            #expect(try server.output.contains("ACCEPTED \(before + 1)\n"))
        }
    }

    @Test func `a reset without an error ends an answer only if its length says so, or it has none`() throws {
        for fields in [Self.length, []] {
            let server = try HTTP2Server(
                authority,
                Script(
                    HTTP2.head("200", fields) + HTTP2.data("hel", end: false), repeated: HTTP2.reset(0), pause: 0.5))
            let failure = try client.failure(url(server.port))
            #expect(failure == (fields.isEmpty ? nil : .https(.closed)))
        }
    }

    @Test func `a server that goes away is not asked by this connection, and its answer counts`() throws {
        let server = try HTTP2Server(authority, Script(HTTP2.goAway(last: 1) + Self.good), Script(Self.good))
        for _ in 1...3 { #expect(try client.fetch(url(server.port), body: body(10)).status == 200) }
        let output = try server.output
        #expect(output.contains("ACCEPTED 2") && !output.contains("ACCEPTED 3"))
        #expect(try server.requests == 3)
        for goAway in [HTTP2.goAway(last: 0), HTTP2.goAway(last: 0, 11)] {
            try server.say([Script(goAway)])
            client.https.disconnect()
            #expect(try client.failure(url(server.port)) == .https(.closed))
        }
    }

    // The fault of libcurl 7.88: RFC 9113 §8.1 forbids it.
    @Test func `an answer before the body was sent may be lost if a reset without an error follows, and 1.1 brings it`()
        throws
    {
        let answer = HTTP2.head("413", Self.length) + HTTP2.data("hello")
        let server = try HTTP2Server(
            authority,
            Script(answer + HTTP2.reset(0), isEarly: true, plain: "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        )
        var request = try HTTPSRequest(url: HTTPSURL(url(server.port)), body: body(3_000_000))
        if HostileFrames.isNew {
            #expect(try client.perform(request).status == 413)
            client.https.disconnect()
        } else {
            #expect(throws: HTTPSFailure.https(.reset)) { try client.perform(request) }
        }
        request.offersHTTP2 = false
        #expect(try client.perform(request).status == 413)
        #expect(try server.output.contains("PLAIN 2 POST / HTTP/1.1\n"))
    }

    @Test func `a server that asks for 1.1 gets it`() throws {
        let server = try HTTP2Server(
            authority, Script(HTTP2.reset(13), plain: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        #expect(try client.fetch(url(server.port, "/a"), body: body(10)).body == Array("ok".utf8))
        #expect(try server.output.contains("PLAIN 2 POST /a HTTP/1.1\n"))
    }

    // MARK: What no server may send

    @Test(arguments: HostileFrames.broken) func `what breaks the rules is no answer`(row: HostileFrames) throws {
        let greeting = HTTP2.frame(.settings, stream: 0) + row.answer
        for script in [Script(row.answer)] + (row.isFatal ? [Script(greeting: greeting, Self.good)] : []) {
            let server = try HTTP2Server(authority, script)
            let failure = try client.failure(url(server.port), limits: HTTPSLimits(total: 5000))
            #expect(row.failures.contains { $0 == failure }, "\(String(describing: failure))")
        }
    }

    @Test("TLS-07 frames without end cost no more than their limit", arguments: HostileFrames.floods)
    func flood(row: HostileFrames) throws {
        let server = try HTTP2Server(authority, Script(row.answer, repeated: row.repeated))
        let (failure, time) = try timed { try client.failure(url(server.port)) }
        #expect(row.failures.contains { $0 == failure }, "\(String(describing: failure))")
        #expect(time < 10, "\(time) s")
    }

    // MARK: Time

    @Test func `a server that stops or drips costs the time allowed`() throws {
        let ping = HTTP2.frame(.ping, stream: 0, [UInt8](repeating: 1, count: 8))
        for (script, limits) in [
            (Script(), HTTPSLimits(total: 1000)), (Script(HTTP2.head()), HTTPSLimits(total: 1000)),
            (Script(greeting: HTTP2.noWindow, Self.good, grants: false), HTTPSLimits(total: 1000)),
            (Script(greeting: HTTP2.noWindow, Self.good, grants: false), HTTPSLimits(idle: 1)),
            (Script(HTTP2.head(), repeated: HTTP2.data("x", end: false), pause: 1), HTTPSLimits(idle: 1)),
            (Script(repeated: ping, pause: 0.1), HTTPSLimits(idle: 1)),
        ] {
            let server = try HTTP2Server(authority, script)
            let (failure, time) = try timed {
                try client.failure(url(server.port), body: body(100_000), limits: limits)
            }
            #expect(failure == .https(.timedOut))
            // libcurl's idea of the speed is that of six seconds.
            #expect((0.9...10).contains(time), "\(time) s")
        }
    }

    @Test func `another thread ends a request that is held`() throws {
        let server = try HTTP2Server(authority, Script())
        let cancellation = client.cancellation
        Thread.detachNewThread {
            try? server.waitForOutput("ANSWERED")
            cancellation.cancel()
        }
        let (failure, time) = try timed { try client.failure(url(server.port)) }
        #expect(failure == .https(.cancelled))
        #expect(time < 5)
        try server.waitForOutput("ENDED 1")
    }

    @Test func `a kept connection that stopped working is left with the first request that it fails`() throws {
        let server = try HTTP2Server(authority, Script(Self.good))
        #expect(try client.fetch(url(server.port)).status == 200)
        try server.say([Script()])
        #expect(try client.failure(url(server.port), limits: HTTPSLimits(total: 1000)) == .https(.timedOut))
        try server.say([Script(Self.good)])
        #expect(try client.fetch(url(server.port)).status == 200)
        #expect(try server.output.contains("ACCEPTED 2"))
    }
}
