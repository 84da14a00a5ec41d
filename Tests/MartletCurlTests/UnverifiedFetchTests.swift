// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCurl
import TestSupport
import Testing

/// The one request to a server that may be anybody.
@Suite(.timeLimit(.minutes(2))) struct UnverifiedFetchTests {
    let authority: TestAuthority
    let cancellation = HTTPSCancellation()

    init() throws { authority = try TestAuthority() }

    private func get(_ port: UInt16, _ path: String) throws -> [UInt8] {
        try UnverifiedFetch.get(HTTPSURL(url(port, path)), connect: 5000, total: 10_000, cancellation: cancellation)
    }

    @Test func `a file comes from a server that nobody vouches for, and the connection ends`() throws {
        let server = try HTTPSServer(authority, identity: authority.server(names: ["other.example"]))
        try server.answer("cacerts", headers: ["Set-Cookie: a=b"], body: "certificates")
        for _ in 1...2 { #expect(try get(server.port, "/cacerts") == Array("certificates".utf8)) }
        try server.waitForOutput("ENDED 2")
        #expect(server.output.contains("REQUEST 2 GET /cacerts HTTP/1.1\r\n"))
        #expect(!server.output.contains("Cookie") && !server.output.contains("uthorization"))
    }

    @Test func `a server that asks for a certificate gets none`() throws {
        let server = try ScriptedTLSServer(
            authority.server, options: ["-Verify", "2", "-CAfile", authority.rootPath, "-www"])
        defer { server.stop() }
        _ = try? get(server.port, "/")
        try server.waitForOutput("peer did not return a certificate")
    }

    @Test func `64 KiB come, and not a byte more`() throws {
        let server = try HTTPSServer(authority)
        try server.answer("fits", body: String(repeating: "x", count: 65_536))
        try server.answer("more", body: String(repeating: "x", count: 65_537))
        try server.answer("endless", with: "HTTP/1.1 200 OK\r\n\r\n")
        #expect(try get(server.port, "/fits").count == 65_536)
        #expect(throws: HTTPSError.tooLarge) { try get(server.port, "/more") }
        #expect(throws: HTTPSError.tooLarge) { try get(server.port, "/endless?flood") }
    }

    @Test(arguments: [204, 301, 302, 401, 404, 500])
    func `no other status than 200 has a file, and nothing is followed`(status: Int) throws {
        let other = try TCPServer(.end)
        defer { other.stop() }
        let server = try HTTPSServer(authority)
        try server.answer(
            "a",
            with: "HTTP/1.1 \(status) No\r\nLocation: https://localhost:\(other.port)/\r\nContent-Length: 0\r\n\r\n")
        #expect(throws: HTTPSError.status(status)) { try get(server.port, "/a") }
        #expect(other.received.isEmpty)
    }

    @Test func `it verifies nothing, but speaks no TLS before 1.2, and can be cancelled`() throws {
        let old = try ScriptedTLSServer(
            authority.server, options: ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
        defer { old.stop() }
        #expect(throws: HTTPSError.tls) { try get(old.port, "/") }
        cancellation.cancel()
        let server = try HTTPSServer(authority)
        #expect(throws: HTTPSError.cancelled) { try get(server.port, "/") }
        #expect(!server.output.contains("ACCEPTED"))
    }
}
