// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletOpenSSL
import MartletPosix
import TestSupport

/// A broker with mutual TLS, a back end, and the files of one device.
final class Bench {
    let authority: TestAuthority
    let broker: Broker
    let backEnd: BackEnd
    let folder: String
    let log = Guarded<[String]>([])
    static let id = "pump-7"

    init(brokerSettings: [String] = []) throws {
        authority = try TestAuthority()
        broker = try Broker(tls: Bench.tls(authority), settings: brokerSettings)
        backEnd = try BackEnd(authority, port: broker.port, device: Bench.id)
        folder = NSTemporaryDirectory() + "device-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let identity = try authority.device(Bench.id)
        try write(identity.key.pem(), "device.key")
        try write(identity.certificate.pem(), "device.pem")
        try write(authority.authority.certificate.pem(), "ca.pem")
        try write(Bench.pem(backEnd.gatewayKey), "gateway.pub")
        try write(Bench.pem(backEnd.operatorKey), "operator.pub")
        try configure()
    }

    deinit {
        backEnd.stop()
        broker.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    static func tls(_ authority: TestAuthority) -> Broker.TLS {
        Broker.TLS(
            anchors: authority.rootPath, certificate: authority.server.certificatePath, key: authority.server.keyPath,
            requiresCertificate: true)
    }

    var configuration: String { folder + "/martlet.conf" }

    /// Writes the configuration; `changes` replaces whole lines by their key.
    func configure(_ changes: [String: String] = [:], port: UInt16? = nil) throws {
        let lines = [
            "[device]", "id = \(Bench.id)", "[mqtt]", "host = localhost", "port = \(port ?? broker.port)", "[identity]",
            "key = device.key", "certificate = device.pem", "anchors = ca.pem", "[controllers]",
            "gateway = gateway gateway.pub", "operator = operate operator.pub", "[telemetry]", "batch-age = 0",
        ]
        let text = lines.map { line in
            changes.first { line.hasPrefix($0.key + " =") }.map { "\($0.key) = \($0.value)" } ?? line
        }
        try write(Array((text.joined(separator: "\n") + "\n").utf8), "martlet.conf")
    }

    func write(_ bytes: [UInt8], _ name: String) throws {
        let path = folder + "/" + name
        try? FileManager.default.removeItem(atPath: path)
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600])
        else { throw CocoaError(.fileWriteUnknown) }
    }

    func device() throws -> Device {
        let log = log
        return try Device(configuration: configuration, logLevel: .debug) { level, line in
            log.with { $0.append("\(level): \(line)") }
            log.notify()
        }
    }

    /// Waits for a log line that holds `text`.
    func waitForLog(_ text: String, seconds: Int64 = 20) throws {
        guard log.wait(milliseconds: seconds * 1000, for: { $0.contains { $0.contains(text) } ? true : nil }) != nil
        else { throw BackEnd.TimedOut(description: "no log line with '\(text)' in \(log.with { $0 })") }
    }

    /// The public half as PEM.
    private static func pem(_ key: PrivateKey) -> [UInt8] {
        let body = Data(key.publicKey.spki).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return Array("-----BEGIN PUBLIC KEY-----\n\(body)\n-----END PUBLIC KEY-----\n".utf8)
    }
}
