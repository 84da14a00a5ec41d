// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MartletController
import Synchronization
import Testing

@testable import martlet_gateway

/// Enrolment by a factory certificate, instead of a token or beside it.
@Suite final class FactoryTests {
    private static let id = "pump-7"
    private static let urn = "urn:dev:mac:0024befffe804ff1"

    private let path = NSTemporaryDirectory() + "factory-" + UUID().uuidString
    private let registry: Registry
    private let place: GatewayDirectory
    private let now = SystemClock.unixMilliseconds() / 1000
    private let factory: CertificateAuthority
    private let key: PrivateKey
    private let reasons = Reasons()

    private final class Reasons: Sendable {
        let last = Mutex<String?>(nil)
    }

    init() throws {
        var make = try Gateway.parseAsRoot(["init", "--directory", path])
        try make.run()
        place = try GatewayDirectory(path: path)
        registry = try Registry(place)
        key = try PrivateKey.generate(.p256)
        factory = try CertificateAuthority.selfSigned(
            commonName: "Factory", notBefore: now - 60, notAfter: now + 400 * 86_400)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private func registrar(_ isSecondFactor: Bool? = false) throws -> Registrar {
        var rules = Registrar.Rules()
        if let isSecondFactor {
            rules.factory = FactoryAuthority(anchors: [factory.certificate], isSecondFactor: isSecondFactor)
        }
        return try Registrar(place, rules) { [reasons] event in
            reasons.last.withLock {
                if case .refused(_, let reason) = event.outcome { $0 = reason } else { $0 = event.outcome.text }
            }
        }
    }

    private func invite(_ token: Token?, as id: String = id, urn: String = urn, expires: Int64 = 3600) throws {
        let invitation = Invitation(token: try token?.digest(), expires: now + expires)
        try registry.store(id, DeviceEntry(state: .invited, urn: urn, invitation: invitation))
    }

    private func certificate(
        _ id: String = id, by authority: CertificateAuthority? = nil, ends: Int64 = 86_400
    ) throws -> [UInt8] {
        try (authority ?? factory).issueDevice(
            PrivateKey.generate(.p256).publicKey, commonName: id, uri: "urn:dev:mac:02", notBefore: now - 60,
            notAfter: now + ends
        ).pem()
    }

    private func request(
        _ certificate: [UInt8], token: String? = nil, for id: String = id, key: PrivateKey? = nil
    ) throws -> ESTRequest {
        var request = ESTRequest(method: "POST", path: "/.well-known/est/simpleenroll")
        request.contentType = "application/pkcs10"
        if let token { request.authorization = "Basic " + Data("\(Self.id):\(token)".utf8).base64EncodedString() }
        request.certificate = certificate
        request.body = Base64.line(try CertificateRequest(key: key ?? self.key, commonName: id, uri: nil).der)
        return request
    }

    private func expect(
        _ status: Int, _ reason: String, _ request: ESTRequest, _ registrar: Registrar, after seconds: Int64 = 0
    ) async {
        let response = await registrar.answer(request, at: now + seconds)
        #expect(
            response.status == status && reasons.last.withLock { $0 } == reason, "\(reasons.last.withLock { $0 } ?? "")"
        )
    }

    @Test func `a device that was invited so gets its certificate by that of the factory, for one key`() async throws {
        try invite(nil)
        let registrar = try registrar()
        let own = try certificate()
        let response = await registrar.answer(try request(own), at: now)
        let bag = try #require(Base64.decoded(response.body))
        let issued = try #require(try CertificateBag.certificates(in: bag.span).first)
        #expect(issued.commonName == Array(Self.id.utf8) && issued.uris == [Array(Self.urn.utf8)])
        await expect(200, "repeated", try request(own), registrar)
        await expect(401, "the token was used with another key", try request(own, key: .generate(.p256)), registrar)
        #expect(try registry.entry(Self.id)?.state == .active)
    }

