// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// `HTTPSProgram` in environments that would change what libcurl does, or lack it.
@Suite(.timeLimit(.minutes(2))) struct EnvironmentTests {
    let authority: TestAuthority
    let server: HTTPSServer

    init() throws {
        authority = try TestAuthority()
        server = try HTTPSServer(authority)
        try server.answer("a", body: "hello")
    }

    /// What the program says: of a request to `server`, unless given.
    private func run(
        _ environment: [String] = [], anchor: String? = nil, port: UInt16? = nil, path: String = "/a",
        _ more: [String] = []
    ) throws -> String {
        let program = Bundle.main.bundleURL.appending(path: "HTTPSProgram").path
        let process = try ChildProcess(
            "env", environment + [program, anchor ?? authority.rootPath, url(port ?? server.port, path)] + more)
        try process.waitForOutput(" kB\n", seconds: 30)
        try process.waitForSuccess()
        return process.output
    }

    @Test func `libcurl is in memory once HTTPS is used, not before`() throws {
        #expect(
            try run().hasPrefix("before: no libcurl\nstatus 200, 5 bytes\nafter: libcurl is mapped\n"))
    }

    @Test(arguments: ["/chunks?flood", "/endless?flood", "/declared?flood"])
    func `a body without end needs no more memory than its limit`(path: String) throws {
        try server.answer("chunks", with: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n")
        try server.answer("endless", with: "HTTP/1.1 200 OK\r\n\r\n")
        try server.answer("declared", with: "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        // Bytes of data: four times what the program takes.
        let output = try run(["prlimit", "--data=134217728"], path: path)
        #expect(output.contains("failed: https(MartletCurl.HTTPSError.tooLarge)"), "\(output)")
    }

    @Test(arguments: HostileFrames.floods)
    func `frames of HTTP/2 without end need no more memory than their limits`(row: HostileFrames) throws {
        let hostile = try HTTP2Server(authority, HTTP2Server.Script(row.answer, repeated: row.repeated))
        let output = try run(["prlimit", "--data=134217728"], port: hostile.port)
        #expect(row.failures.contains { output.contains("failed: \($0)\n") }, "\(output)")
        // nghttp2 without memory just ends the connection.
        let peak = try #require(output.firstMatch(of: #/peak: ([0-9]+) kB/#).flatMap { Int($0.1) })
        #expect(peak < 65_536)
    }

    // MARK: libcurl missing

    private static let missing =
        "before: no libcurl\nno HTTPS: libraryMissing: libcurl is not installed: apt-get install libcurl4\n"

    /// A folder whose libcurl.so.4 is the first found.
    private func folder(_ make: (URL) throws -> Void) throws -> String {
        let folder = authority.folder.appending(path: "libraries")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        try make(folder.appending(path: "libcurl.so.4"))
        return "LD_LIBRARY_PATH=\(folder.path)"
    }

    @Test func `without libcurl there is an error that names the package`() throws {
        let path = try folder { _ = FileManager.default.createFile(atPath: $0.path, contents: Data()) }
        #expect(try run([path]).hasPrefix(Self.missing))
        #expect(!server.output.contains("ACCEPTED"))
    }

    @Test func `another library of that name is no libcurl`() throws {
        let path = try folder {
            try FileManager.default.createSymbolicLink(atPath: $0.path, withDestinationPath: library("libz.so.1"))
        }
        #expect(try run([path]).hasPrefix(Self.missing))
    }

    @Test(
        "a libcurl with another TLS library is not used",
        .enabled(if: (try? library("libcurl-gnutls.so.4")) != nil, "needs Debian's libcurl3-gnutls"))
    func otherLibrary() throws {
        let path = try folder {
            try FileManager.default.createSymbolicLink(
                atPath: $0.path, withDestinationPath: library("libcurl-gnutls.so.4"))
        }
        #expect(try run([path]).contains("no HTTPS: libraryUnsuitable: "))
        #expect(!server.output.contains("ACCEPTED"))
    }

    // MARK: The environment says nothing

    @Test func `proxies of the environment are not used`() throws {
        let proxy = try TCPServer(.end)
        defer { proxy.stop() }
        let names = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        let proxies = names.map { "\($0)=http://user:password@127.0.0.1:\(proxy.port)/" }
        #expect(try run(proxies + ["no_proxy=", "NO_PROXY="]).contains("status 200"))
        #expect(proxy.received.isEmpty)
    }

    @Test func `files of the user are not read`() throws {
        _ = try authority.write(Array("machine localhost login user password secret\n".utf8), to: ".netrc")
        _ = try authority.write(Array("insecure\nheader = \"X-Curlrc: y\"\nlocation\n".utf8), to: ".curlrc")
        #expect(
            try run(["HOME=\(authority.folder.path)", "CURL_HOME=\(authority.folder.path)"]).contains("status 200"))
        #expect(!server.output.contains("uthorization") && !server.output.contains("X-Curlrc"))
    }

    @Test("TLS-03 authorities that the environment names are no anchors")
    func environmentAnchors() throws {
        let other = try TestAuthority()
        let environment = ["SSL_CERT_FILE", "CURL_CA_BUNDLE"].map { "\($0)=\(authority.rootPath)" }
        #expect(
            try run(environment, anchor: other.rootPath).contains(
                "failed: tls(MartletOpenSSL.TLSFailure.certificate(MartletOpenSSL.CertificateFailure.untrustedIssuer))")
        )
        #expect(!server.output.contains("REQUEST"))
    }

    @Test func `the keys of connections are not written to the file that the environment names`() throws {
        let file = authority.folder.appending(path: "keys").path
        #expect(try run(["SSLKEYLOGFILE=\(file)"]).contains("status 200"))
        #expect((try? String(contentsOfFile: file, encoding: .utf8)) ?? "" == "")
    }

    @Test func `a server that goes away while it is written to does not end the process`() throws {
        for _ in 1...3 { #expect(try run(path: "/a?abort", ["16000000"]).contains("failed: ")) }
    }
}

/// The path of a shared library of this machine.
private func library(_ name: String) throws -> String {
    for folder in ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"] {
        let path = "\(folder)/\(name)"
        if FileManager.default.fileExists(atPath: path) { return path }
    }
    throw TestFailure("no \(name)")
}
