// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletHTTPS
import MartletCurl
import TestSupport
import Testing

/// Servers that are slow or silent, and cancelling.
@Suite(.timeLimit(.minutes(2))) struct TimeTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test(
        "TLS-07 a server that never answers costs the time allowed",
        arguments: [TCPServer.Answer.silence, .drip([22, 3, 3])])
    func silent(answer: TCPServer.Answer) throws {
        let server = try TCPServer(answer)
        defer { server.stop() }
        let client = try Client(trusting: authority)
        for limits in [HTTPSLimits(connect: 500), HTTPSLimits(total: 500)] {
            let (failure, time) = try timed { try client.failure(url(server.port), limits: limits) }
            #expect(failure == .https(.timedOut))
            #expect((0.4...3).contains(time), "\(time) s")
        }
    }

    @Test func `a port that takes no connection costs the time allowed`() throws {
        let full = try LoopbackListener(backlog: 0)
        let waiting = try [LoopbackSocket(connectingTo: full.port)]
        let client = try Client("127.0.0.1", trusting: authority)
        let (failure, time) = try timed {
            try client.failure("https://127.0.0.1:\(full.port)/", limits: HTTPSLimits(connect: 500))
        }
        #expect(failure == .https(.timedOut))
        #expect((0.4...3).contains(time), "\(time) s")
        withExtendedLifetime(waiting) {}
    }

    @Test func `a server that thinks too long, or drips, is left`() throws {
        let server = try HTTPSServer(authority)
        try server.answer("silent", with: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        try server.answer("drip", with: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789")
        let client = try Client(trusting: authority)
        for path in ["/silent?hang", "/drip?drip"] {
            let (failure, time) = try timed { try client.failure(url(server.port, path), limits: HTTPSLimits(idle: 2)) }
            #expect(failure == .https(.timedOut))
            #expect((1.5...6).contains(time), "\(time) s")
            #expect(
                try client.failure(url(server.port, path), limits: HTTPSLimits(total: 700)) == .https(.timedOut))
        }
    }

    @Test func `another thread ends the request under way, and all later ones`() throws {
        let server = try HTTPSServer(authority)
        try server.answer("a", with: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        let client = try Client(trusting: authority)
        let cancellation = client.cancellation
        let thread = Thread {
            try? server.waitForOutput("DONE")
            cancellation.cancel()
        }
        thread.start()
        let (failure, time) = try timed { try client.failure(url(server.port, "/a?hang")) }
        #expect(failure == .https(.cancelled))
        print("cancelled after \(time) s")
        #expect(time < 5)
        #expect(try client.failure(url(server.port, "/a")) == .https(.cancelled))
        #expect(!server.output.contains("ACCEPTED 2"))
    }

    @Test func `a connection that is not made yet is cancelled too`() throws {
        let server = try TCPServer(.silence)
        defer { server.stop() }
        let client = try Client(trusting: authority)
        let cancellation = client.cancellation
        Thread.detachNewThread {
            while server.received.isEmpty { usleep(1000) }
            cancellation.cancel()
        }
        #expect(try client.failure(url(server.port)) == .https(.cancelled))
    }

    @Test func `a port where nobody listens, and a name that nobody has, are told apart`() throws {
        let client = try Client(trusting: authority)
        let port = try LoopbackListener().port
        #expect(try client.failure(url(port)) == .https(.connect(errno: ECONNREFUSED)))
        let nowhere = try Client("martlet.invalid", trusting: authority)
        #expect(try nowhere.failure("https://martlet.invalid/") == .https(.unresolved))
    }
}
