// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletHTTPSLink
import MartletOpenSSL
import TestSupport
import Testing

/// A device that has lived: its directory with a journal, a broker with mutual TLS, and a back end that heard of it.
final class Life {
    static let id = "pump-7"

    enum Layout: CaseIterable {
        /// One file for key and certificates, as onboarding makes it.
        case one
        /// One for each, made by hand.
        case two
        /// Two files, and the journal in another directory.
        case stateElsewhere
    }

    let authority: TestAuthority
    let identity: TestAuthority.Identity
    let broker: Broker
    let backOffice: BackOffice
    let root: URL
    var directory: URL { root.appending(path: "device") }
    var state: URL { layout == .stateElsewhere ? root.appending(path: "state") : directory }
    let layout: Layout

    init(_ layout: Layout = .one, settings: [String] = []) throws {
        self.layout = layout
        authority = try TestAuthority()
        identity = try authority.device(Self.id)
        broker = try Broker(tls: Broker.TLS(authority), settings: settings)
        backOffice = try BackOffice(authority, port: broker.port)
        root = FileManager.default.temporaryDirectory.appending(path: "martlet-life-\(UUID().uuidString)")
        for folder in [root, directory] {
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        }
        if layout == .one {
            try put("device.pem", identity.key.pem() + identity.certificate.pem())
        } else {
            try put("device.key", identity.key.pem())
            try put("device.pem", identity.certificate.pem())
        }
        try put("ca.pem", authority.authority.certificate.pem())
        let elsewhere = layout == .stateElsewhere ? ["state = ../state"] : []
        let lines =
            ["[device]", "id = \(Self.id)"] + elsewhere + [
                "[mqtt]", "host = localhost", "port = \(broker.port)", "[identity]",
                "key = \(layout == .one ? "device.pem" : "device.key")",
                "certificate = device.pem", "anchors = ca.pem", "[trust]",
                "root = \(String(repeating: "0a", count: 32))",
            ]
        try put("martlet.conf", Array((lines.joined(separator: "\n") + "\n").utf8))
        let device = try self.device()
        try device.start()
        try backOffice.wait("birth") { $0.messages.isEmpty ? nil : true }
        device.stop()
    }

    deinit {
        backOffice.stop()
        try? FileManager.default.removeItem(at: root)
    }

    func device() throws -> Device {
        try Device(configuration: directory.appending(path: "martlet.conf").path, https: .libcurl)
    }

    func put(_ name: String, _ bytes: [UInt8]) throws {
        let path = directory.appending(path: name).path
        try #require(
            FileManager.default.createFile(
                atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600]))
    }

    /// What is in the device's directories, and what in it; but for the locks.
    var files: [String: Data] {
        var files: [String: Data] = [:]
        for folder in Set([directory, state]) {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] {
                if name.hasSuffix(".lock") { continue }
                files["\(folder.lastPathComponent)/\(name)"] = FileManager.default.contents(
                    atPath: folder.appending(path: name).path)
            }
        }
        return files
    }

    /// Puts everything there again.
    func restore(_ files: [String: Data]) throws {
        for name in self.files.keys { try FileManager.default.removeItem(at: root.appending(path: name)) }
        for (name, content) in files {
            try #require(
                FileManager.default.createFile(
                    atPath: root.appending(path: name).path, contents: content,
                    attributes: [.posixPermissions: 0o600]))
        }
    }

    func retire(_ more: [String] = [], id: String = Life.id, before: [String] = []) throws -> Tool.Result {
        try Tool.run(before, ["retire", "--directory", directory.path, "--id", id] + more)
    }

    func status(_ more: [String] = []) throws -> Tool.Result {
        try Tool.run([], ["status", "--directory", directory.path] + more)
    }

    /// The program as a process of its own.
    enum Tool {
        struct Result {
            /// -1: a signal ended it.
            let status: Int32
            let output: String
            let error: String
        }

        /// Before it: without the rights that root has over files.
        static let ordinary = getuid() == 0 ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] : []

        static func run(_ before: [String], _ arguments: [String]) throws -> Result {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = before + [Bundle.main.bundleURL.appending(path: "martlet").path] + arguments
            let (out, err) = (Pipe(), Pipe())
            process.standardOutput = out
            process.standardError = err
            process.standardInput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            let texts = try [out, err].map {
                String(decoding: try $0.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            }
            return Result(
                status: process.terminationReason == .exit ? process.terminationStatus : -1, output: texts[0],
                error: texts[1])
        }
    }
}
