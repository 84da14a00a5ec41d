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

    private func configure(withBroker: Bool = false) throws {
        let text = try #require(test.plant.content("martlet.conf"))
        let kept = text.split(separator: "\n").map(String.init).filter { line in
            withBroker || !["[mqtt]", "host", "port"].contains { line.hasPrefix($0) }
        }
        let all = kept + ["[https]", "url = \(office.url)"]
        try test.plant.put("martlet.conf", Array((all.joined(separator: "\n") + "\n").utf8))
    }

    /// The new certificate was shown, and the old key announced the new one.
    private func expectAnnounced() throws {
        try test.expectRenewed()
        let new = try #require(try test.credential())
        let shown = try Plant.hex(new.leaf.sha256)
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

    @Test("ROT-03 what the HTTPS server refuses is erased, and the certificate stays", arguments: [401, 403])
    func refused(status: Int) throws {
        try configure()
        office.state.with { $0.always = ExchangeServer.answer("\(status) No") }
        let result = try test.plant.renew().result()
        #expect(result.status == 1 && result.error.contains("HTTP status \(status)"), "\(result)")
        try test.expectUnchanged()
        #expect(office.state.with { $0.requests.count } == 3, "it may learn of a device a moment later")
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
