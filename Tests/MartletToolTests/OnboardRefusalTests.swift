// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport
import Testing

/// What `martlet onboard` must not accept.
@Suite(.timeLimit(.minutes(5))) struct OnboardRefusalTests {
    /// A registrar that does something wrong.
    struct Wrong: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let status: Int32
        let text: String
        /// Whether it is one that may be shown the token.
        var isTrusted = true
        var identity: @Sendable (TestAuthority) throws -> TestAuthority.Identity = { $0.server }
        let make: @Sendable (Plant) throws -> Void
    }

    private static func issued(
        _ name: String, _ text: String, _ make: @escaping @Sendable (Plant) throws -> [Certificate]
    ) -> Wrong {
        Wrong(testDescription: name, status: 1, text: text) { plant in
            try plant.answer("simpleenroll", bag: make(plant))
        }
    }

    private static func answered(
        _ name: String, status: Int32 = 1, _ text: String, _ make: @escaping @Sendable (Plant) throws -> Void
    ) -> Wrong {
        Wrong(testDescription: name, status: status, text: text, make: make)
    }

    private static func stranger(
        _ name: String, _ text: String,
        identity: @escaping @Sendable (TestAuthority) throws -> TestAuthority.Identity = { $0.server },
        _ make: @escaping @Sendable (Plant) throws -> Void
    ) -> Wrong {
        Wrong(testDescription: name, status: 1, text: text, isTrusted: false, identity: identity, make: make)
    }

    /// A certificate that the SDK does not issue, for the key that the device is given. An empty change leaves it out.
    private static func forged(
        _ plant: Plant, _ changes: [String: String] = [:], id: String = Plant.id, clock: String? = nil
    ) throws -> [Certificate] {
        let extensions = OnboardTests.extensions.compactMap { line -> String? in
            let key = String(line.prefix { $0 != "=" })
            guard let change = changes[key] else { return line }
            return change.isEmpty ? nil : "\(key)=\(change)"
        }
        let files = try plant.authority.forge(commonName: id, extensions: extensions, clock: clock)
        try plant.put("pending.key", OnboardTests.read(files.key))
        return try OnboardTests.certificates(files.certificate)
    }

    private static func device(_ plant: Plant, of authority: TestAuthority? = nil) throws -> Certificate {
        let device = try (authority ?? plant.authority).device(Plant.id)
        try plant.use(device.key)
        return device.certificate
    }

    static let table: [Wrong] = [
        // Whoever it is, it is not the label's registrar: nothing but one GET is sent.
        stranger("another authority", "not the label's registrar") { plant in
            try plant.answer("cacerts", bag: [TestAuthority().authority.certificate])
        },
        stranger("no authority", "no certificates that can be read") { try $0.answer("cacerts", bag: []) },
        stranger("authorities that are no PKCS #7", "no certificates that can be read") {
            try $0.server.answer("cacerts", headers: [Plant.type], body: "AQID")
        },
        stranger("authorities with a byte behind", "no certificates that can be read") { plant in
            let der = try CertificateBag.der([plant.authority.authority.certificate]) + [0]
            try plant.server.answer("cacerts", headers: [Plant.type], body: Data(der).base64EncodedString())
        },
        stranger("too many authorities", "no certificates that can be read") { plant in
            try plant.answer(
                "cacerts", bag: (1...17).map { _ in try TestAuthority().authority.certificate })
        },
        stranger("authorities that are no base64", "is not base 64") {
            try $0.server.answer("cacerts", headers: [Plant.type], body: "<html>")
        },
        stranger("authorities of more than 64 KiB", "too large") {
            try $0.server.answer("cacerts", headers: [Plant.type], body: String(repeating: "A", count: 70_000))
        },
        stranger("a redirect before it is known", "sends elsewhere") {
            try $0.answer("cacerts", status: 302, headers: ["Location: https://localhost/"])
        },
        stranger("nothing below the path", "no such service") { try $0.answer("cacerts", status: 404) },
        stranger(
            "another name", "not for the name that it is asked by",
            identity: { try $0.server(names: ["other.example"]) },
            { _ in }),
        stranger(
            "an expired certificate", "has expired",
            identity: { try $0.server(notBefore: $0.notBefore, notAfter: $0.notBefore + 3600) }, { _ in }),
        stranger("another authority's certificate", "not from an authority that is trusted here") { plant in
            let other = try TestAuthority().authority.certificate
            try plant.set("ca", Plant.hex(other.sha256))
            try plant.answer("cacerts", bag: [other])
        },

        // It is the registrar, but the request would be refused, or what it demands is not clear.
        stranger("RSA is demanded", "which is P-256: 1.2.840.113549.1.1.1 (RSA)") {
            try $0.demand([0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01])
        },
        stranger("P-384 is demanded", "another curve than this device's, which is P-256: 1.3.132.0.34 (P-384)") {
            try $0.demand([0x30, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22])
        },
        stranger("attributes that are no list", "attributes cannot be read") { try $0.demand([0x30, 0x01]) },
        stranger("attributes of another type", "of another type") {
            try $0.server.answer("csrattrs", headers: [Plant.type], body: "MAA=")
        },
        stranger("attributes that are elsewhere", "sends elsewhere") {
            try $0.answer("csrattrs", status: 302, headers: ["Location: https://localhost/"])
        },

        // The registrar says no.
        answered("401", "refused the token") { try $0.answer("simpleenroll", status: 401) },
        answered("403", "does not allow it") { try $0.answer("simpleenroll", status: 403) },
        answered("404", "no such service") { try $0.answer("simpleenroll", status: 404) },
        answered("501", "HTTP status 501") { try $0.answer("simpleenroll", status: 501) },
        answered("204", "HTTP status 204") { try $0.answer("simpleenroll", status: 204) },
        answered("a redirect", "sends elsewhere") {
            try $0.answer("simpleenroll", status: 307, headers: ["Location: https://localhost:\($0.server.port)/a"])
        },
        answered("later than may be waited", status: 4, "in 3600 seconds") {
            try $0.answer("simpleenroll", status: 202, headers: ["Retry-After: 1000000000"])
        },
        answered("busy", status: 4, "in 3600 seconds") {
            try $0.answer("simpleenroll", status: 503, headers: ["Retry-After: 4000"])
        },
        answered("broken", status: 4, "in 3600 seconds") {
            try $0.answer("simpleenroll", status: 502, headers: ["Retry-After: 4000"])
        },

        // What it sends is no answer.
        answered("another content type", "of another type") { plant in
            let body = try Plant.text([device(plant)])
            try plant.server.answer("simpleenroll", headers: ["Content-Type: application/pkix-cert"], body: body)
        },
        answered("no base64", "is not base 64") {
            try $0.server.answer("simpleenroll", headers: [Plant.type], body: "-----BEGIN PKCS7-----")
        },
        answered("no PKCS #7", "no certificates that can be read") {
            try $0.server.answer("simpleenroll", headers: [Plant.type], body: "AQID")
        },
        answered("more than 64 KiB", "too large") {
            try $0.server.answer("simpleenroll", headers: [Plant.type], body: String(repeating: "A", count: 70_000))
        },
        answered("no HTTP", "does not speak HTTP") { try $0.server.answer("simpleenroll", with: "SSH-2.0-x\r\n\r\n") },
        answered("a body that is cut off", status: 3, "ended before the answer was complete") { plant in
            let body = try Plant.text([device(plant)])
            try plant.server.answer(
                "simpleenroll",
                with: "HTTP/1.1 200 OK\r\n\(Plant.type)\r\nContent-Length: \(body.utf8.count + 1)\r\n\r\n\(body)")
            _ = try plant.authority.write(Array("cut".utf8), to: "simpleenroll.then")
        },

        // What it issues is not this device's certificate.
        issued("another key", "it is not for this device's key") { [try $0.authority.device(Plant.id).certificate] },
        issued("two for the key", "more than one") { plant in
            let key = try PrivateKey.generate(.p256)
            try plant.use(key)
            return try (1...2).map { _ in
                try plant.authority.authority.issueDevice(
                    key.publicKey, commonName: Plant.id, uri: "urn:dev:os:32473-1",
                    notBefore: plant.authority.notBefore, notAfter: plant.authority.notAfter)
            }
        },
        issued("another id", "common name is not") { try forged($0, id: "pump-8") },
        issued("no URI", "exactly one URI") { try forged($0, ["subjectAltName": ""]) },
        issued("two URIs", "exactly one URI") {
            try forged($0, ["subjectAltName": "URI:urn:dev:os:32473-1,URI:urn:dev:os:32473-2"])
        },
        issued("a URI that is no device's", "exactly one URI") {
            try forged($0, ["subjectAltName": "URI:https://pump-7"])
        },
        issued("a name that is too long", "URN has more than 128 bytes") {
            try forged($0, ["subjectAltName": "URI:urn:dev:os:32473-\(String(repeating: "x", count: 120))"])
        },
        issued("an authority", "that of an authority") { try forged($0, ["basicConstraints": "critical,CA:TRUE"]) },
        issued("a key that may not sign", "must not sign") {
            try forged($0, ["keyUsage": "critical,keyAgreement"])
        },
        issued("a server's", "not for a TLS client") { try forged($0, ["extendedKeyUsage": "serverAuth"]) },
        issued("another authority's", "not from an authority that is trusted here") {
            [try device($0, of: TestAuthority())]
        },
        issued("one that has ended", "has expired") { try forged($0, clock: "2 years ago") },
        issued("an authority that nobody asked for", "it is not for this device's key") {
            [$0.authority.authority.certificate]
        },
    ]

    @Test("OB-02 a bad answer is refused for its own reason, and nothing is stored", arguments: table)
    func refused(_ wrong: Wrong) throws {
        let plant = try Plant(wrong.identity)
        try wrong.make(plant)
        let result = try plant.onboard().result()
        #expect(result.status == wrong.status, "\(result.error)")
        #expect(result.error.hasPrefix("martlet: ") && result.error.contains(wrong.text), "\(result.error)")
        #expect(plant.toldToken == wrong.isTrusted, "the token goes to the verified registrar alone")
        plant.expectPending()
    }

    @Test func `the table is as long as it has to be`() { #expect(Self.table.count >= 35) }

    @Test func `a server without TLS is told nothing`() throws {
        let plant = try Plant()
        let plain = try TCPServer(.bytes(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)))
        defer { plain.stop() }
        try plant.set("est", "localhost:\(plain.port)")
        let result = try plant.onboard().result()
        #expect(result.status == 1 && result.error.contains("TLS"), "\(result)")
        #expect(!String(decoding: plain.received, as: UTF8.self).contains("GET"))
        plant.expectPending()
    }

    @Test func `nobody there is the network's fault`() throws {
        let plant = try Plant()
        try plant.set("est", "localhost:1")
        let result = try plant.onboard().result()
        #expect(result.status == 3 && result.error.contains("localhost:1: no connection"), "\(result)")
        plant.expectPending()
    }

    @Test(
        "OB-05 a label that is none is refused before anything is done, and never shown",
        arguments: [
            ("", "begins with martlet:"), ("martlet:pump-7?root=x", "root is 64 hex digits"),
            ("martlet:pump-7?token=\(Plant.token)", "root is missing"),
            ("martlet:../x?token=\(Plant.token)", "device's id"),
            ("martlet:pump-7?token=\(Plant.token)\u{7f}", "token has"), ("martlet:a?x\nmartlet:b", "?key=value"),
            (String(repeating: Plant.token, count: 100), "begins with martlet:"),
        ]) func badLabel(_ text: String, _ reason: String) throws
    {
        let plant = try Plant()
        for input in [nil, text] {
            try Data(text.utf8).write(to: plant.labelFile)
            let result = try plant.onboard(input: input).result()
            #expect(result.status == 2 && result.error.contains(reason), "\(result)")
        }
        #expect(!FileManager.default.fileExists(atPath: plant.directory.path) && plant.requests.isEmpty)
    }

    @Test func `a label is no argument, and options need their values`() throws {
        let plant = try Plant()
        let table = [
            [plant.labelText], ["--label", plant.labelText], ["--directory", plant.labelText], ["--wait"],
            ["--wait", "86401"], ["--wait", "-1"], ["--label"], ["--label", ""],
            ["--directory", ""],
        ]
        for arguments in table {
            let result = try plant.onboard(arguments).result()
            #expect(result.status == 2 && result.output.isEmpty, "\(arguments): \(result)")
            #expect(!result.error.contains(Plant.token))
        }
        #expect(plant.files.isEmpty && plant.requests.isEmpty)
    }

    @Test func `a configuration that is there already is not replaced`() throws {
        let plant = try Plant()
        try plant.put("martlet.conf", Array("[device]\n".utf8))
        let result = try plant.onboard().result()
        #expect(result.status == 2 && result.error.contains("martlet.conf is there already"), "\(result)")
        #expect(plant.files == ["martlet.conf"] && plant.requests.isEmpty && plant.hasLabel)
    }

    @Test func `what the label leaves out is asked for before a key is made`() throws {
        let (key, text) = ("ca", "add ca= to it")
        let plant = try Plant()
        try plant.set(key, nil)
        let result = try plant.onboard().result()
        #expect(result.status == 2 && result.error.contains(text), "\(result)")
        #expect(plant.files.isEmpty && plant.requests.isEmpty && plant.hasLabel)
    }

    @Test("OB-03 a directory that belongs to another device is refused") func otherDevice() throws {
        let plant = try Plant()
        let other = try plant.authority.device("pump-8")
        try plant.put("device.key", other.key.pem())
        try plant.put("device.pem", other.certificate.pem())
        var result = try plant.onboard().result()
        #expect(result.status == 2 && result.error.contains("belongs to pump-8"), "\(result)")
        try plant.put("device.pem", plant.authority.device(Plant.id).certificate.pem())
        result = try plant.onboard().result()
        #expect(result.status == 2 && result.error.contains("is not its certificate"), "\(result)")
        #expect(plant.files == ["device.key", "device.pem"] && plant.requests.isEmpty && plant.hasLabel)
    }

    @Test func `a directory that others can enter, or that another program has, is refused`() throws {
        let plant = try Plant()
        try plant.makeDirectory()
        chmod(plant.directory.path, 0o755)
        var result = try plant.onboard().result()
        #expect(result.status == 3 && result.error.contains("chmod 700 it"), "\(result)")
        chmod(plant.directory.path, 0o700)
        let lock = try ChildProcess("flock", [plant.directory.path + "/martlet.lock", "sh", "-c", "echo locked; cat"])
        defer { lock.stop() }
        try lock.waitForOutput("locked")
        chmod(plant.directory.path + "/martlet.lock", 0o600)
        result = try plant.onboard().result()
        #expect(result.status == 3 && result.error.contains("in use by another process"), "\(result)")
        #expect(plant.requests.isEmpty && plant.hasLabel)
    }

    @Test("OB-03 a key that another device's label began is not used") func otherPending() throws {
        let plant = try Plant()
        try plant.put("pending.key", Array("id = pump-8\n".utf8) + PrivateKey.generate(.p256).pem())
        let result = try plant.onboard().result()
        #expect(result.status == 2 && result.error.contains("with the label of another device"), "\(result)")
        plant.expectPending()
        #expect(plant.requests.isEmpty)
    }

    @Test func `a label that cannot be removed is told, with what to do`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        let target = plant.labelFile.path + ".target"
        try FileManager.default.moveItem(atPath: plant.labelFile.path, toPath: target)
        symlink(target, plant.labelFile.path)
        for _ in 1...2 {
            let result = try plant.onboard().result()
            #expect(result.status == 3 && result.error.contains("label is still there, remove it: "), "\(result)")
        }
        try FileManager.default.removeItem(at: plant.labelFile)
        #expect(try plant.onboard().result().status == 0)
        try plant.expectOnboarded()
    }

    @Test func `a kept key that is none, or that others can read, is not used`() throws {
        let plant = try Plant()
        try plant.put("pending.key", Array("x".utf8))
        var result = try plant.onboard().result()
        #expect(result.status == 2 && result.error.contains("pending.key: not an unencrypted PEM"), "\(result)")
        try plant.use(PrivateKey.generate(.p256))
        chmod(plant.directory.path + "/pending.key", 0o644)
        result = try plant.onboard().result()
        #expect(result.status == 3 && result.error.contains("chmod 600 it"), "\(result)")
        #expect(plant.requests.isEmpty && plant.hasLabel)
    }
}
