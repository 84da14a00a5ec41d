// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MartletController
import Testing

@testable import martlet_gateway

/// The verbs of `trust`, in a gateway's directory of its own.
@Suite final class TrustTests {
    private let path = NSTemporaryDirectory() + "gateway-" + UUID().uuidString
    private let trust: TrustFiles

    init() throws {
        try Self.run("init", "--directory", path)
        trust = try TrustFiles(GatewayDirectory(path: path))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private static func run(_ arguments: String...) throws { try run(arguments) }

    private static func run(_ arguments: [String]) throws {
        var command = try Gateway.parseAsRoot(arguments)
        try command.run()
    }

    /// `trust …` in this directory.
    private func run(_ arguments: String...) throws {
        try Self.run(["trust"] + arguments + ["--directory", path])
    }

    /// Makes a key pair NAME.key and NAME.pub.
    private func makeKey(_ name: String) throws -> String {
        let key = try PrivateKey.generate(.ed25519)
        let place = try GatewayDirectory(path: path)
        try place.create("\(name).key", key.pem())
        try place.create("\(name).pub", key.publicKey.pem())
        return "\(path)/\(name)"
    }

    private func controller(_ name: String) throws -> TrustDocument.Controller? {
        try trust.document().controllers.first { $0.name == Array("urn:martlet:\(name)".utf8) }
    }

    private func rules(_ role: String) throws -> [TrustDocument.Rule] {
        try trust.document().policy.first { $0.name == Array(role.utf8) }?.rules ?? []
    }

    @Test func `init makes a root, and a document that trusts gateway and operator`() throws {
        let document = try trust.document()
        #expect(document.version == 1 && document.threshold == 1 && document.roots.count == 1)
        #expect(try controller("gateway")?.roles == [Array("gateway".utf8)])
        #expect(try controller("operator")?.roles == [Array("operate".utf8)])
        #expect(
            document.words.hasSuffix(
                """
                operate may send
                  identify, also while suspended
                  log-level ("error" or "warning" or "info" or "debug"), also while suspended
                  read-now, 30 in 60 s
                  set-interval (1 to 86400)
                """))
    }

    @Test func `a device is given the newest document and a root that signed it`() throws {
        try run("deny", "operate", "read-now")
        try Self.run("device", "add", "pump-7", "--port", "8883", "--directory", path)
        let folder = try GatewayDirectory(path: path + "/devices/pump-7")
        #expect(try folder.read("trust.cbor") == trust.message(2))
        let root = try fingerprint(try trust.document().roots[0])
        let text = try folder.text("martlet.conf")
        let configuration = try #require(text)
        #expect(configuration.contains("\n[trust]\nroot = \(root)\ndocument = trust.cbor\n"))
    }

    @Test func `controllers come, change their key and go, each in a version of its own`() throws {
        let (first, second) = (try makeKey("first"), try makeKey("second"))
        try run("add", "technician", first + ".pub", "--role", "service", "--role", "operate")
        #expect(try controller("technician")?.roles == [Array("service".utf8), Array("operate".utf8)])
        #expect(try controller("technician")?.key == TrustName.key(first + ".pub"))
        try run("rotate", "technician", second + ".pub")
        #expect(try controller("technician")?.key == TrustName.key(second + ".pub"))
        try run("revoke", "technician")
        #expect(try controller("technician") == nil)
        #expect(try trust.newest() == 4 && trust.document().version == 4)
    }

    @Test func `rules come, are replaced, and go`() throws {
        try run("allow", "service", "reboot", "--while-suspended")
        #expect(
            try rules("service") == [TrustDocument.Rule(command: Array("reboot".utf8), whileSuspended: true)])
        try run(
            "allow", "service", "reboot", "--rate", "2/3600", "--argument", "-0.5..2.5", "--argument", "any",
            "--argument", "now,later")
        #expect(
            try rules("service") == [
                TrustDocument.Rule(
                    command: Array("reboot".utf8), rate: TrustDocument.Rate(count: 2, seconds: 3600),
                    arguments: [
                        [.number(-0.5), .number(2.5)], [], [.text(Array("now".utf8)), .text(Array("later".utf8))],
                    ])
            ])
        try run("deny", "service", "reboot")
        #expect(try rules("service").isEmpty)
    }

    @Test("CMD-08 roots change only with the signatures that devices will ask for")
    func roots() throws {
        let second = try makeKey("second")
        let root = path + "/root.key"
        #expect(throws: Failure.self) { try run("roots", "--add", second + ".pub", "--threshold", "2") }
        #expect(throws: Failure.self) {
            try run("roots", "--add", second + ".pub", "--threshold", "2", "--key", second + ".key")
        }
        #expect(throws: Failure.self) { try run("roots", "--threshold", "2") }
        #expect(try trust.newest() == 1)
        try run("roots", "--add", second + ".pub", "--threshold", "2", "--key", root, "--key", second + ".key")
        #expect(try trust.document().roots.count == 2 && trust.document().threshold == 2)
        #expect(throws: Failure.self) { try run("deny", "operate", "read-now") }
        #expect(throws: Failure.self) { try run("deny", "operate", "read-now", "--key", root, "--key", root) }
        try run("deny", "operate", "read-now", "--key", root, "--key", second + ".key")
        try run(
            "roots", "--remove", path + "/root.pub", "--threshold", "1", "--key", root, "--key", second + ".key")
        // A new device is pinned to the root that is left.
        #expect(try trust.first().root == TrustName.key(second + ".pub"))
    }

    @Test(arguments: [
        ["add", "a b", "operator.pub", "--role", "operate"], ["add", "x", "operator.pub", "--role", "operate"],
        ["add", "x", "root.pub", "--role", "operate"], ["add", "x", "ca.pem", "--role", "operate"],
        ["add", "x", "new.pub", "--role", "Operate"], ["add", "x", "new.pub"], ["revoke", "nobody"],
        ["rotate", "nobody", "new.pub"], ["rotate", "operator", "gateway.pub"], ["rotate", "operator", "nowhere.pub"],
        ["allow", "gateway", "reboot"], ["allow", "operate", "Reboot"],
        ["allow", "operate", "reboot", "--rate", "0/1"],
        ["allow", "operate", "reboot", "--rate", "1"], ["allow", "operate", "reboot", "--argument", "5..1"],
        ["allow", "operate", "reboot", "--argument", "a..b"], ["deny", "operate", "reboot"], ["deny", "nobody", "x"],
        ["roots"], ["roots", "--threshold", "0"], ["roots", "--threshold", "2"], ["roots", "--remove", "root.pub"],
        ["roots", "--remove", "operator.pub"], ["roots", "--add", "operator.pub"], ["roots", "--add", "root.pub"],
        ["deny", "operate", "read-now", "--key", "operator.key"], ["deny", "operate", "read-now", "--key", "root.pub"],
    ])
    func `what devices would not take is not made`(arguments: [String]) throws {
        _ = try makeKey("new")
        let isFile = { (word: String) in [".pub", ".key", ".pem"].contains { word.hasSuffix($0) } }
        let words = arguments.map { isFile($0) ? "\(path)/\($0)" : $0 }
        #expect(throws: (any Error).self) { try Self.run(["trust"] + words + ["--directory", path]) }
        #expect(try trust.newest() == 1)
    }
}
