// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Testing

@testable import martlet_gateway

@Suite final class NewDirectoryTests {
    private let path = NSTemporaryDirectory() + "gateway-" + UUID().uuidString
    private var place: String { path + "/place" }
    private var working: String { path + "/.place.new" }

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private func run(_ arguments: String...) throws {
        var command = try Gateway.parseAsRoot(arguments)
        try command.run()
    }

    private func names(_ path: String) throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: path))
    }

    @Test func `what an interrupted init left is named, and how to go on`() throws {
        try FileManager.default.createDirectory(atPath: working, withIntermediateDirectories: false)
        let failure = #expect(throws: Failure.self) { try self.run("init", "--directory", self.place) }
        #expect(failure?.description.contains("remove it (rm -r \(working)) and try again") == true)
        #expect(try names(path) == [".place.new"])
        try FileManager.default.removeItem(atPath: working)
        try run("init", "--directory", place + "/")
        #expect(try names(path) == ["place"])
        #expect(try names(place).isSuperset(of: ["ca.key", "ca.pem", "trust", "mosquitto.acl", "operator.key"]))
    }

    @Test func `wrong arguments leave nothing behind`() throws {
        #expect(throws: Failure.self) { try self.run("init", "--directory", self.place, "--address", "300.1.1.1") }
        #expect(try names(path) == [])
        try run("init", "--directory", place)
        try Data("x".utf8).write(to: URL(filePath: place + "/ca.pem"))
        #expect(throws: Failure.self) {
            try self.run("device", "add", "pump-7", "--port", "1", "--directory", self.place)
        }
        #expect(try names(place + "/devices") == [])
    }

    @Test func `an empty directory is taken, and nothing is ever overwritten`() throws {
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        try run("init", "--directory", place)
        let key = try Data(contentsOf: URL(filePath: place + "/ca.key"))
        #expect(throws: Failure.self) { try self.run("init", "--directory", self.place) }
        #expect(try Data(contentsOf: URL(filePath: place + "/ca.key")) == key)
        try run("device", "add", "pump-7", "--port", "8883", "--directory", place)
        #expect(throws: Failure.self) {
            try self.run("device", "add", "pump-7", "--port", "1", "--directory", self.place)
        }
        #expect(
            try names(place + "/devices/pump-7") == [
                "device.pem", "anchors.pem", "trust.cbor", "martlet.conf",
            ])
        #expect(try names(place + "/devices") == ["pump-7"])
    }

    @Test func `below a parent that may not be written, a directory inside is the way`() {
        // Nobody makes directories there, not even root.
        let failure = #expect(throws: Failure.self) {
            try NewDirectory.make("/sys/place", "a gateway") { _ in Issue.record("begun") }
        }
        #expect(failure?.description.hasPrefix("/sys/place: mkdir in /sys: ") == true)
        #expect(failure?.description.hasSuffix(Self.advice) == true)
    }

    /// Only root may mount.
    @Test(.enabled(if: getuid() == 0)) func `in the place of a mount point, a directory inside is the way`() throws {
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        try #require(mount("none", place, "tmpfs", 0, nil) == 0)
        defer { umount2(place, Int32(MNT_DETACH)) }
        let failure = #expect(throws: Failure.self) { try NewDirectory.make(self.place, "a gateway") { _ in } }
        #expect(failure?.description.hasSuffix("busy: \(Self.advice)") == true)
        #expect(try names(path) == ["place"])
        try NewDirectory.make(place + "/inside", "a gateway") { _ in }
    }

    private static let advice = "if this directory is there and yours, name a directory inside it"

    @Test(arguments: [".", "..", "/", "", "a/.", "nowhere/place"])
    func `a place where nothing can be made is refused`(place: String) {
        #expect(throws: Failure.self) { try NewDirectory.make(place, "a gateway") { _ in Issue.record("begun") } }
    }

    @Test func `a broker that ended is never signalled again`() throws {
        try run("init", "--directory", place)
        let broker = try Broker(GatewayDirectory(path: place), listen: "127.0.0.1", port: nil)
        let process = try #require(broker.server.process)
        #expect(broker.server.isRunning)
        kill(process, SIGKILL)
        let end = Date(timeIntervalSinceNow: 20)
        while broker.server.isRunning && Date() < end { usleep(1000) }
        // Its id is free for others now.
        #expect(!broker.server.isRunning && broker.server.process == nil)
        broker.stop()
    }
}
