// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletHTTPSLink
import MartletOpenSSL
import MartletPosix
import TestSupport

/// The configuration, key and certificates of one device, and what it logs.
class DeviceFolder {
    static let id = "pump-7"
    /// What the role `operate` may send.
    static let commands = [
        "all", "close", "count", "effect", "fail", "format-disk", "hang", "late", "never", "reboot", "say", "set",
        "set-interval", "stop", "unknown", "wait", "wait-a-little",
    ]

    /// The configuration; tests count its lines.
    let lines: [String]
    let rootKey: PrivateKey
    /// The first trust document.
    let document: TrustDocument
    let authority: TestAuthority
    let identity: TestAuthority.Identity
    let gatewayKey: PrivateKey
    let operatorKey: PrivateKey
    let path: String
    let log = Guarded<[String]>([])

    init(_ authority: TestAuthority, operatorKind: KeyKind = .ed25519) throws {
        self.authority = authority
        identity = try authority.device(Self.id)
        gatewayKey = try PrivateKey.generate(.p256)
        operatorKey = try PrivateKey.generate(operatorKind)
        rootKey = try PrivateKey.generate(.p256)
        let root = try TrustSigner.entry(rootKey.publicKey)
        lines = [
            "[device]", "id = \(Self.id)", "[mqtt]", "host = localhost", "port = 8883", "[identity]",
            "key = device.key", "certificate = device.pem", "anchors = ca.pem", "[trust]",
            "root = \(try Self.digest(root))", "document = trust.cbor", "[telemetry]", "batch-age = 0",
        ]
        document = TrustDocument(
            version: 1, roots: [root], threshold: 1,
            controllers: [
                TrustDocument.Controller(
                    name: Array("urn:martlet:gateway".utf8), key: try TrustSigner.entry(gatewayKey.publicKey),
                    roles: [Array("gateway".utf8)]),
                TrustDocument.Controller(
                    name: Array("urn:martlet:operator".utf8), key: try TrustSigner.entry(operatorKey.publicKey),
                    roles: [Array("operate".utf8)]),
            ],
            policy: [
                TrustDocument.Role(
                    name: Array("operate".utf8),
                    rules: Self.commands.map { TrustDocument.Rule(command: Array($0.utf8)) })
            ])
        path = NSTemporaryDirectory() + "device-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        try write(identity.key.pem(), "device.key")
        try write(identity.certificate.pem(), "device.pem")
        try write(authority.authority.certificate.pem(), "ca.pem")
        try write(sign(document), "trust.cbor")
    }

    /// The message that makes a trust document known.
    func sign(_ document: TrustDocument) throws -> [UInt8] {
        try TrustSigner(issuer: Array("urn:martlet:root".utf8), keys: [rootKey]).sign(document)
    }

    static func digest(_ key: TrustDocument.Key) throws -> String {
        let digest = try SHA256().digest(key.spki.span)
        return digest.indices.map { String(format: "%02x", digest[$0]) }.joined()
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var configuration: String { path + "/martlet.conf" }

    /// Writes the configuration; `changes` replaces whole lines by their key, or adds them to [telemetry].
    func configure(_ changes: [String: String]) throws {
        var rest = changes
        var lines = self.lines.map { line in
            let key = String(line.prefix { $0 != " " })
            return rest.removeValue(forKey: key).map { "\(key) = \($0)" } ?? line
        }
        for (key, value) in rest {
            let section = key == "protocol" || key == "prefix" || key == "keep-alive" ? "[mqtt]" : "[telemetry]"
            lines.insert("\(key) = \(value)", at: lines.firstIndex(of: section)! + 1)
        }
        try configure(lines: lines)
    }

    func configure(lines: [String]) throws {
        try write(Array((lines.joined(separator: "\n") + "\n").utf8), "martlet.conf")
    }

    /// Writes a file that only its owner can read.
    func write(_ bytes: [UInt8], _ name: String, mode: Int = 0o600) throws {
        let file = path + "/" + name
        try? FileManager.default.removeItem(atPath: file)
        guard
            FileManager.default.createFile(
                atPath: file, contents: Data(bytes), attributes: [.posixPermissions: mode])
        else { throw CocoaError(.fileWriteUnknown) }
    }

    func device(https: HTTPSSupport? = .libcurl) throws -> Device {
        let log = log
        return try Device(configuration: configuration, https: https, logLevel: .debug) { level, line in
            log.with { $0.append("\(level): \(line)") }
            log.notify()
        }
    }

    /// The device as a process of its own; `prefix` is what starts it.
    func process(_ prefix: [String] = []) throws -> ChildProcess {
        let command = prefix + [Bundle.main.bundleURL.appending(path: "DeviceProgram").path, configuration]
        return try ChildProcess(command[0], Array(command.dropFirst()))
    }

    /// What was logged so far.
    var logged: [String] { log.with { $0 } }

    /// Waits for a log line that holds `text`.
    func waitForLog(_ text: String, times: Int = 1, seconds: Int64 = 30) throws {
        let found = log.wait(milliseconds: seconds * 1000) { lines in
            lines.count { $0.contains(text) } >= times ? true : nil
        }
        if found == nil { throw BackEnd.TimedOut(description: "no log line with '\(text)' in \(logged)") }
    }

    /// The refusals that the device counts, as soon as there are `count`: it logs one before it counts it.
    func refusedMessages(_ device: Device, atLeast count: UInt64) -> UInt64 {
        for _ in 0..<10_000 where device.status.refusedMessages < count { usleep(1000) }
        return device.status.refusedMessages
    }
}
