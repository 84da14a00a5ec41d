// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletMessages
import MartletOpenSSL
import TestSupport
import Testing

/// Printable ASCII, and the ellipsis of what was cut off: nothing that moves a cursor or turns text around.
func isClean(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { (0x20...0x7e).contains($0.value) || $0 == "…" }
}

/// What others say never reaches the log as it is, and no secret ever does.
@Suite(.timeLimit(.minutes(5))) struct LogTests {
    /// A new line that looks like one of ours, a colour, a title, a bell, C1, and text from right to left.
    static let hostile = "\n error: \u{1b}[31m\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{2066}\u{200f}"

    /// MQTT 5 properties: a reason string.
    private static func reason(_ text: String) -> [UInt8] {
        let text = Array(text.utf8)
        return [UInt8(text.count + 3), 0x1f, 0, UInt8(text.count)] + text
    }

    private static func packet(_ type: UInt8, _ body: [UInt8]) -> [UInt8] { [type, UInt8(body.count)] + body }

    private static func publish(_ topic: String) -> [UInt8] {
        let topic = Array(topic.utf8)
        return packet(0x30, [0, UInt8(topic.count)] + topic + [0] + Array(hostile.utf8))
    }

    private static let accepted: [UInt8] = [0x20, 0x03, 0x00, 0x00, 0x00]
    /// U+202E is the one of them that the broker's text may hold.
    private static let turned = "\u{202e}\u{2066}turned"

    @Test(
        "LOG-01 nothing that a broker says reaches the log as it is",
        arguments: [
            ([packet(0x20, [0, 0x87] + reason(turned))], "the broker refused the connection, code 135"),
            ([packet(0x20, [0, 0x87] + reason(hostile))], "not connected: "),
            (
                [accepted, packet(0x90, [0, 1] + reason(turned) + [1, 1, 0x87])],
                "the broker refuses the subscription to commands: code 135"
            ),
            (
                [accepted, publish("martlet/v1/pump-7/\(turned)"), packet(0xe0, [0x8b] + reason(turned))],
                "the broker ended the connection, code 139"
            ),
            (
                [
                    accepted, publish(hostile), publish("martlet/v1/pump-7/command"),
                    packet(0xe0, [0x8b] + reason(hostile)),
                ], "not connected: "
            ),
            (
                [accepted, publish("martlet/v1/pump-7/command"), publish("martlet/v1/pump-7/resume"), [0xf0, 0]],
                "command refused: not an envelope"
            ),
        ])
    func hostileBroker(packets: [[UInt8]], text: String) throws {
        let folder = try DeviceFolder(TestAuthority())
        let server = try ScriptedTLSServer(folder.authority.server)
        defer { server.stop() }
        try folder.configure(["port": "\(server.port)"])
        let device = try folder.device()
        try device.start()
        try server.waitForOutput("MQTT")
        for packet in packets { server.write(packet) }
        try folder.waitForLog(text)
        try folder.waitForLog("not connected: ")
        device.stop(flushing: 0)
        for line in folder.logged { #expect(isClean(line)) }
    }

    @Test("LOG-01 LOG-02 a whole run at the finest level logs no secret and nothing raw")
    func wholeRun() throws {
        let bench = try Bench(throughProxy: true)
        let device = try bench.device()
        try device.onCommand("say", .text(maximumLength: 200)) { call in .doneWith([.text(Array(call.text(0).utf8))]) }
        try bench.startResumed(device)
        try device.report("text", Self.hostile)
        let command = try bench.backEnd.command("say", [.text(Array(Self.hostile.utf8))])
        #expect(try bench.backEnd.receipt(for: command).results == [.text(Array(Self.hostile.utf8))])
        let unknown = try bench.backEnd.command("unknown", [.text(Array(Self.hostile.utf8))])
        #expect(try bench.backEnd.receipt(for: unknown).outcome == .unknownCommand)
        for bytes in [Array(Self.hostile.utf8), [], [0xd2], [UInt8](repeating: 0x81, count: 9000), command.message] {
            bench.backEnd.publish("command", bytes)
            bench.backEnd.publish("resume", bytes)
        }
        try bench.waitForLog("command refused: replayed")
        bench.proxy?.cut()
        try bench.waitForLog("info: connected", times: 2)
        device.stop()

        var lines = bench.logged
        // And its errors.
        for (name, content) in [
            ("device.pem", try bench.authority.device(DeviceFolder.id).certificate.pem()),
            ("device.pem", try bench.identity.key.pem()), ("trust.cbor", try bench.identity.key.pem()),
            ("martlet.conf", try bench.identity.key.pem()),
        ] {
            try bench.write(content, name)
            lines.append(#expect(throws: MartletError.self) { _ = try bench.device() }?.message ?? "")
        }
        let canaries = try Canaries(bench.identity.key).all
        #expect(lines.count > 10)
        for line in lines {
            #expect(isClean(line))
            for secret in canaries { #expect(!line.contains(secret)) }
        }
    }

    @Test("LOG-02 the canaries would be found", arguments: [KeyKind.p256, .ed25519])
    func canaries(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let pem = String(decoding: try key.pem(), as: UTF8.self)
        let body = pem.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
        let der = try #require(Data(base64Encoded: body))
        let canaries = try Canaries(key).all
        for text in [pem, hex(der), der.map { String($0) }.joined(separator: ", ")] {
            #expect(canaries.contains { text.contains($0) })
        }
    }
}