    @Test func `what is no certificate of the factory for this device is refused, each for its reason`() async throws {
        try invite(nil)
        try invite(try Token(), as: "pump-8", urn: "urn:dev:mac:0024befffe804ff2")
        let registrar = try registrar()
        let stranger = try CertificateAuthority.selfSigned(
            commonName: "Factory", notBefore: now - 60, notAfter: now + 86_400)
        await expect(401, "no id and token", try request([]), registrar)
        await expect(401, "no factory certificate", try request(Array("garbage".utf8)), registrar)
        await expect(
            401, "no certificate of the factory's (untrustedIssuer)", try request(certificate(by: stranger)), registrar)
        await expect(
            401, "no certificate of the factory's (untrustedIssuer)", try request(certificate(by: place.authority())),
            registrar)
        await expect(
            401, "the factory certificate has expired", try request(certificate(ends: 10)), registrar, after: 20)
        await expect(401, "the device is not invited", try request(certificate("pump-9")), registrar)
        await expect(401, "the user is not a device id", try request(certificate("../pump-7")), registrar)
        await expect(
            401, "the invitation needs its token", try request(certificate("pump-8"), for: "pump-8"), registrar)
        await expect(401, "the invitation has no token", try request(certificate(), token: ""), registrar)
        await expect(
            403, "the request is for another device, pump-8", try request(certificate(), for: "pump-8"), registrar)
        await expect(401, "the invitation has expired", try request(certificate()), registrar, after: 3601)
        await expect(401, "no id and token", try request(certificate()), try self.registrar(nil))
        try registry.change(Self.id) { $0.state = .suspended }
        await expect(403, "the device is suspended", try request(certificate()), registrar)
        try registry.change(Self.id) { $0.state = .invited }
        await expect(200, "issued", try request(certificate()), registrar)
    }

    @Test func `where two factors are demanded, neither is enough`() async throws {
        let token = try Token()
        try invite(token)
        let registrar = try registrar(true)
        let own = try certificate()
        await expect(401, "a factory certificate, but no id and token: --two-factors", try request(own), registrar)
        await expect(401, "a wrong token, the 1. of 10", try request(own, token: "x"), registrar)
        await expect(403, "no factory certificate", try request([], token: token.text), registrar)
        await expect(
            403, "the factory certificate is of another device", try request(certificate("pump-8"), token: token.text),
            registrar)
        await expect(
            403, "the factory certificate has expired", try request(certificate(ends: 10), token: token.text),
            registrar,
            after: 20)
        await expect(200, "issued", try request(own, token: token.text), registrar)
    }

    @Test func `where one is enough, a token is, whatever certificate is shown beside it`() async throws {
        let token = try Token()
        try invite(token)
        let stranger = try CertificateAuthority.selfSigned(
            commonName: "x", notBefore: now - 60, notAfter: now + 86_400)
        await expect(200, "issued", try request(certificate(by: stranger), token: token.text), try registrar())
    }

    @Test func `an invitation for the factory certificate makes a label without a token, and is kept`() throws {
        var command = try Gateway.parseAsRoot(
            ["device", "invite", Self.id, "--factory", "--port", "1", "--est-port", "2", "--directory", path])
        try command.run()
        let entry = try #require(try registry.entry(Self.id))
        #expect(entry.invitation != nil && entry.invitation?.token == nil)
        #expect(DeviceEntry(text: entry.text) == entry)
        #expect(DeviceEntry(text: entry.text.replacing("factory yes", with: "factory no")) == nil)
        let both = entry.text.replacing("factory yes", with: "factory yes\ntoken " + String(repeating: "0", count: 64))
        #expect(DeviceEntry(text: both) == nil)
        let label = Label(
            id: "a", registrar: "r", registrarPort: 1, broker: "b", brokerPort: 2, authority: "0a", root: "0b")
        #expect(label.text == "martlet:a?est=r:1&mqtt=b:2&ca=0a&root=0b")
    }

    @Test func `two factors need an authority, whose file holds certificates`() throws {
        #expect(throws: (any Error).self) { try Gateway.parseAsRoot(["run", "--two-factors"]) }
        _ = try Gateway.parseAsRoot(["run", "--two-factors", "--factory-authority", "x"])
        #expect(throws: Failure.self) { try FactoryAuthority(file: self.path + "/ca.key", isSecondFactor: false) }
        #expect(throws: Failure.self) { try FactoryAuthority(file: self.path + "/none", isSecondFactor: false) }
        #expect(try FactoryAuthority(file: path + "/ca.pem", isSecondFactor: false).anchors.count == 1)
    }
}
