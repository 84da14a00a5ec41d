// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletPosix
import TestSupport
import Testing

/// `martlet renew` where the configuration has `[https]`.
@Suite(.timeLimit(.minutes(5))) struct RenewHTTPSTests {
    let test: RenewPlant
    let office: ExchangeOffice

    init() throws {
        test = try RenewPlant()
        office = try ExchangeOffice(test.plant.authority, id: Plant.id)
    }

    private func configure(
        _ other: RenewPlant? = nil, withBroker: Bool = false, brokerPort: UInt16? = nil, url: String? = nil
    ) throws {
        let plant = (other ?? test).plant
        let text = try #require(plant.content("martlet.conf"))
        let kept = text.split(separator: "\n").map(String.init).filter { line in
            withBroker || !["[mqtt]", "host", "port"].contains { line.hasPrefix($0) }
        }
        .map { line in line.hasPrefix("port") ? brokerPort.map { "port = \($0)" } ?? line : line }
        let all = kept + ["[https]", "url = \(url ?? office.url)"]
        try plant.put("martlet.conf", Array((all.joined(separator: "\n") + "\n").utf8))
    }

    /// The new certificate was shown, and the old key announced the new one.
    private func expectAnnounced() throws {
        try test.expectRenewed()
        let new = try #require(try test.credential())
        let shown = try Plant.hex(new.leaf.sha256)
        try office.waitForCertificate(shown)
        #expect(office.certificates == [shown])
        let messages = office.state.with { $0.messages }
        #expect(messages.map(\.leaf) == [.signed(.event)])
        let spki = new.key.publicKey.spki
        let digest = try SHA256().digest(spki.span)
        #expect(try test.announced(try #require(messages.first?.bytes)) == digest.indices.map { digest[$0] })
        #expect(office.state.with { $0.requests.map(\.mark) } == [0, 0])
    }

    @Test func `without a broker the new certificate is tried by HTTPS, and the old key announces the new one`() throws
    {
        try configure()
        let result = try test.plant.renew().result()
        #expect(result.status == 0, "\(result)")
        try expectAnnounced()
        #expect(test.events.isEmpty)
    }

    @Test func `where the broker is away the new certificate is tried by HTTPS`() throws {
        try configure(withBroker: true)
        test.broker.stop()
        let result = try test.plant.renew(["--json"]).result()
        #expect(result.status == 0, "\(result)")
        try expectAnnounced()
        let steps = try result.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])["step"]
        }
        #expect(steps == ["authorities", "key", "attributes", "renew", "issued", "try", "https", "done"])
    }

    @Test func `a broker that serves is enough`() throws {
        try configure(withBroker: true)
        let result = try test.plant.renew().result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
        try test.waitForEvent()
        #expect(office.state.with { $0.requests.isEmpty })
    }

    @Test func `the same key is tried by an exchange that is empty`() throws {
        try configure()
        let result = try test.plant.renew(["--same-key"]).result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
        #expect(office.state.with { $0.requests.count == 1 && $0.messages.isEmpty })
    }

    @Test("ROT-03 what the HTTPS server refuses is erased if it takes the certificate before", arguments: [401, 403])
    func refused(status: Int) throws {
        try configure()
        let refusal = ExchangeServer.answer("\(status) No", headers: ["Date: Mon, 23 Nov 2026 08:00:00 GMT"])
        office.state.with { $0.scripted = [refusal, refusal, refusal] }
        let result = try test.plant.renew().result()
        #expect(result.status == 1 && result.error.contains("HTTP status \(status)"), "\(result)")
        try test.expectUnchanged()
        // It may learn of a device a moment later.
        #expect(office.state.with { $0.requests.count } == 3 + 1 && office.state.with { $0.messages.isEmpty })
        let old = try #require(try test.credential())
        try office.waitForCertificate(try Plant.hex(old.leaf.sha256))
    }

    @Test(
        "ROT-03 what is refused to the certificate before as well is no fault of the next one", arguments: [401, 403])
    func refusedToBoth(status: Int) throws {
        try configure()
        office.state.with { $0.always = ExchangeServer.answer("\(status) No") }
        let result = try test.plant.renew().result()
        #expect(result.status == 1 && result.error.contains("HTTP status \(status)"), "\(result)")
        try test.expectUnchanged(also: ["next.pem"])
    }

    @Test("ROT-03 where the certificate before has ended, the next one that is refused is erased")
    func refusedAfterEnd() throws {
        let other = try RenewPlant(days: -80...(-1), takesEnded: true)
        let office = try ExchangeOffice(other.plant.authority, id: Plant.id)
        try configure(other, url: office.url)
        office.state.with { $0.always = ExchangeServer.answer("403 No") }
        let result = try other.plant.renew().result()
        #expect(result.status == 1 && result.error.contains("HTTP status 403"), "\(result)")
        try other.expectUnchanged()
    }

    @Test("ROT-03 a certificate that the broker took is not refused by what HTTPS says")
    func taken() throws {
        try configure(withBroker: true)
        test.endListener()
        office.state.with { $0.always = ExchangeServer.answer("401 No") }
        let result = try test.plant.renew().result()
        #expect(result.status == 3 && result.error.contains("HTTP status 401"), "\(result)")
        try test.expectUnchanged(also: ["next.pem"])
        #expect(office.state.with { $0.requests.count } == 1)
    }

    /// A fatal alert, access_denied; and no word at all.
    @Test(
        "ROT-03 who cuts before a broker has proved itself refuses nothing: HTTPS is tried",
        arguments: [[0x15, 3, 3, 0, 2, 2, 49], []] as [[UInt8]])
    func cut(word: [UInt8]) throws {
        let listener = try LoopbackListener()
        try configure(withBroker: true, brokerPort: listener.port)
        let isOver = Guarded(false)
        let cutting = try MartletPosix.Thread {
            while let client = try? listener.accept(seconds: 60), !isOver.with({ $0 }) {
                // Of ClientHello.
                _ = try? client.read(5)
                try? client.write(word)
                if word.isEmpty { client.reset() } else { client.end() }
            }
        }
        let result = try test.plant.renew().result()
        isOver.with { $0 = true }
        _ = try LoopbackSocket(connectingTo: listener.port)
        cutting.join()
        #expect(result.status == 0, "\(result)")
        try expectAnnounced()
    }

    @Test func `a server that gives up requests by HTTP/2 is asked by HTTP/1.1`() throws {
        let office = try ExchangeOffice(test.plant.authority, id: Plant.id, givesUpHTTP2: true)
        try configure(url: office.url)
        let result = try test.plant.renew().result()
        #expect(result.status == 0, "\(result)")
        #expect(office.state.with { $0.messages.map(\.leaf) } == [.signed(.event)])
    }

    @Test("ROT-03 while neither is there the next certificate waits, and the next run goes on with it")
    func away() throws {
        try configure(withBroker: true)
        test.broker.stop()
        office.state.with { $0.always = ExchangeServer.answer("503 Service Unavailable") }
        let result = try test.plant.renew().result()
        #expect(result.status == 3 && result.error.contains("the broker: "), "\(result)")
        #expect(result.error.contains("exchange: the server has too much to do: HTTP status 503"), "\(result)")
        try test.expectUnchanged(also: ["next.pem"])
        office.state.with { state in
            state.always = nil
            state.requests = []
        }
        let requests = test.plant.requests
        let next = try test.plant.renew().result()
        #expect(next.status == 0 && next.output.contains("of an earlier run"), "\(next)")
        try expectAnnounced()
        #expect(test.plant.requests == requests)
    }
}
