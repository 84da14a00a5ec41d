// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletHTTPSLink
import MartletOpenSSL
import TestSupport
import Testing

/// A registrar with its authority, and a device that is to be onboarded with a label of a file.
final class Plant {
    static let id = "pump-7"
    static let token = "a-token-that-nobody-else-may-see"

    let authority: TestAuthority
    let server: HTTPSServer
    let root: URL
    /// What the label says beside the id.
    var label: [(key: String, value: String)] = []

    /// - Parameters:
    ///   - asksForCertificate: whether the registrar does.
    ///   - takesEnded: also one that has ended.
    ///   - factory: the authority of certificates that the registrar asks for, and takes none as well.
    ///   - identity: the registrar's.
    init(
        asksForCertificate: Bool = false, takesEnded: Bool = false, factory: TestAuthority? = nil,
        _ identity: (TestAuthority) throws -> TestAuthority.Identity = { $0.server }
    ) throws {
        authority = try TestAuthority()
        server = try HTTPSServer(
            authority, identity: identity(authority), asksFor: asksForCertificate ? authority : factory,
            takesEnded: takesEnded, takesNone: factory != nil)
        root = FileManager.default.temporaryDirectory.appending(path: "martlet-onboard-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: root, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        label = [
            ("est", "localhost:\(server.port)"), ("mqtt", "broker.example:8884"),
            ("ca", Self.hex(try authority.authority.certificate.sha256)),
            ("root", String(repeating: "0a", count: 32)), ("token", Self.token),
        ]
        try answer("cacerts", bag: [authority.authority.certificate])
        try answer("csrattrs", status: 204)
        try writeLabel()
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    static func hex(_ digest: InlineArray<32, UInt8>) -> String {
        digest.indices.map { String(format: "%02x", digest[$0]) }.joined()
    }

    // MARK: The registrar

    static func text(_ certificates: [Certificate]) throws -> String {
        Data(try CertificateBag.der(certificates)).base64EncodedString(options: [
            .lineLength64Characters, .endLineWithLineFeed,
        ])
    }

    static let type = "Content-Type: application/pkcs7-mime; smime-type=certs-only"

    func answer(_ name: String, bag: [Certificate]) throws {
        try server.answer(name, headers: [Self.type], body: Self.text(bag))
    }

    /// What it demands, in DER.
    func demand(_ der: [UInt8]) throws {
        let type = "Content-Type: application/csrattrs"
        try server.answer("csrattrs", headers: [type], body: Data(der).base64EncodedString())
    }

    /// Nothing but a status.
    func answer(_ name: String, status: Int, headers: [String] = []) throws {
        let lines = ["HTTP/1.1 \(status) No", "Content-Length: 0"] + headers
        try server.answer(name, with: lines.joined(separator: "\r\n") + "\r\n\r\n")
    }

    /// Certifies whatever key is asked for, by the program `openssl`: answers `name`, as another authority if it is given.
    func certifyAnything(_ name: String = "simpleenroll", by other: TestAuthority? = nil) throws {
        let folder = (other ?? authority).folder.path
        _ = try (other ?? authority).write((other ?? authority).authority.keyPEM(), to: "root.key")
        let script = """
            #!/bin/sh
            set -e
            d=$(mktemp -d)
            trap 'rm -rf "$d"' EXIT
            base64 -d | openssl req -inform DER -verify -out "$d/csr" >"$d/log" 2>&1
            printf '%s\\n' 'subjectAltName=URI:urn:dev:mac:0024befffe804ff1' 'basicConstraints=critical,CA:FALSE' \
            'keyUsage=critical,digitalSignature' 'extendedKeyUsage=clientAuth' >"$d/extensions"
            openssl x509 -req -in "$d/csr" -CA \(folder)/root.pem -CAkey \(folder)/root.key -days 30 \
            -extfile "$d/extensions" -out "$d/certificate" 2>"$d/log"
            openssl crl2pkcs7 -nocrl -certfile "$d/certificate" -outform DER | base64 >"$d/body"
            printf 'HTTP/1.1 200 OK\\r\\n\(Self.type)\\r\\nContent-Length: %d\\r\\n\\r\\n' "$(wc -c <"$d/body")"
            cat "$d/body"

            """
        let path = try authority.write(Array(script.utf8), to: name + ".run")
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    }

    // MARK: The device

    var directory: URL { root.appending(path: "device") }
    var labelFile: URL { root.appending(path: "martlet.uri") }

    func set(_ key: String, _ value: String?) throws {
        label.removeAll { $0.key == key }
        if let value { label.append((key, value)) }
        try writeLabel()
    }

    var labelText: String { "martlet:\(Self.id)?" + label.map { "\($0.key)=\($0.value)" }.joined(separator: "&") }

    func writeLabel() throws { try Data((labelText + "\n").utf8).write(to: labelFile) }

    func makeDirectory() throws {
        try? FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    func put(_ name: String, _ bytes: [UInt8]) throws {
        try makeDirectory()
        let path = directory.appending(path: name).path
        try #require(
            FileManager.default.createFile(
                atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600]))
    }

