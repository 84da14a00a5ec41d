// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport
import Testing

/// `martlet onboard` of a device that left its factory with a certificate.
@Suite(.timeLimit(.minutes(5))) struct OnboardFactoryTests {
    private let factory: TestAuthority

    init() throws { factory = try TestAuthority() }

    private func install(_ plant: Plant, _ id: String = Plant.id, by authority: TestAuthority? = nil) throws {
        let own = try (authority ?? factory).device(id)
        try plant.put("factory.pem", own.key.pem() + own.certificate.pem())
    }

    /// Whose certificate each connection showed.
    private func shown(_ plant: Plant) -> [String] {
        plant.server.output.split(separator: "\n").filter { $0.hasPrefix("CONNECTION ") }.map {
            String($0.split(separator: " ")[2])
        }
    }

    private static func answer(_ certificates: [Certificate]) throws -> String {
        let body = try Plant.text(certificates)
        return "HTTP/1.1 200 OK\r\n\(Plant.type)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private func expectOnboarded(_ plant: Plant) throws {
        #expect(plant.files == ["anchors.pem", "device.pem", "factory.pem", "martlet.conf"] && !plant.hasLabel)
        try plant.expectUsable()
    }

    @Test func `the verified registrar is shown it, and the one who answers first is not`() throws {
        let plant = try Plant(factory: factory)
        try plant.certifyAnything()
        try plant.set("token", nil)
        try install(plant)
        let before = plant.content("factory.pem")
        let result = try plant.onboard().result()
        #expect(result.status == 0, "\(result)")
        #expect(shown(plant) == ["nobody", Plant.id] && !plant.toldToken)
        try expectOnboarded(plant)
        #expect(plant.content("factory.pem") == before)
    }

    @Test func `token and certificate go together, over the same connection`() throws {
        let plant = try Plant(factory: factory)
        try plant.certifyAnything()
        try install(plant)
        #expect(try plant.onboard().result().status == 0)
        #expect(shown(plant) == ["nobody", Plant.id] && plant.toldToken)
        try expectOnboarded(plant)
    }

    @Test func `a registrar that asks for none is shown none`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        try install(plant)
        #expect(try plant.onboard().result().status == 0)
        #expect(shown(plant) == ["nobody", "nobody"])
        try expectOnboarded(plant)
    }

    @Test func `it is shown to no impostor, who tells the right authority or none`() throws {
        let stranger = try TestAuthority()
        for tellsRight in [true, false] {
            let plant = try Plant(factory: factory) { _ in stranger.server }
            // Its answers are beside its certificate.
            let bag = (tellsRight ? plant.authority : stranger).authority.certificate
            try Data(Self.answer([bag]).utf8).write(to: stranger.folder.appending(path: "cacerts"))
            try install(plant)
            let result = try plant.onboard().result()
            let reason = tellsRight ? "not trusted" : "not the label's registrar"
            #expect(result.status == 1 && result.error.contains(reason), "\(result)")
            #expect(shown(plant) == ["nobody"] && !plant.toldToken)
            #expect(plant.files == ["factory.pem", "pending.key"] && plant.hasLabel)
        }
    }

    @Test func `the factory's authority is no authority of registrars`() throws {
        let plant = try Plant(factory: factory) { _ in try factory.server() }
        let bag = [plant.authority.authority.certificate]
        try Data(Self.answer(bag).utf8).write(to: factory.folder.appending(path: "cacerts"))
        try install(plant)
        let result = try plant.onboard().result()
        #expect(result.status == 1 && result.error.contains("not trusted"), "\(result)")
        #expect(shown(plant) == ["nobody"])
    }

    @Test func `a certificate that the registrar does not take costs neither key nor label`() throws {
        let plant = try Plant(factory: factory)
        try plant.certifyAnything()
        try install(plant, by: TestAuthority())
        let result = try plant.onboard().result()
        // What TLS says of it may be lost with the connection.
        #expect([1, 3].contains(result.status) && result.error.contains("registrar"), "\(result)")
        #expect(plant.files == ["factory.pem", "pending.key"] && plant.hasLabel)
        try install(plant)
        let again = try plant.onboard().result()
        #expect(again.status == 0 && again.output.contains("goes on with the key of an earlier run"), "\(again)")
        #expect(shown(plant).last == Plant.id)
    }

    @Test func `what is no credential of this device ends it before anybody is asked`() throws {
        let plant = try Plant(factory: factory)
        let own = try factory.device(Plant.id)
        let other = try factory.device("pump-8")
        let bad: [(String, [UInt8])] = [
            ("of another device", try other.key.pem() + other.certificate.pem()),
            ("does not hold", try own.key.pem()), ("does not hold", try own.certificate.pem()),
            ("does not hold", try other.key.pem() + own.certificate.pem()), ("does not hold", []),
        ]
        for (text, content) in bad {
            try plant.put("factory.pem", content)
            let result = try plant.onboard().result()
            #expect(
                result.status == 2 && result.error.contains("factory.pem") && result.error.contains(text), "\(result)")
        }
        try install(plant)
        let file = plant.directory.appending(path: "factory.pem").path
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: file)
        let result = try plant.onboard().result()
        #expect(result.status == 3 && result.error.contains("chmod 600"), "\(result)")
        #expect(plant.requests.isEmpty && plant.files == ["factory.pem"] && plant.hasLabel)
    }

    @Test func `it is the way back for a device whose certificate has ended`() throws {
        let plant = try Plant(factory: factory)
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        let key = try PrivateKey.generate(.p256)
        let now = Int64(Date().timeIntervalSince1970)
        let ended = try plant.authority.authority.issueDevice(
            key.publicKey, commonName: Plant.id, uri: "urn:dev:mac:0024befffe804ff1", notBefore: now - 9000,
            notAfter: now - 60)
        try plant.put("device.pem", Array("generation = 1\n".utf8) + key.pem() + ended.pem())
        try install(plant)
        try plant.set("token", nil)
        let result = try plant.onboard().result()
        #expect(result.status == 0, "\(result)")
        #expect(shown(plant).last == Plant.id)
        #expect(plant.content("device.pem")?.hasPrefix("generation = 2\n") == true)
        try expectOnboarded(plant)
    }
}
