// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A TLS server for one connection, whose bytes the test writes itself: `openssl s_server`.
public final class ScriptedTLSServer: Sendable {
    public let port: UInt16
    private let process: ChildProcess

    public convenience init(_ identity: TestAuthority.Identity, options: [String] = []) throws {
        try self.init(identity.files, options: options)
    }

    public init(_ files: CertificateFiles, options: [String] = []) throws {
        process = try ChildProcess(
            "openssl",
            ["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert", files.certificate]
                + ["-key", files.key, "-nameopt", "RFC2253"] + (files.chain.map { ["-cert_chain", $0] } ?? []) + options
        )
        try process.waitForOutput("ACCEPT")
        let line = process.output.split(separator: "\n").first { $0.hasPrefix("ACCEPT") } ?? ""
        port = UInt16(line.split(separator: ":").last ?? "") ?? 0
    }

    /// Sends bytes to the client: one TLS record for each call of at most 16 KiB. Blocks while the client does not
    /// read; returns how many were taken before the connection ended. The first byte must not be a letter, which
    /// would be a command.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Int { process.write(bytes) }

    /// Waits until what the client sent, or what the server says about it, contains `text`.
    public func waitForOutput(_ text: String) throws { try process.waitForOutput(text) }

    /// What the client sent, and what the server said about it, so far.
    public var output: String { process.output }

    public func stop() { process.stop() }
}
