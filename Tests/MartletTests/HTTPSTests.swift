// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import Synchronization
import TestSupport
import Testing

@testable import MartletHTTPSLink

/// The whole device over HTTPS alone, against a back end that verifies everything.
@Suite(.timeLimit(.minutes(3))) struct HTTPSTests {
    @Test func `readings arrive verified, linked and in order`() throws {
        let bench = try HTTPSBench()
        let device = try bench.device()
        try device.start()
        for value in 1...5 { try device.report("temperature", Double(value), unit: .celsius) }
        let readings = try bench.backEnd.waitFor("readings") { state in
            let all = bench.backEnd.readings(state)
            return all.count >= 5 ? all : nil
        }
        #expect(readings.map { $0.reading.value } == (1...5).map { .number(Double($0)) })
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
        #expect(device.status.connection == .connected)
        device.stop()
        #expect(device.status.waitingMessages == 0, "\(bench.logged)")
        #expect(bench.state.with { $0.faults } == [])
        // The first exchange is empty and not held; the device says goodbye.
        let first = bench.state.with { $0.requests[0].request }
        #expect(first == Exchange.Request(wait: 0, messages: [], mark: 0))
        #expect(bench.backEnd.state.with { $0.presences.map(\.isOnline) } == [true, false])
    }

    @Test func `a command is carried out while the back end holds the exchange, and its replay is refused`() throws {
        let bench = try HTTPSBench(["wait = 50"])
        let device = try bench.device()
        let interval = Mutex<Int64>(0)
        try device.onCommand("set-interval", .integer(1...3600)) { call in
            interval.withLock { $0 += call.integer(0) }
            return .doneWith([.integer(42)])
        }
        try bench.startResumed(device)
        _ = try bench.waitFor("held exchange") { $0.held > 0 ? true : nil }
        let command = try bench.backEnd.command("set-interval", [.integer(7)])
        let receipt = try bench.backEnd.receipt(for: command, seconds: 10)
        #expect(receipt.outcome == .done && receipt.results == [.integer(42)])
        bench.backEnd.publish("command", command.message)
        try bench.waitForLog("command refused: replayed")
        #expect(interval.withLock { $0 } == 7)
        device.stop()
    }

    @Test func `a reading that comes up while the back end holds an exchange ends it`() throws {
        let bench = try HTTPSBench(["wait = 50"])
        let device = try bench.device()
        try bench.startResumed(device)
        _ = try bench.waitFor("held exchange") { $0.held > 0 ? true : nil }
        try device.report("temperature", 7)
        _ = try bench.backEnd.waitFor("reading", seconds: 10) { bench.backEnd.readings($0).isEmpty ? nil : true }
        device.stop()
        // The connection that ended it costs no new judgement of certificates.
        #expect(bench.server.output.contains("CONNECTION pump-7 resumed=True"), "\(bench.server.output)")
        #expect(!bench.logged.contains { $0.contains("not connected") }, "\(bench.logged)")
    }

    @Test("CMD-03 what lost answers held comes again, and takes effect once")
    func lostAnswers() throws {
        let bench = try HTTPSBench()
        let device = try bench.device()
        let count = Mutex(0)
        try device.onCommand("count") { _ in
            count.withLock { $0 += 1 }
            return .done
        }
        try bench.startResumed(device)
        bench.state.with { $0.losses = 2 }
        let command = try bench.backEnd.command("count")
        try device.report("temperature", 7)
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).isEmpty ? nil : true }
        #expect(count.withLock { $0 } == 1)
        // The mark of an answer is told, and then nothing waits any longer.
        _ = try bench.waitFor("empty queue") { $0.queue.isEmpty ? true : nil }
        device.stop()
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
    }

    @Test func `messages that are not taken are kept, and those that never will be leave a gap`() throws {
        let bench = try HTTPSBench()
        let device = try bench.device()
        try bench.startResumed(device)
        bench.state.with { $0.codes[.signed(.telemetry)] = 0x97 }
        try device.report("temperature", 1)
        try bench.waitForLog("the broker's quota is exceeded: they are kept; next try in 1 s")
        bench.state.with { $0.codes = [:] }
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).isEmpty ? nil : true }
        bench.state.with { $0.codes[.signed(.telemetry)] = 0x95 }
        try device.report("temperature", 2)
        try bench.waitForLog("will never take a message of this size or format")
        bench.state.with { $0.codes = [:] }
        try device.report("temperature", 3)
        let gap = try bench.backEnd.waitFor("gap") { state in
            state.messages.firstNonNil { if case .gap(let gap) = $0.content { gap } else { nil } }
        }
        #expect(gap.reason == .refused && gap.readings == 1)
        device.stop()
    }

    @Test func `an exchange that is too large for the server is sent again with half as many messages`() throws {
        let bench = try HTTPSBench()
        let device = try bench.device()
        try bench.startResumed(device)
        bench.state.with { $0.codes[.signed(.telemetry)] = 0x97 }
        for value in 1...8 { try device.report("temperature", Double(value)) }
        try bench.waitForLog("the broker's quota is exceeded")
        bench.state.with { state in
            state.codes = [:]
            state.limit = 2
        }
        let readings = try bench.backEnd.waitFor("readings") { state in
            let all = bench.backEnd.readings(state)
            return all.count >= 8 ? all : nil
        }
        #expect(readings.count == 8)
        device.stop()
        let counts = bench.state.with { $0.requests.map { $0.request.messages.count } }
        #expect(counts.contains { $0 > 2 }, "\(counts)")
        #expect(!bench.logged.contains { $0.contains("not connected") }, "\(bench.logged)")
    }

    @Test func `a server that gives up what comes by HTTP/2 is asked by HTTP/1.1`() throws {
        let bench = try HTTPSBench(givesUpHTTP2: true)
        let device = try bench.device()
        try bench.startResumed(device)
        try bench.server.waitForOutput("HTTP/2\n")
        #expect(bench.server.output.components(separatedBy: "HTTP/2\n").count == 2)
        #expect(bench.logged.contains { $0.contains("the server gave up the request") }, "\(bench.logged)")
        // The connection is lost, and so is that of libcurl's own second try: HTTP/2 is offered again.
        bench.state.with { state in
            state.scripted = [[], []]
            state.limit = 2
        }
        try bench.waitForLog("the connection was lost")
        for value in 1...8 { try device.report("temperature", Double(value)) }
        // Whether libcurl has an answer then depends on what it does at that moment.
        let readings = try bench.backEnd.waitFor("readings") { state in
            let all = bench.backEnd.readings(state)
            return all.count >= 8 ? all : nil
        }
        #expect(readings.map { $0.reading.value } == (1...8).map { .number(Double($0)) })
        device.stop()
        #expect(device.status.waitingMessages == 0)
        try bench.server.waitForOutput("TOO LARGE\n")
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty && bench.state.with { $0.faults } == [])
    }

    @Test(
        "QTA-03 a server that says when to come again is left alone until then",
        arguments: ["429 Too Many Requests", "503 Service Unavailable"])
    func retryAfter(status: String) throws {
        let bench = try HTTPSBench()
        let device = try bench.device()
        try bench.startResumed(device)
        let refusal = ExchangeServer.answer(status, type: "text/html", headers: ["Retry-After: 3"])
        bench.state.with { $0.scripted = [refusal] }
        try device.report("temperature", 1)
        try bench.waitForLog("the server has too much to do: HTTP status \(status.prefix(3)); next try in ")
        let refused = Date()
        let before = bench.state.with { $0.requests.count }
        _ = try bench.waitFor("next request") { $0.requests.count > before ? true : nil }
        #expect(Date().timeIntervalSince(refused) > 2.5)
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).isEmpty ? nil : true }
        device.stop()
    }

    @Test func `a token and a key are shown, read anew for each connection, and never logged`() throws {
        let bench = try HTTPSBench(["wait = 2", "bearer = token", "api-key = key"])
        let (token, key) = ("first-token-\(UUID().uuidString)", "key-\(UUID().uuidString)")
        try bench.write(Array("\(token)\n".utf8), "token")
        try bench.write(Array(key.utf8), "key")
        let device = try bench.device()
        try bench.startResumed(device)
        let head = bench.state.with { $0.requests[0].head }
        #expect(head.contains("\r\nAuthorization: Bearer \(token)\r\n"))
        #expect(head.contains("\r\nX-API-Key: \(key)"))
        try bench.write(Array("second\n".utf8), "token")
        bench.state.with { $0.scripted = [ExchangeServer.answer("401 Unauthorized", type: "text/html")] }
        try bench.waitForLog("the server does not accept this device's credentials: HTTP status 401")
        _ = try bench.waitFor("the other token") { state in
            state.requests.contains { $0.head.contains("Bearer second\r\n") } ? true : nil
        }
        device.stop()
        for secret in [token, key, "Bearer"] { #expect(!bench.logged.contains { $0.contains(secret) }) }
    }

    @Test(arguments: [KeyKind.p256, .ed25519])
    func `a token that the device signs names device and audience, and ends after five minutes`(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let token = try DeviceToken(key, name: Array("urn:dev:mac:1".utf8), audience: Array("https://a/\"\\".utf8))
        let parts = try String(decoding: token.issue(1_800_000_000), as: UTF8.self).split(separator: ".")
        #expect(parts.count == 3)
        let decoded = try parts.map { part -> Data in
            let text = part.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
            return try #require(Data(base64Encoded: text + String(repeating: "=", count: (4 - text.count % 4) % 4)))
        }
        let header = try JSONSerialization.jsonObject(with: decoded[0]) as? [String: String]
        #expect(header == ["alg": kind == .p256 ? "ES256" : "EdDSA", "typ": "JWT"])
        let claims = try #require(JSONSerialization.jsonObject(with: decoded[1]) as? [String: Any])
        #expect(claims["iss"] as? String == "urn:dev:mac:1" && claims["sub"] as? String == "urn:dev:mac:1")
        #expect(claims["aud"] as? String == "https://a/\"\\")
        #expect(claims["iat"] as? Int == 1_800_000_000 && claims["exp"] as? Int == 1_800_000_300)
        #expect((claims["jti"] as? String)?.count == 22 && claims.count == 6)
        let message = Array((parts[0] + "." + parts[1]).utf8)
        let signature = decoded[2]
        #expect(signature.count == 64)
        let bytes = InlineArray<64, UInt8> { signature[$0] }
        let isGood = key.publicKey.verifies(bytes, message.span, digest: try SHA256().digest(message.span))
        #expect(isGood)
    }

    @Test("CLK-04 a server whose certificate has not begun brings time, and no command before that")
    func provisional() throws {
        let bench = try HTTPSBench(notBefore: 20 * 3600)
        bench.backEnd.state.with { state in
            state.answersBirths = false
            state.time = UInt64(Date().timeIntervalSince1970) + 22 * 3600
        }
        let device = try bench.device()
        try device.onCommand("count") { _ in .done }
        try device.start()
        try bench.waitForLog("connected; the server's certificate waits for trusted time")
        _ = try bench.backEnd.command("count")
        try bench.waitForLog("command refused: the server's certificate waits for trusted time")
        try bench.backEnd.answerBirth()
        try bench.waitForLog("time is trusted")
        let command = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        #expect(!bench.logged.contains { $0.contains("not connected") }, "\(bench.logged)")
        device.stop()
    }

    @Test("CLK-04 a server whose certificate has not begun at the time that it brings is left")
    func notYetValid() throws {
        let bench = try HTTPSBench(notBefore: 20 * 3600)
        let device = try bench.device()
        try device.start()
        try bench.waitForLog("the server's certificate is not valid at the trusted time")
        try bench.waitForLog("the server's certificate is not valid yet: is this device's clock right?")
        device.stop()
    }

    @Test("CLK-02 a token has the server's time as long as the device has none")
    func tokenTime() throws {
        let bench = try HTTPSBench(["wait = 2", "jwt = https://localhost/"])
        let date = "Date: Sun, 07 Feb 2106 06:28:16 GMT"
        let refusal = ExchangeServer.answer("401 Unauthorized", headers: [date])
        bench.state.with { $0.scripted = [refusal] }
        let device = try bench.device()
        try bench.startResumed(device)
        device.stop()
        let tokens = bench.state.with { $0.requests.map { $0.head } }.prefix(2).map { head -> [String: Any]? in
            guard let range = head.range(of: "Authorization: Bearer ") else { return nil }
            let part = head[range.upperBound...].split(separator: ".")[1]
            let text = part.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
            let padded = text + String(repeating: "=", count: (4 - text.count % 4) % 4)
            return Data(base64Encoded: padded)
                .flatMap { try? JSONSerialization.jsonObject(with: $0) } as? [String: Any]
        }
        let own = try #require(tokens[0]?["iat"] as? Int)
        #expect(abs(own - Int(Date().timeIntervalSince1970)) < 100)
        let other = try #require(tokens[1]?["iat"] as? Int)
        #expect((1 << 32..<(1 << 32) + 100).contains(other))
    }

    /// Answers after which what was sent comes again, and what is said about them.
    static let badAnswers: [(String, [UInt8], String)] = {
        let noExchange = "the server's answer is no exchange: check url in [https]"
        let endless = "HTTP/1.1 200 OK\r\nContent-Type: application/cbor\r\nTransfer-Encoding: chunked\r\n\r\n"
        return [
            (
                "redirect", ExchangeServer.answer("302 Found", headers: ["Location: https://localhost:1/"]),
                "the server redirects, which is never followed; check url in [https]: HTTP status 302"
            ),
            (
                "forbidden", ExchangeServer.answer("403 Forbidden"),
                "the server does not accept this device's credentials: HTTP status 403"
            ),
            (
                "not found", ExchangeServer.answer("404 Not Found"),
                "the server knows no exchange; check url in [https]: HTTP status 404"
            ),
            (
                "trouble", ExchangeServer.answer("500 Internal Server Error"),
                "the server does not take the exchange: HTTP status 500"
            ),
            (
                "no content", ExchangeServer.answer("204 No Content"),
                "the server does not take the exchange: HTTP status 204"
            ),
            ("page", ExchangeServer.answer(type: "text/html", body: bytes(hex: "83808000")), noExchange),
            ("other type", ExchangeServer.answer(type: "application/cborx", body: bytes(hex: "83808000")), noExchange),
            ("nothing", ExchangeServer.answer(), noExchange),
            (
                "wrong count",
                ExchangeServer.answer(body: bytes(hex: "83 98 28" + String(repeating: "00", count: 40) + "80 00")),
                noExchange
            ),
            ("trailing byte", ExchangeServer.answer(body: bytes(hex: "8380800000")), noExchange),
            ("no leaf text", ExchangeServer.answer(body: bytes(hex: "8380818201 40 00")), noExchange),
            (
                "too large", ExchangeServer.answer(body: [UInt8](repeating: 0, count: 65_537)),
                "the server's answer is too large"
            ),
            (
                "endless", Array(endless.utf8) + Array("40000000\r\n".utf8) + [UInt8](repeating: 0, count: 1 << 20),
                "the server's answer is too large"
            ),
            ("no HTTP", Array("SSH-2.0-OpenSSH_9.2\r\n\r\n".utf8), "the server does not speak HTTP"),
            (
                "stops",
                Array("HTTP/1.1 200 OK\r\nContent-Type: application/cbor\r\nContent-Length: 4\r\n\r\n".utf8) + [0x83],
                "the server did not answer in time"
            ),
        ]
    }()

    @Test("TLS-05 an answer that is no exchange is named, and what was sent comes again", arguments: badAnswers)
    func badAnswer(name: String, answer: [UInt8], text: String) throws {
        let bench = try HTTPSBench()
        let device = try bench.device()
        try bench.startResumed(device)
        bench.state.with { $0.scripted = [answer] }
        try device.report("temperature", 7)
        try bench.waitForLog("warning: not connected: \(bench.url)martlet/v1/pump-7/exchange: \(text); next try in ")
        let readings = try bench.backEnd.waitFor("reading") { state in
            let all = bench.backEnd.readings(state)
            return all.isEmpty ? nil : all
        }
        #expect(readings.count == 1)
        device.stop()
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
        #expect(bench.state.with { $0.faults } == [])
    }

    @Test("CMD-03 NET-01 HTTPS takes over when the broker is away, and gives back; a command takes effect once")
    func failover() throws {
        let bench = try HTTPSBench(["wait = 2", "failover = 1"], withBroker: true)
        let device = try bench.device()
        let count = Mutex(0)
        try device.onCommand("count") { _ in
            count.withLock { $0 += 1 }
            return .done
        }
        try bench.startResumed(device)
        #expect(bench.state.with { $0.requests.isEmpty })
        bench.proxy?.refusing = true
        bench.proxy?.cut()
        _ = try bench.waitFor("exchange") { $0.requests.isEmpty ? nil : true }
        let command = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        try device.report("temperature", 1)
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).count == 1 ? true : nil }

        bench.proxy?.refusing = false
        try bench.waitForLog("the broker can be reached again")
        try bench.waitForLog("info: connected", times: 3)
        let exchanges = bench.state.with { $0.requests.count }
        try device.report("temperature", 2)
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).count == 2 ? true : nil }
        // The broker has the command as well.
        bench.backEnd.publish("command", command.message)
        try bench.waitForLog("command refused: replayed")
        #expect(count.withLock { $0 } == 1)
        #expect(bench.state.with { $0.requests.count } == exchanges)
        device.stop()
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
    }

    @Test("QTA-03 looking for the broker while HTTPS serves leaves half of an hour's connections")
    func countedAttempts() throws {
        func hour() -> Int { Int(Date().timeIntervalSince1970) / 3600 }
        var (begin, counts) = (0, [Int]())
        // With an hour the count begins anew.
        repeat {
            begin = hour()
            do { counts = try connectionCounts() } catch  where hour() != begin { continue }
        } while hour() != begin
        // One before the time was known, and so in another hour; of four more one was to HTTPS.
        #expect(counts == [1 + 3, 1 + 3])
    }

    /// At the broker: when it is looked for no longer, and after more was said by HTTPS.
    private func connectionCounts() throws -> [Int] {
        let bench = try HTTPSBench(
            ["wait = 2", "failover = 1", "[quota]", "connections-per-hour = 8"], withBroker: true)
        let proxy = try #require(bench.proxy)
        let device = try bench.device()
        try bench.startResumed(device)
        proxy.refusing = true
        proxy.cut()
        try bench.waitForLog("the broker is looked for later", seconds: 90)
        let count = proxy.connectionCount
        proxy.refusing = false
        try device.report("temperature", 1)
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).count == 1 ? true : nil }
        device.stop()
        return [count, proxy.connectionCount]
    }

    @Test func `a proxy makes the tunnel, and gets no credentials`() throws {
        let proxy = try TunnelProxy()
        defer { proxy.stop() }
        let bench = try HTTPSBench(["wait = 2", "proxy = http://127.0.0.1:\(proxy.port)", "api-key = key"])
        try bench.write(Array("a-key-for-the-server-alone".utf8), "key")
        let device = try bench.device()
        try device.start()
        try device.report("temperature", 1, unit: .celsius)
        _ = try bench.backEnd.waitFor("readings") { bench.backEnd.readings($0).first }
        device.stop()
        #expect(device.status.waitingMessages == 0 && bench.state.with { $0.faults } == [])
        let heads = proxy.heads
        #expect(!heads.isEmpty && heads.allSatisfy { $0.hasPrefix("CONNECT localhost:\(bench.server.port) HTTP/1.1") })
        #expect(!heads.contains { $0.lowercased().contains("key") || $0.lowercased().contains("auth") })
        #expect(bench.state.with { $0.requests.allSatisfy { $0.head.contains("a-key-for-the-server-alone") } })
    }

    @Test(arguments: ["HTTP/1.1 403 Forbidden", "HTTP/1.1 407 Proxy Authentication Required", nil])
    func `a proxy that refuses, or is not there, is named`(refusal: String?) throws {
        let proxy = try refusal.map { try TunnelProxy(refusal: $0) }
        defer { proxy?.stop() }
        let bench = try HTTPSBench(["proxy = http://127.0.0.1:\(proxy?.port ?? 1)"])
        let device = try bench.device()
        try device.start()
        let status = refusal?.split(separator: " ")[1]
        try bench.waitForLog(
            status.map { "the proxy refuses the tunnel: HTTP status \($0)" } ?? "the proxy is not reached")
        device.stop()
        #expect(bench.state.with { $0.requests.isEmpty })
    }

    @Test func `a program without HTTPS says so`() throws {
        let bench = try HTTPSBench()
        let error = #expect(throws: MartletError.self) { _ = try bench.device(https: nil) }
        #expect(error?.code == .configuration)
        #expect(error?.message.hasSuffix(": this program was built without HTTPS") == true)
    }
}

