// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import TestSupport
import Testing

/// What the whole system trusts or allows changes nothing: a device is a process of its own in a poisoned system, and
/// beside it `openssl s_client` shows that the poison works.
@Suite(.timeLimit(.minutes(2))) struct SystemStoreTests {
    /// In continuous integration it must not be left out.
    private static let mayPoison =
        ProcessInfo.processInfo.environment["CI"] == "true"
        || (try? ChildProcess("unshare", ["-m", "true"]).waitForSuccess()) != nil

    private let own: TestAuthority
    private let poison: TestAuthority
    private let folder: DeviceFolder

    init() throws {
        own = try TestAuthority()
        poison = try TestAuthority()
        folder = try DeviceFolder(own)
    }

    /// - Parameter environment: words before a command, `env NAME=VALUE`.
    private func expectRefused(
        _ server: TestAuthority.Identity, options: [String] = [], saying text: String, in environment: [String]
    ) throws {
        let control = try ScriptedTLSServer(server, options: options)
        defer { control.stop() }
        let client = try ChildProcess(
            environment[0],
            Array(environment.dropFirst()) + [
                "openssl", "s_client", "-connect", "localhost:\(control.port)", "-verify_return_error",
                "-verify_hostname", "localhost",
            ])
        defer { client.stop() }
        // A failed handshake would leave it without a session.
        try client.waitForOutput("Verify return code: 0 (ok)", seconds: 20)

        let process = try ScriptedTLSServer(server, options: options)
        defer { process.stop() }
        try folder.configure(["port": "\(process.port)"])
        let program = Bundle.main.bundleURL.appending(path: "DeviceProgram").path
        let device = try ChildProcess(
            environment[0], Array(environment.dropFirst()) + [program, folder.configuration])
        defer { device.stop() }
        try device.waitForOutput("localhost:\(process.port): \(text)", seconds: 60)
        #expect(!device.output.contains(": connected") && !process.output.contains("MQTT"))
    }

    private static let untrusted = "the server's certificate is not from a trust anchor of ours"

    @Test(
        "TLS-03 an authority that the whole system trusts is no anchor of ours",
        .enabled(if: mayPoison, "needs root and unshare, to give a process another system store"))
    func systemStore() throws {
        let bundle = poison.folder.appending(path: "system")
        try FileManager.default.createDirectory(at: bundle, withIntermediateDirectories: false)
        try FileManager.default.createDirectory(
            at: bundle.appending(path: "certs"), withIntermediateDirectories: false)
        for name in ["cert.pem", "certs/ca-certificates.crt", "certs/poison.pem"] {
            try FileManager.default.copyItem(atPath: poison.rootPath, toPath: bundle.appending(path: name).path)
        }
        try ChildProcess("openssl", ["rehash", bundle.appending(path: "certs").path]).waitForSuccess()
        // OPENSSLDIR has links to the folder of the system, and its own file.
        let script = """
            set -e
            directory=$(openssl version -d | cut -d '"' -f 2)
            mount --bind "$0" "$directory"
            mount --bind "$0/certs" /etc/ssl/certs
            exec "$@"
            """
        try expectRefused(
            poison.server, saying: Self.untrusted, in: ["unshare", "-m", "sh", "-c", script, bundle.path])
    }

    @Test("TLS-03 SSL_CERT_FILE adds no anchor")
    func certificateFile() throws {
        try expectRefused(poison.server, saying: Self.untrusted, in: ["env", "SSL_CERT_FILE=\(poison.rootPath)"])
    }

    @Test("TLS-03 SSL_CERT_DIR adds no anchor")
    func certificateFolder() throws {
        let certificates = poison.folder.appending(path: "certs")
        try FileManager.default.createDirectory(at: certificates, withIntermediateDirectories: false)
        try FileManager.default.copyItem(
            atPath: poison.rootPath, toPath: certificates.appending(path: "poison.pem").path)
        try ChildProcess("openssl", ["rehash", certificates.path]).waitForSuccess()
        try expectRefused(poison.server, saying: Self.untrusted, in: ["env", "SSL_CERT_DIR=\(certificates.path)"])
    }

    @Test(
        "TLS-03 OPENSSL_CONF makes nothing weaker",
        arguments: [
            ("-tls1_1", "the server offers no TLS version from 1.2 on"),
            ("-tls1_2", "the server offers no cipher suite, group or key type that is accepted"),
        ])
    func configuration(version: String, text: String) throws {
        let lines = [
            "openssl_conf = all", "[all]", "ssl_conf = ssl", "[ssl]", "system_default = weak", "[weak]",
            "MinProtocol = TLSv1", "MaxProtocol = TLSv1.2", "CipherString = ALL:@SECLEVEL=0", "VerifyMode = Once",
            "Options = UnsafeLegacyServerConnect, UnsafeLegacyRenegotiation",
        ]
        let file = try own.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: "weak.cnf")
        // The right server, but one that can do no better than this.
        try expectRefused(
            own.server, options: [version, "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"], saying: text,
            in: ["env", "OPENSSL_CONF=\(file)", "SSL_CERT_FILE=\(own.rootPath)"])
    }
}
