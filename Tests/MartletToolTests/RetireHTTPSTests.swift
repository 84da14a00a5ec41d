// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletPosix
import TestSupport
import Testing

/// `martlet retire` where the configuration has `[https]`.
@Suite(.timeLimit(.minutes(5))) struct RetireHTTPSTests {
    let life: Life
    let office: ExchangeOffice

    init() throws {
        let life = try Life()
        self.life = life
        let backOffice = life.backOffice
        office = try ExchangeOffice(life.authority, id: Life.id) { message in
            let topics = Topics(prefix: Array("martlet/v1".utf8).span, device: Array(Life.id.utf8).span)
            guard let topic = message.leaf.flatMap({ topics?.topic($0) }) else { return }
            _ = backOffice.linkReceived(topic: topic.span, payload: message.bytes.span, isRetained: false)
        }
    }

    /// With `[https]` and these lines, instead of the broker or beside it.
    private func configure(_ lines: [String] = [], withBroker: Bool = false) throws {
        let text = try String(contentsOf: life.directory.appending(path: "martlet.conf"), encoding: .utf8)
        let kept = text.split(separator: "\n").map(String.init).filter { line in
            withBroker || !["[mqtt]", "host", "port"].contains { line.hasPrefix($0) }
        }
        let all = kept + ["[https]", "url = \(office.url)"] + lines
        try life.put("martlet.conf", Array((all.joined(separator: "\n") + "\n").utf8))
    }

    private func expectTold() throws {
        try life.backOffice.wait("farewell") { BackOffice.farewells(&$0) > 0 ? true : nil }
        life.backOffice.state.with { state in
            #expect(BackOffice.farewells(&state) == 1 && state.refused.isEmpty)
            #expect(state.cleared == ["birth", "presence"], "before the back end bars the device")
        }
        #expect(life.files.isEmpty, "\(life.files.keys)")
        // What waits for the device is not taken, and the first exchange of a connection is an empty one.
        #expect(office.state.with { $0.requests.map(\.mark) } == [0, 0, 0, 0])
        let shown = try Plant.hex(life.identity.certificate.sha256)
        try office.waitForCertificate(shown)
        #expect(office.certificates == [shown])
    }

    @Test func `a device without a broker tells by HTTPS, and what it showed there is erased`() throws {
        try life.put("api-key", Array("a-key-of-the-owner\n".utf8))
        try life.put("other-ca.pem", life.authority.authority.certificate.pem())
        try configure(["ca = other-ca.pem", "api-key = api-key", "jwt = things"])
        let result = try life.retire()
        #expect(result.status == 0 && result.output.contains("the message was taken; if"), "\(result)")
        try expectTold()
        for (head, _) in office.state.with({ $0.requests }) {
            #expect(head.contains("X-API-Key: a-key-of-the-owner\r\n") && head.contains("Authorization: Bearer e"))
        }
        #expect(!(result.output + result.error).contains("a-key-of-the-owner"))
    }

    @Test func `a secret in another directory is left alone, and named`() throws {
        let other = URL(filePath: NSTemporaryDirectory()).appending(path: "secrets-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: other, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: other) }
        let file = other.appending(path: "api-key").path
        #expect(
            FileManager.default.createFile(
                atPath: file, contents: Data("a-key-of-the-owner\n".utf8), attributes: [.posixPermissions: 0o600]))
        try configure(["api-key = \(file)"])
        let result = try life.retire()
        #expect(result.status == 0 && result.output.contains("left alone, since it may be anybody's: \(file)\n"))
        #expect(FileManager.default.contents(atPath: file) == Data("a-key-of-the-owner\n".utf8))
        try expectTold()
    }

    @Test func `where the broker is away it is said, and told by HTTPS`() throws {
        try configure(withBroker: true)
        life.broker.stop()
        let result = try life.retire(["--json"])
        #expect(result.status == 0, "\(result)")
        try expectTold()
        let steps = try result.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
        }
        #expect(steps.map { $0["step"] } == ["https", "notice", "begun", "done"])
        #expect(steps[0]["detail"]?.hasPrefix("the broker: ") == true, "\(steps)")
    }

    @Test func `a broker whose back end is away is not the only way`() throws {
        try configure(withBroker: true)
        // Nobody listens to events there.
        life.backOffice.stop()
        let result = try life.retire()
        #expect(result.status == 0 && result.output.contains("tries HTTPS instead: the broker has nobody"), "\(result)")
        try expectTold()
    }

    @Test func `a broker that serves is enough, and one that refuses is not gone around`() throws {
        try configure(withBroker: true)
        let rules = "topic read #\nuser nobody\ntopic readwrite #\n"
        let strict = try Broker(
            tls: Broker.TLS(life.authority),
            settings: ["use_identity_as_username true", "acl_file $folder/rules"], files: ["rules": rules])
        let text = try String(contentsOf: life.directory.appending(path: "martlet.conf"), encoding: .utf8)
        try life.put(
            "martlet.conf", Array(text.replacing("port = \(life.broker.port)", with: "port = \(strict.port)").utf8))
        let barred = try life.retire()
        #expect(barred.status == 1 && barred.error.contains("does not let this device"), "\(barred)")
        try life.put("martlet.conf", Array(text.utf8))
        let result = try life.retire()
        #expect(result.status == 0, "\(result)")
        #expect(office.state.with { $0.requests.isEmpty })
    }

    /// Answers to the last word, what the tool says then, and its status.
    static let refusals: [(String, [UInt8]?, UInt8, Int32)] = [
        (
            "the server does not accept this device's credentials: HTTP status 403",
            ExchangeServer.answer("403 Forbidden"), 0, 1
        ),
        (
            "the server does not accept this device's credentials: HTTP status 401",
            ExchangeServer.answer("401 Unauthorized"), 0, 1
        ),
        (
            "the server has too much to do: HTTP status 503",
            ExchangeServer.answer("503 Service Unavailable", headers: ["Retry-After: 60"]), 0, 3
        ),
        (
            "the server knows no exchange; check url in [https]: HTTP status 404",
            ExchangeServer.answer("404 Not Found"), 0, 3
        ),
        (
            "the server's answer is no exchange: check url in [https]",
            ExchangeServer.answer(type: "text/html", body: [0x83, 0x80, 0x80, 0x00]), 0, 3
        ),
        ("the connection was lost", [], 0, 3),
        ("the HTTPS server has nobody to give the message to: is the back end running?", nil, 0x10, 3),
        ("the HTTPS server does not let this device send the message", nil, 0x87, 1),
        ("the HTTPS server refused the message, code 151", nil, 0x97, 3),
    ]

    @Test("a last word that the HTTPS server does not take erases nothing", arguments: refusals)
    func refused(text: String, answer: [UInt8]?, code: UInt8, status: Int32) throws {
        try configure()
        let files = life.files
        office.state.with { state in
            state.codes[.signed(.decommission)] = code
            // Behind the first exchange, and those that clear what is kept.
            if let answer { state.scripted = [nil, nil, nil, answer, answer] }
        }
        let result = try life.retire()
        #expect(result.status == status && result.error.contains(text), "\(result)")
        #expect(result.error.contains("; where the back end knows, or cannot be told: --without-notice"))
        #expect(life.files == files && life.backOffice.farewells == 0)
        office.state.with { state in
            state.codes = [:]
            state.scripted = []
        }
        #expect(try life.retire().status == 0)
        #expect(life.files.isEmpty)
    }

    @Test("QTA-03 a server that says when to come again is asked again then, if that is soon")
    func pause() throws {
        try configure()
        office.state.with { state in
            let later = ExchangeServer.answer("429 Too Many Requests", headers: ["Retry-After: 1"])
            state.scripted = [later, later, nil, later]
        }
        let start = ContinuousClock.now
        let result = try life.retire()
        #expect(result.status == 0, "\(result)")
        #expect(ContinuousClock.now - start >= .seconds(3))
        #expect(life.files.isEmpty && office.state.with { $0.requests.count } == 7)
    }

    @Test func `where neither broker nor server is there, both are named and nothing is erased`() throws {
        try configure(withBroker: true)
        let files = life.files
        life.broker.stop()
        office.server.stop()
        let result = try life.retire()
        #expect(result.status == 3 && result.error.contains("the broker: "), "\(result)")
        #expect(result.error.contains("; \(office.url)martlet/v1/pump-7/exchange: no connection to the server: check"))
        #expect(life.files == files && life.backOffice.farewells == 0)
        #expect(try life.retire(["--without-notice"]).status == 0)
        #expect(life.files.isEmpty)
    }

    @Test("TLS-01 a server of another authority is told nothing") func stranger() throws {
        let other = try ExchangeOffice(TestAuthority(), id: Life.id)
        try configure()
        let conf = life.directory.appending(path: "martlet.conf")
        let text = try String(contentsOf: conf, encoding: .utf8)
        try life.put("martlet.conf", Array(text.replacing(office.url, with: other.url).utf8))
        let files = life.files
        let result = try life.retire()
        #expect(result.status == 3 && result.error.contains("the server's certificate is from no anchor"), "\(result)")
        #expect(life.files == files && other.state.with { $0.requests.isEmpty })
    }

    @Test("CLK-02 the token of a board without a clock has the server's time, once that is known") func token() throws {
        try configure(["jwt = things"])
        let date = "Date: Sun, 07 Feb 2106 06:28:16 GMT"
        office.state.with { $0.scripted = [ExchangeServer.answer("401 Unauthorized", headers: [date])] }
        let result = try life.retire(before: FakeTime.command("1970-01-01 00:00:10"))
        #expect(result.status == 0, "\(result)")
        let times = try office.state.with { $0.requests.map(\.head) }.map { head -> Int in
            let token = try #require(head.components(separatedBy: "Authorization: Bearer ").dropFirst().first)
            let part = token.split(separator: ".")[1].replacing("-", with: "+").replacing("_", with: "/")
            let padded = part + String(repeating: "=", count: (4 - part.count % 4) % 4)
            let claims = try JSONSerialization.jsonObject(with: #require(Data(base64Encoded: String(padded))))
            return try #require((claims as? [String: Any])?["iat"] as? Int)
        }
        #expect(times.count == 5 && times[0] < 1 << 32)
        // The usual answers of the server have no date.
        #expect(times.dropFirst().allSatisfy { $0 == 1 << 32 }, "\(times)")
    }
}