/// The device against servers it must not talk to.
@Suite(.timeLimit(.minutes(5))) struct HTTPSServerTests {
    @Test(
        "TLS-01 a bad server is named for what it is, and is told nothing, also through a proxy",
        arguments: BadServer.all.filter(\.isRefusedNow), [false, true])
    func badServer(server: BadServer, isProxied: Bool) throws {
        let proxy = isProxied ? try TunnelProxy() : nil
        defer { proxy?.stop() }
        let way = proxy.map { ["proxy = http://127.0.0.1:\($0.port)"] } ?? []
        let folder = try DeviceFolder(TestAuthority(rootDays: server.rootDays))
        let output = try server.run(folder.authority) { port in
            let lines = folder.lines.filter { line in !["[mqtt]", "host", "port"].contains { line.hasPrefix($0) } }
            try folder.configure(lines: lines + ["[https]", "url = https://\(server.host):\(port)"] + way)
            let device = try folder.device()
            try device.report("secret-reading", 1)
            try device.start()
            defer { device.stop(flushing: 0) }
            try folder.waitForLog(": \(server.exchangeText); next try in ", seconds: 60)
            #expect(!folder.logged.contains { $0.contains(": connected") }, "\(folder.logged)")
        }
        #expect(!output.contains("POST") && !output.contains("martlet/v1") && !output.contains("secret-reading"))
    }
}

extension Array {
    fileprivate func firstNonNil<Result>(_ body: (Element) -> Result?) -> Result? {
        for element in self { if let result = body(element) { return result } }
        return nil
    }
}
