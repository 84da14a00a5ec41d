// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL

/// A server that nothing may ever be said to, and what TLS must find wrong with it. Every path to a server is tested
/// by the whole table.
public struct BadServer: Sendable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// `openssl s_server` with these files and options.
        case tls(@Sendable (TestAuthority) throws -> CertificateFiles, options: [String])
        /// A TCP server that answers the first bytes of each connection.
        case tcp(TCPServer.Answer)
    }

    /// When the client meets it.
    public enum Clock: Sendable {
        /// Now, whether or not the clock can be trusted.
        case right
        /// Now; a client whose clock may be behind accepts this server for the time being.
        case trusted
        /// So many seconds after 1970, and the client believes it.
        case wrong(Int64)
    }

    public let name: String
    public let kind: Kind
    /// nil: the connection breaks, and says nothing.
    public let failure: TLSFailure?
    /// The name that the client is configured with; it is reached at 127.0.0.1.
    public let host: String
    public let clock: Clock
    /// How long the client's trust anchor is valid from yesterday on; see `TestAuthority`.
    public let rootDays: Int64

    public var description: String { name }

    public static let all = names + chains + issuers + profiles + protocols + hellos + strangers

    /// Runs the server while `body` connects to it; returns everything that it was sent and could read.
    public func run(_ authority: TestAuthority, _ body: (_ port: UInt16) throws -> Void) throws -> String {
        switch kind {
        case .tls(let files, let options):
            let process = try ScriptedTLSServer(files(authority), options: options)
            defer { process.stop() }
            try body(process.port)
            return process.output
        case .tcp(let answer):
            let process = try TCPServer(answer)
            defer { process.stop() }
            try body(process.port)
            return String(decoding: process.received, as: UTF8.self)
        }
    }

    static func tls(
        _ name: String, _ failure: TLSFailure, host: String = "localhost", clock: Clock = .right, rootDays: Int64 = 366,
        options: [String] = [], _ files: @escaping @Sendable (TestAuthority) throws -> CertificateFiles
    ) -> BadServer {
        BadServer(
            name: name, kind: .tls(files, options: options), failure: failure, host: host, clock: clock,
            rootDays: rootDays)
    }

    /// Refused because of its certificate.
    static func certificate(
        _ name: String, _ failure: CertificateFailure, host: String = "localhost", clock: Clock = .right,
        rootDays: Int64 = 366, options: [String] = [],
        _ files: @escaping @Sendable (TestAuthority) throws -> CertificateFiles
    ) -> BadServer {
        tls(
            name, .certificate(failure), host: host, clock: clock, rootDays: rootDays, options: options, files)
    }

    static func tcp(_ name: String, _ failure: TLSFailure?, _ answer: TCPServer.Answer) -> BadServer {
        BadServer(name: name, kind: .tcp(answer), failure: failure, host: "localhost", clock: .right, rootDays: 366)
    }
}
