// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport
import Testing

/// `martlet renew` against a registrar and a broker that do their part.
@Suite(.timeLimit(.minutes(5))) struct RenewTests {
    static let requests = [
        "1 GET /.well-known/est/cacerts", "1 GET /.well-known/est/csrattrs", "1 POST /.well-known/est/simplereenroll",
    ]

    @Test func `a certificate that is due gives way to one for a new key, which the old key announces`() throws {
        let test = try RenewPlant()
        let result = try test.plant.renew().result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
        #expect(test.plant.requests == Self.requests)
        #expect(test.plant.server.output.contains("CONNECTION 1 \(Plant.id) "), "it shows the certificate it has")
        #expect(!test.plant.toldToken)
        let new = try #require(try test.credential())
        #expect(new.key.publicKey.spki != test.key.publicKey.spki)
        #expect(result.output.contains("asks the registrar: https://localhost:"))

        try test.waitForEvent()
        #expect(test.events.count == 1)
        let spki = new.key.publicKey.spki
        let digest = try SHA256().digest(spki.span)
        #expect(try test.announced(try #require(test.events.first)) == digest.indices.map { digest[$0] })

        let next = try test.plant.renew().result()
        #expect(next.status == 5 && next.output.hasPrefix("the certificate is not due before 20"), "\(next)")
        #expect(next.error.isEmpty && test.plant.requests == Self.requests)
    }

    @Test func `the request has the subject and the name of the certificate, and the key that is kept`() throws {
        let test = try RenewPlant()
        try FileManager.default.removeItem(atPath: test.plant.authority.folder.path + "/simplereenroll.run")
        try test.plant.answer("simplereenroll", status: 202, headers: ["Retry-After: 7"])
        let result = try test.plant.renew(["--wait", "0"]).result()
        #expect(result.status == 4 && result.error.contains("in 7 seconds"), "\(result)")
        try test.expectUnchanged(also: ["next.key"])
        let text = try #require(test.plant.server.output.components(separatedBy: "BODY ").last)
        let lines = text.split(separator: " ", maxSplits: 1)[1].components(separatedBy: "\nDONE")[0]
        let der = [UInt8](try #require(Data(base64Encoded: lines, options: .ignoreUnknownCharacters)))
        let request = try CertificateRequest(der: der.span)
        let pem = Array(try #require(test.plant.content("next.key")).utf8)
        #expect(request.commonName == Array(Plant.id.utf8) && request.uris == [Array(RenewPlant.name.utf8)])
        #expect(try request.publicKey.spki == PrivateKey(pem: pem.span).publicKey.spki)

        try test.plant.certifyAnything("simplereenroll")
        let next = try test.plant.renew().result()
        #expect(next.status == 0 && next.output.contains("goes on with the key"), "\(next)")
        #expect(try test.credential()?.key.publicKey.spki == request.publicKey.spki)
        try test.expectRenewed()
    }

    @Test func `the configuration may reach the directory by another name`() throws {
        let test = try RenewPlant()
        let link = test.plant.root.appending(path: "link").path
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: test.plant.directory.path)
        try test.configure(key: link + "/device.pem", certificate: "../device//device.pem")
        let result = try test.plant.renew().result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
    }

    @Test func `a credential that its owner made read-only gives way, and is erased`() throws {
        let test = try RenewPlant()
        try #require(chmod(test.plant.directory.path + "/device.pem", 0o400) == 0)
        let result = try test.plant.renew(before: Life.Tool.ordinary).result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
    }

    @Test func `a certificate that is not due is left alone, but for --now`() throws {
        let test = try RenewPlant(days: -50...50)
        let result = try test.plant.renew(["--json"]).result()
        #expect(result.status == 5 && result.output.hasPrefix("{\"step\":\"not-due\",\"detail\":\"20"), "\(result)")
        try test.expectUnchanged()
        #expect(test.plant.requests.isEmpty)
        #expect(try test.plant.renew(["--now"]).result().status == 0)
        try test.expectRenewed()
    }

    @Test func `the same key is certified again if that is asked for, and nothing is announced`() throws {
        let test = try RenewPlant()
        let result = try test.plant.renew(["--same-key"]).result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
        #expect(try test.credential()?.key.publicKey.spki == test.key.publicKey.spki)
        #expect(test.events.isEmpty)
        #expect(test.plant.requests == [Self.requests[0], Self.requests[2]], "its key was certified before")
    }

    @Test func `steps come as JSON, and no line has a key`() throws {
        let test = try RenewPlant()
        let result = try test.plant.renew(["--json"]).result()
        let steps = try result.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
        }
        #expect(steps.map { $0["step"] } == ["authorities", "key", "attributes", "renew", "issued", "try", "done"])
        for key in [test.key, try #require(try test.credential()).key] {
            for line in String(decoding: try key.pem(), as: UTF8.self).split(separator: "\n") {
                #expect(!(result.output + result.error).contains(line))
            }
        }
    }

    @Test("CLK-05 a certificate that has ended is renewed where the registrar takes it") func endedTaken() throws {
        let test = try RenewPlant(days: -100 ... -10, takesEnded: true)
        // The broker would not let it in.
        #expect(!test.brokerTakes())
        let result = try test.plant.renew().result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
        #expect(test.brokerTakes())
    }

    @Test("CLK-05 where it is not renewed, the factory certificate gets the next one, if it is this device's")
    func factory() throws {
        for id in [Plant.id, "pump-8"] {
            let test = try RenewPlant(days: -100 ... -10)
            let own = try test.plant.authority.device(id)
            let content = try own.key.pem() + own.certificate.pem()
            try test.plant.put("factory.pem", content)
            try test.plant.certifyAnything()
            let result = try test.plant.renew().result()
            let kept = try #require(test.plant.content("factory.pem"))
            #expect(Array(kept.utf8) == content)
            try FileManager.default.removeItem(at: test.plant.directory.appending(path: "factory.pem"))
            if id == Plant.id {
                #expect(result.status == 0, "\(result)")
                try test.expectRenewed()
                #expect(test.brokerTakes())
            } else {
                #expect(result.status == 1 && result.error.contains("needs-operator"), "\(result)")
                try test.expectUnchanged()
            }
        }
    }

    @Test("ROT-03 a certificate that has ended and is not renewed needs the operator, whose label then works")
    func endedRefused() throws {
        for answers in [false, true] {
            let test = try RenewPlant(days: -100 ... -10, takesEnded: answers)
            if answers {
                try FileManager.default.removeItem(atPath: test.plant.authority.folder.path + "/simplereenroll.run")
                try test.plant.answer("simplereenroll", status: 403)
            }
            let result = try test.plant.renew().result()
            #expect(
                result.status == 1 && result.error.contains("needs-operator: the certificate has ended"), "\(result)")
            #expect(!test.plant.toldToken && test.plant.hasLabel, "a label is never used without being asked for")
            try test.expectUnchanged(also: answers ? ["next.key"] : [])
        }
    }

    @Test("ROT-03 a clock that is before the certificate gives way to the registrar's, for this decision alone")
    func noClock() throws {
        let test = try RenewPlant(days: -10...90)
        let root = test.plant.authority.authority.certificate
        let wrong = FakeTime.command("1970-01-01 00:00:10")
        func answer(_ date: Int64?) throws {
            let formatter = DateFormatter()
            formatter.locale = Locale(identifier: "en_US_POSIX")
            formatter.timeZone = TimeZone(identifier: "GMT")
            formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
            let time = date.map { "Date: " + formatter.string(from: Date(timeIntervalSince1970: TimeInterval($0))) }
            try test.plant.server.answer(
                "cacerts", headers: [Plant.type] + (time.map { [$0] } ?? []), body: Plant.text([root]))
        }
        try answer(nil)
        var result = try test.plant.renew(before: wrong).result()
        #expect(result.status == 3 && result.error.contains("neither this device's clock nor"), "\(result)")
        try answer(10)
        result = try test.plant.renew(before: wrong).result()
        #expect(result.status == 3, "\(result)")
        try answer(test.certificate.notBefore + 50 * RenewPlant.day)
        result = try test.plant.renew(before: wrong).result()
        #expect(result.status == 5, "\(result)")
        try test.expectUnchanged()
        try answer(test.certificate.notBefore + 71 * RenewPlant.day)
        result = try test.plant.renew(before: wrong).result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
    }

    @Test func `an authority rolls over: its new root is taken in before anything is asked`() throws {
        let next = try TestAuthority()
        let test = try RenewPlant(broker: { old in
            // The broker has a certificate of the new root already, and takes clients of both.
            var tls = Broker.TLS(next)
            let both = try old.authority.certificate.pem() + next.authority.certificate.pem()
            tls.anchors = try old.write(both, to: "both.pem")
            return tls
        })
        let roots = [test.plant.authority.authority.certificate, next.authority.certificate]
        try test.plant.answer("cacerts", bag: roots + [next.server.certificate])
        try test.plant.certifyAnything("simplereenroll", by: next)
        let result = try test.plant.renew().result()
        #expect(result.status == 0, "\(result)")
        try test.expectRenewed()
        let text = Array(try #require(test.plant.content("anchors.pem")).utf8)
        #expect(try Certificate.all(inPEM: text.span).map { try $0.der } == roots.map { try $0.der })
        let leaf = try #require(try test.credential()).leaf
        try CertificateChain.verify(
            leaf, anchors: [next.authority.certificate], at: Int64(Date().timeIntervalSince1970), purpose: .client)
    }

    @Test func `authorities that have ended go, and no more than eight are kept`() throws {
        let test = try RenewPlant()
        let ended = try TestAuthority(rootDays: 0)
        let mine = test.plant.authority.authority.certificate
        try test.plant.put("anchors.pem", mine.pem() + ended.authority.certificate.pem())
        let others = try (1...9).map { _ in try TestAuthority().authority.certificate }
        try test.plant.answer("cacerts", bag: others)
        let result = try test.plant.renew().result()
        #expect(result.status == 0, "\(result)")
        let text = Array(try #require(test.plant.content("anchors.pem")).utf8)
        let found = try Certificate.all(inPEM: text.span).map { try $0.der }
        #expect(try found == ([mine] + others.prefix(7)).map { try $0.der })
    }

    @Test("ROT-04 two runs, or a run and onboarding, never share a directory, and a killed one leaves no lock")
    func together() throws {
        let test = try RenewPlant()
        try FileManager.default.removeItem(atPath: test.plant.authority.folder.path + "/simplereenroll.run")
        try test.plant.answer("simplereenroll", status: 202, headers: ["Retry-After: 60"])
        let first = try test.plant.renew()
        try test.plant.server.waitForOutput("POST /.well-known/est/simplereenroll", seconds: 30)
        for other in [try test.plant.renew(), try test.plant.onboard()] {
            let result = try other.result()
            #expect(result.status == 3 && result.error.contains("in use by another process"), "\(result)")
        }
        first.kill()
        #expect(try first.result().status == -1)
        try test.plant.certifyAnything("simplereenroll")
        #expect(try test.plant.renew().result().status == 0)
        try test.expectRenewed()
    }

    @Test func `the device may run meanwhile`() throws {
        let test = try RenewPlant()
        let lock = try ChildProcess(
            "flock", [test.plant.directory.path + "/martlet.lock", "sh", "-c", "echo locked; cat"])
        defer { lock.stop() }
        try lock.waitForOutput("locked")
        #expect(try test.plant.renew().result().status == 0)
    }

    @Test("ROT-03 a broker that accepts the device, and then loses it, is tried again") func lost() throws {
        let test = try RenewPlant()
        let relay = try Proxy(to: test.broker.port)
        defer { relay.stop() }
        try test.configure(port: relay.port)
        #expect(try test.plant.renew().result().status == 0)
        try test.reset()
        try test.configure(port: relay.port)
        // In the event, of more than 100 bytes; behind it come DISCONNECT and the end of TLS, of less than 100.
        relay.limit = Proxy.Limit(fromClient: relay.sent.count - 100, isForOne: true)
        relay.forget()
        let result = try test.plant.renew().result()
        #expect(result.status == 0 && relay.limitedCount == 1, "\(result)")
        try test.broker.waitForLog(" as \(Plant.id) (", times: 3)
        try test.waitForEvent(times: 2)
        #expect(test.events.count == 2, "the one that was cut is none")
        try test.expectRenewed()
    }
}
