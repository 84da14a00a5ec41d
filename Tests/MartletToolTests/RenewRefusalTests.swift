// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport
import Testing

/// Renewals that must not be: the credential stays as it is.
@Suite(.timeLimit(.minutes(5))) struct RenewRefusalTests {
    struct Wrong: Sendable, CustomTestStringConvertible {
        let name: String
        var status: Int32 = 1
        /// What the device says.
        let text: String
        let make: @Sendable (RenewPlant) throws -> Void
        var testDescription: String { name }
    }

    /// The registrar has no program: it answers by a file.
    private static func issued(
        _ name: String, _ text: String, _ bag: @escaping @Sendable (RenewPlant) throws -> [Certificate]
    )
        -> Wrong
    {
        Wrong(name: name, text: text) { test in
            try test.plant.answer("simplereenroll", bag: bag(test))
        }
    }

    private static func status(_ status: Int, _ text: String, exit: Int32 = 1, _ headers: [String] = []) -> Wrong {
        Wrong(name: "\(status)", status: exit, text: text) { test in
            try test.plant.answer("simplereenroll", status: status, headers: headers)
        }
    }

    /// For the key that the device is given as its next one.
    private static func device(
        _ test: RenewPlant, id: String = Plant.id, name: String = RenewPlant.name
    ) throws -> Certificate {
        let key = try PrivateKey.generate(.p256)
        try test.plant.put("next.key", Array("id = \(Plant.id)\n".utf8) + key.pem())
        let authority = test.plant.authority
        return try authority.authority.issueDevice(
            key.publicKey, commonName: id, uri: name, notBefore: authority.notBefore, notAfter: authority.notAfter)
    }

    static let table: [Wrong] = [
        status(401, "refused the token or certificate"), status(403, "does not allow it"),
        status(404, "no such service"), status(501, "HTTP status 501"),
        status(302, "sends elsewhere", ["Location: https://localhost/"]),
        status(202, "in 3600 seconds", exit: 4, ["Retry-After: 1000000000"]),
        status(503, "in 3600 seconds", exit: 4, ["Retry-After: 4000"]),
        status(429, "in 3600 seconds", exit: 4, ["Retry-After: 4000"]),
        issued("another key", "not for this device's key") { [try $0.plant.authority.device(Plant.id).certificate] },
        issued("another id", "common name is not") { [try device($0, id: "pump-8")] },
        issued("another device's name", "exactly one URI") { [try device($0, name: "urn:dev:mac:0024befffe804ff2")] },
        issued("the certificate of before", "not for this device's key") { [$0.certificate] },
        issued("an authority that nobody vouched for", "not from an authority that is trusted here") { test in
            let certificate = try device(test)
            let other = try TestAuthority()
            let issued = try other.authority.issueDevice(
                certificate.publicKey, commonName: Plant.id, uri: RenewPlant.name, notBefore: other.notBefore,
                notAfter: other.notAfter)
            return [issued, other.authority.certificate]
        },
        Wrong(name: "no PKCS #7", text: "no certificates that can be read") {
            try $0.plant.server.answer("simplereenroll", headers: [Plant.type], body: "AQID")
        },
        Wrong(name: "authorities that cannot be read", text: "no certificates that can be read") {
            try $0.plant.server.answer("cacerts", headers: [Plant.type], body: "AQID")
        },
        Wrong(name: "no authorities", text: "no such service") { try $0.plant.answer("cacerts", status: 404) },
    ]

    @Test("ROT-03 a bad answer of the registrar changes nothing", arguments: table) func refused(_ wrong: Wrong) throws
    {
        let test = try RenewPlant()
        try FileManager.default.removeItem(atPath: test.plant.authority.folder.path + "/simplereenroll.run")
        try wrong.make(test)
        let result = try test.plant.renew().result()
        #expect(result.status == wrong.status && result.error.contains(wrong.text), "\(result)")
        #expect(!result.error.contains("needs-operator"))
        try test.expectUnchanged(also: test.plant.files.filter { $0 == "next.key" })
        #expect(test.brokerTakes() && test.events.isEmpty)
        // And the way is free.
        try test.plant.answer("cacerts", bag: [test.plant.authority.authority.certificate])
        try test.plant.certifyAnything("simplereenroll")
        #expect(try test.plant.renew().result().status == 0)
        try test.expectRenewed()
    }

    @Test func `the same certificate again is none, with the same key`() throws {
        let test = try RenewPlant()
        try FileManager.default.removeItem(atPath: test.plant.authority.folder.path + "/simplereenroll.run")
        try test.plant.answer("simplereenroll", bag: [test.certificate])
        let result = try test.plant.renew(["--same-key"]).result()
        #expect(result.status == 1 && result.error.contains("that the device has already"), "\(result)")
        try test.expectUnchanged()
    }

    /// The registrar's new authority is one that the broker does not know.
    @Test("ROT-01 a credential that the broker refuses never takes the place of the one before") func brokerRefuses()
        throws
    {
        let test = try RenewPlant()
        let other = try TestAuthority()
        try test.plant.answer("cacerts", bag: [other.authority.certificate])
        try test.plant.certifyAnything("simplereenroll", by: other)
        for round in 1...2 {
            let result = try test.plant.renew().result()
            #expect(result.status == 1 && result.error.contains("the broker"), "\(result)")
            try test.expectUnchanged()
            #expect(test.brokerTakes() && test.events.isEmpty)
            #expect(test.plant.requests.count == 3 * round, "the next run asks for another one")
        }
        try test.plant.certifyAnything("simplereenroll")
        #expect(try test.plant.renew().result().status == 0)
        try test.expectRenewed()
        #expect(test.brokerTakes())
    }

    @Test("ROT-03 a broker that is away keeps the next credential waiting, which is not asked for again")
    func noBroker()
        throws
    {
        let test = try RenewPlant()
        test.broker.stop()
        for _ in 1...2 {
            let result = try test.plant.renew().result()
            #expect(result.status == 3 && result.error.contains("the broker"), "\(result)")
            try test.expectUnchanged(also: ["next.pem"])
        }
        #expect(test.plant.requests == RenewTests.requests)
        try test.broker.start()
        let heard = try ChildProcess(
            "stdbuf",
            [
                "-oL", "mosquitto_sub", "-d", "-h", "127.0.0.1", "--insecure", "-p", "\(test.broker.port)", "--cafile",
                test.plant.authority.rootPath, "--cert", test.plant.authority.folder.path + "/back-end.pem", "--key",
                test.plant.authority.folder.path + "/back-end.key", "-t", "#", "-q", "1",
            ])
        try heard.waitForOutput("Subscribed", seconds: 10)
        let result = try test.plant.renew().result()
        #expect(result.status == 0 && result.output.contains("goes on with the certificate"), "\(result)")
        #expect(test.plant.requests == RenewTests.requests)
        try test.expectRenewed()
        heard.stop()
    }

    @Test func `a registrar without TLS, of another name, or of another authority is told nothing`() throws {
        let test = try RenewPlant()
        let plain = try TCPServer(.bytes(Array("HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\n\r\n".utf8)))
        defer { plain.stop() }
        try test.configure(registrar: "localhost:\(plain.port)")
        var result = try test.plant.renew().result()
        #expect(result.status == 1 && result.error.contains("TLS"), "\(result)")
        #expect(!String(decoding: plain.received, as: UTF8.self).contains("GET"))

        try test.configure(registrar: "127.0.0.2:\(test.plant.server.port)")
        result = try test.plant.renew().result()
        #expect(result.status != 0 && result.status != 5, "\(result)")

        try test.configure()
        try test.plant.put("anchors.pem", TestAuthority().authority.certificate.pem())
        result = try test.plant.renew().result()
        #expect(result.status == 1 && result.error.contains("not from an authority that is trusted here"), "\(result)")
        #expect(test.plant.requests.isEmpty)
    }

    @Test func `a configuration that cannot be renewed by is told, with what to do`() throws {
        let test = try RenewPlant()
        try test.configure(registrar: nil)
        var result = try test.plant.renew().result()
        #expect(result.status == 2 && result.error.contains("add [enrolment] with registrar"), "\(result)")
        try test.configure(registrar: "http://localhost")
        result = try test.plant.renew().result()
        #expect(result.status == 2 && result.error.contains("the registrar is host, host:port"), "\(result)")
        try test.configure(key: "device.key")
        try test.plant.put("device.key", test.key.pem())
        result = try test.plant.renew().result()
        #expect(result.status == 2 && result.error.contains("a credential changes as one file"), "\(result)")
        try test.configure()
        try test.plant.put("device.pem", test.certificate.pem())
        result = try test.plant.renew().result()
        #expect(result.status == 2 && result.error.contains("holds no private key"), "\(result)")
        try test.plant.put("device.pem", test.key.pem() + test.plant.authority.device("pump-8").certificate.pem())
        result = try test.plant.renew().result()
        #expect(result.status == 2 && result.error.contains("does not begin with the certificate"), "\(result)")
        let other = try test.plant.authority.device("pump-8")
        try test.plant.put("device.pem", other.key.pem() + other.certificate.pem())
        result = try test.plant.renew().result()
        #expect(
            result.status == 2 && result.error.contains("is not of the device that martlet.conf names"), "\(result)")
        try FileManager.default.removeItem(at: test.plant.directory.appending(path: "martlet.conf"))
        result = try test.plant.renew().result()
        #expect(result.status == 2 && result.error.contains("martlet.conf: open: No such file"), "\(result)")
        #expect(test.plant.requests.isEmpty)
        for arguments in [["--wait"], ["--wait", "x"], ["pump-7"], ["--directory"]] {
            #expect(try test.plant.renew(arguments).result().status == 2)
        }
    }
}
