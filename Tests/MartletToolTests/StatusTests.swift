// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletCOSE
import MartletEnrolment
import MartletOpenSSL
import TestSupport
import Testing

/// `martlet status`
@Suite(.timeLimit(.minutes(5))) struct StatusTests {
    /// The JSON object that it prints, and its exit status.
    private func json(_ directory: URL, before: [String] = []) throws -> (object: [String: Any], status: Int32) {
        let result = try Life.Tool.run(before, ["status", "--directory", directory.path, "--json"])
        let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return (try #require(object, "\(result)"), result.status)
    }

    private func date(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    }

    @Test(arguments: Life.Layout.allCases) func `what a device has is told, and no secret`(_ layout: Life.Layout) throws
    {
        let life = try Life(layout)
        let files = life.files
        let (object, status) = try json(life.directory)
        let leaf = life.identity.certificate
        #expect(status == 0 && object["state"] as? String == "onboarded", "\(object)")
        #expect(object["id"] as? String == Life.id && object["name"] as? String == "urn:dev:mac:0024befffe804ff1")
        #expect(object["begins"] as? String == date(leaf.notBefore) && object["ends"] as? String == date(leaf.notAfter))
        let due = RenewalTime.due(
            notBefore: leaf.notBefore, notAfter: leaf.notAfter, fingerprint: .init(try leaf.sha256))
        #expect(object["renewal"] as? String == date(due))
        let spki = life.identity.key.publicKey.spki
        let hash = Plant.hex(try SHA256().digest(spki.span))
        #expect(object["key"] as? String == String(hash.prefix(16)))
        #expect(object["root"] as? String == String(repeating: "0a", count: 32))
        #expect(object["broker"] as? String == "localhost:\(life.broker.port)")
        let authorities = try #require(object["authorities"] as? [[String: String]])
        #expect(
            authorities == [
                ["name": "Martlet test root", "ends": date(life.authority.authority.certificate.notAfter)]
            ])
        #expect(object["running"] as? Bool == false && (object["problems"] as? [String])?.isEmpty == true)

        let table = try life.status()
        #expect(table.status == 0)
        for line in [
            "state:      onboarded\n", "id:         pump-7\n", "key:        \(hash.prefix(16))\n", "running:    no\n",
        ] {
            #expect(table.output.contains(line), "\(table.output)")
        }
        let key = String(decoding: try life.identity.key.pem(), as: UTF8.self)
        for secret in key.split(separator: "\n").dropFirst().dropLast() { #expect(!table.output.contains(secret)) }
        #expect(life.files == files)
    }

    @Test func `a device that runs is seen, and not disturbed`() throws {
        let life = try Life()
        let device = try life.device()
        try device.start()
        defer { device.stop() }
        for _ in 0..<5 {
            let (object, status) = try json(life.directory)
            #expect(status == 0 && object["running"] as? Bool == true)
        }
        #expect(throws: MartletError.self) { try life.device() }
    }

    @Test func `each state has its name`() throws {
        let plant = try Plant()
        try plant.makeDirectory()
        func state() throws -> [String] {
            let (object, status) = try json(plant.directory)
            return [try #require(object["state"] as? String), "\(status)"]
        }
        #expect(try state() == ["factory", "1"])
        try plant.answer("simpleenroll", status: 202, headers: ["Retry-After: 7"])
        #expect(try plant.onboard(["--wait", "0"]).result().status == 4)
        #expect(try state() == ["pending", "1"])
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        #expect(try state() == ["onboarded", "0"])
        #expect(try json(plant.directory).object["registrar"] as? String == "localhost:\(plant.server.port)")
        try plant.put("next.key", Array("x".utf8))
        #expect(try state() == ["renewing", "0"])
        let later = try json(plant.directory, before: FakeTime.command("2099-01-01 00:00:00"))
        #expect(later.object["state"] as? String == "expired" && later.status == 1)
        // No clock is no end.
        let never = try json(plant.directory, before: FakeTime.command("1970-01-01 00:00:10"))
        #expect(never.object["state"] as? String == "renewing" && never.status == 0)
        try FileManager.default.moveItem(
            at: plant.directory.appending(path: "device.pem"), to: plant.directory.appending(path: "retired.pem"))
        #expect(try state() == ["retiring", "1"])
    }

    /// What is wrong, and a word of what is said of it.
    static let damages: [(name: String, word: String)] = [
        ("martlet.conf", "unknown key"), ("device.pem", "private key"), ("ca.pem", "PEM certificates"),
        ("mode", "chmod"),
        ("key", "not the key of"), ("missing", "No such file"), ("configuration", "martlet.conf is missing"),
    ]

    @Test(arguments: damages.indices) func `what is damaged is named, and the rest told`(_ index: Int) throws {
        let (name, word) = Self.damages[index]
        let life = try Life(name == "key" ? .two : .one)
        let file = life.directory.appending(path: "device.pem").path
        switch name {
        case "mode": chmod(file, 0o644)
        case "key": try life.put("device.key", PrivateKey.generate(.p256).pem())
        case "missing": try FileManager.default.removeItem(atPath: file)
        case "configuration": try FileManager.default.removeItem(at: life.directory.appending(path: "martlet.conf"))
        case "martlet.conf": try life.put(name, Array("[device]\nid = pump-7\nkind = x\n".utf8))
        default: try life.put(name, Array("x".utf8))
        }
        let (object, status) = try json(life.directory)
        let problems = try #require(object["problems"] as? [String])
        #expect(status == 1 && object["state"] as? String == "damaged", "\(object)")
        #expect(problems.contains { $0.contains(word) }, "\(problems)")
        if !["martlet.conf", "configuration"].contains(name) { #expect(object["id"] as? String == Life.id) }
        if ["mode", "ca.pem", "key"].contains(name) { #expect(object["ends"] is String) }
    }

    /// A line of the configuration, what stands in its place, and a word of what is said of it.
    static let settings: [(old: String, new: String, word: String)] = [
        ("host = localhost", "host = a..b", "neither a DNS name nor an IP address: a..b"),
        ("[trust]", "[https]\n[trust]", "add url to [https]"),
        ("[trust]", "[https]\nurl = https://a..b/\n[trust]", "the server's name a..b"),
        ("[trust]", "[https]\nurl = https://localhost/\nbearer = none\n[trust]", "/none: open: No such file"),
        ("[trust]", "[https]\nurl = https://localhost/\nca = none\n[trust]", "/none: open: No such file"),
        ("[mqtt]", "state = none/state\n[mqtt]", "/none/state: cannot be made"),
        ("[mqtt]", "state = device.pem\n[mqtt]", "/device.pem: Not a directory"),
        ("[mqtt]", "state = new/\n[mqtt]", ""),
    ]

    @Test(arguments: settings.indices) func `a device is onboarded if it starts with what its configuration says`(
        _ index: Int
    ) throws {
        let (old, new, word) = Self.settings[index]
        let life = try Life()
        let text = try String(contentsOf: life.directory.appending(path: "martlet.conf"), encoding: .utf8)
        try life.put("martlet.conf", Array(text.replacing(old, with: new).utf8))
        let files = life.files
        let (object, status) = try json(life.directory)
        #expect(life.files == files)
        let isGood = word.isEmpty
        #expect(status == (isGood ? 0 : 1) && object["state"] as? String == (isGood ? "onboarded" : "damaged"))
        let problems = try #require(object["problems"] as? [String])
        #expect(isGood ? problems.isEmpty : problems.contains { $0.contains(word) }, "\(problems)")
        #expect((try? life.device().stop()) != nil || !isGood)
        if !isGood { #expect(throws: MartletError.self) { try life.device() } }
    }

    @Test func `a device without a directory is as it left the factory`() throws {
        let (object, status) = try json(URL(filePath: "/nowhere/at/all"))
        #expect(status == 1 && object["state"] as? String == "factory", "\(object)")
        #expect(object["running"] as? Bool == false && (object["problems"] as? [String])?.isEmpty == true)
    }

    @Test func `where there is no word of a directory, or it is none, there is no status`() throws {
        #expect(try Life.Tool.run([], ["status"]).status == 2)
        #expect(try Life.Tool.run([], ["status", "--directory", "/dev/null"]).status == 3)
        #expect(try Life.Tool.run([], ["status", "--directory", "/tmp", "--all"]).status == 2)
    }
}
