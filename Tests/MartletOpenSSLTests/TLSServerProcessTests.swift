// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Foundation
import MartletOpenSSL
import TestSupport
import Testing

/// The policy against `openssl s_server`, a process of its own behind a socket.
@Suite struct TLSServerProcessTests {
    let authority: TestAuthority
    let now = Int64(Date().timeIntervalSince1970)

    init() throws { authority = try TestAuthority() }

    /// Runs `s_server` with the test server's certificate on a free port while `body` runs.
    func withServer(_ options: [String] = [], _ body: (_ address: String) throws -> Void) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments =
            [
                "s_server", "-accept", "127.0.0.1:0", "-naccept", "4", "-cert", authority.server.certificatePath,
                "-key",
                authority.server.keyPath, "-CAfile", authority.rootPath, "-Verify", "2", "-verify_return_error",
            ] + options
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.standardInput = Pipe()
        try process.run()
        defer {
            // A child inherits the signal mask of the thread that started it, which may block SIGTERM.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        var text = ""
        while !text.contains("ACCEPT 127.0.0.1:") || text.last != "\n" {
            let data = output.fileHandleForReading.availableData
            try #require(!data.isEmpty, "the server ended: \(text)")
            text += String(decoding: data, as: UTF8.self)
        }
        let line = try #require(text.split(separator: "\n").last { $0.hasPrefix("ACCEPT ") })
        try body(String(line.dropFirst("ACCEPT ".count)))
    }

    /// Connects and waits for the server's first answer: a name to greet, or its refusal.
    func connect(_ context: TLSContext, _ address: String) -> Bool {
        context.prepare(time: now, boottime: 0, acceptNotYetValid: false)
        guard let socket = BIO_new_connect(address), BIO_ctrl(socket, BIO_C_DO_STATE_MACHINE, 0, nil) == 1,
            let ssl = SSL_new(OpaquePointer(context.handle))
        else { return false }
        SSL_set_bio(ssl, socket, socket)
        defer { SSL_free(ssl) }
        guard SSL_connect(ssl) == 1 else {
            ERR_clear_error()
            return false
        }
        // `-rev` sends each line back reversed.
        _ = SSL_write(ssl, "olleh\n", 6)
        var answer = [UInt8](repeating: 0, count: 6)
        let count = SSL_read(ssl, &answer, 6)
        ERR_clear_error()
        return count == 6 && answer == Array("hello\n".utf8)
    }

    func context(_ name: String, _ identity: TestAuthority.Identity) throws -> TLSContext {
        try TLSContext(
            serverName: name, anchors: [authority.authority.certificate], chain: [identity.certificate],
            key: identity.key)
    }

    @Test(arguments: [["-tls1_3"], ["-tls1_2"]])
    func `a real server is accepted by name and address, and resumed`(options: [String]) throws {
        let device = try authority.device("device-1")
        try withServer(options + ["-rev"]) { address in
            let byName = try context("localhost", device)
            #expect(connect(byName, address))
            #expect(!byName.resumed)
            #expect(connect(byName, address))
            #expect(byName.resumed)
            #expect(try connect(context("127.0.0.1", device), address))
            #expect(byName.failure == nil)
        }
    }

    @Test func `a real server is refused for its name, and refuses us, each with its own reason`() throws {
        let device = try authority.device("device-1")
        let stranger = try TestAuthority().device("device-1")
        try withServer(["-rev"]) { address in
            let wrong = try context("broker.example", device)
            #expect(!connect(wrong, address))
            #expect(wrong.failure == .certificate(.hostName))
            let unknown = try context("localhost", stranger)
            #expect(!connect(unknown, address))
            // The alert is lost if the server resets the connection before we read it.
            #expect([.certificateRefused(alert: 48), nil].contains(unknown.failure))
        }
    }

    @Test(arguments: [
        (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], TLSFailure.protocolVersion),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], .noSharedCipher),
    ])
    func `a real server with a weak configuration is refused`(options: [String], reason: TLSFailure) throws {
        let device = try authority.device("device-1")
        try withServer(options) { address in
            let context = try context("localhost", device)
            #expect(!connect(context, address))
            #expect(context.failure == reason)
        }
    }
}