    /// As if an earlier run had made this key.
    func use(_ key: PrivateKey) throws { try put("pending.key", key.pem()) }

    /// As if the run that wrote the credential had been cut short before it erased its label.
    func restorePendingKey() throws {
        let credential = Array(try #require(content("device.pem")).utf8)
        try use(try PrivateKey(pem: credential.span))
    }

    func content(_ name: String) -> String? {
        FileManager.default.contents(atPath: directory.appending(path: name).path).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// Those of its identity.
    var files: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? [])
            .filter { !$0.hasSuffix(".lock") && $0 != "master.key" }.sorted()
    }

    var hasLabel: Bool { FileManager.default.fileExists(atPath: labelFile.path) }

    /// Onboarded, and nothing is left of label and request.
    func expectOnboarded(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(files == ["anchors.pem", "device.pem", "martlet.conf"], comment, sourceLocation: sourceLocation)
        #expect(!hasLabel, comment, sourceLocation: sourceLocation)
        try expectUsable(comment, sourceLocation: sourceLocation)
    }

    /// The SDK takes the directory as it is.
    func expectUsable(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(throws: Never.self, comment, sourceLocation: sourceLocation) {
            try Device(configuration: directory.appending(path: "martlet.conf").path, https: .libcurl).stop()
        }
    }

    /// Not onboarded: nothing but the key, and the label as it was.
    func expectPending(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(files == ["pending.key"], comment, sourceLocation: sourceLocation)
        let label = try? String(contentsOf: labelFile, encoding: .utf8)
        #expect(label == labelText + "\n", comment, sourceLocation: sourceLocation)
    }

    /// Whether the registrar was shown any credential.
    var toldToken: Bool { server.output.contains("uthorization") || server.output.contains(Self.token) }

    /// The paths that the registrar was asked for, with the number of the connection.
    var requests: [String] {
        server.output.split(separator: "\n").filter { $0.hasPrefix("REQUEST ") }.map {
            $0.split(separator: " ")[1...3].joined(separator: " ")
        }
    }

    func onboard(_ more: [String] = [], before: [String] = [], input: String? = nil) throws -> Run {
        let label = input == nil ? ["--label", labelFile.path] : []
        return try Run(self, "onboard", label + more, before: before, input: input)
    }

    func renew(_ more: [String] = [], before: [String] = []) throws -> Run {
        try Run(self, "renew", more, before: before)
    }
}

/// The program as a process of its own.
final class Run {
    private let process = Process()
    private let plant: Plant
    private let (out, err) = (Pipe(), Pipe())

    /// Begins it, with the plant's directory; `input` is its standard input.
    init(_ plant: Plant, _ verb: String, _ more: [String], before: [String], input: String? = nil) throws {
        self.plant = plant
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            before + [Bundle.main.bundleURL.appending(path: "martlet").path, verb, "--directory", plant.directory.path]
            + more
        let pipe = Pipe()
        process.standardInput = pipe
        process.standardOutput = out
        process.standardError = err
        try process.run()
        // If it has ended already, its result says why.
        if let input { try? pipe.fileHandleForWriting.write(contentsOf: Data(input.utf8)) }
        try pipe.fileHandleForWriting.close()
    }

    var pid: Int32 { process.processIdentifier }

    /// Ends it as a power cut would.
    func kill() { Foundation.kill(process.processIdentifier, SIGKILL) }

    struct Result {
        /// -1: a signal ended it.
        let status: Int32
        let output: String
        let error: String
    }

    /// Waits until it ended. What it says is a few lines, which a pipe holds.
    func result() throws -> Result {
        process.waitUntilExit()
        try plant.server.settle()
        let texts = try [out, err].map {
            String(decoding: try $0.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        }
        let status = process.terminationReason == .exit ? process.terminationStatus : -1
        #expect(!texts.joined().contains(Plant.token), "the token is shown nowhere")
        return Result(status: status, output: texts[0], error: texts[1])
    }
}
