// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MartletController
import Testing

@testable import martlet_gateway

/// What the HTTPS endpoint answers, without a network.
@Suite final class ExchangeEndpointTests {
    private let path = NSTemporaryDirectory() + "exchange-" + UUID().uuidString
    private let place: GatewayDirectory
    private let bridge = ExchangeBridge()
    private let endpoint: ExchangeEndpoint
    private let key: PrivateKey

    init() throws {
        var make = try Gateway.parseAsRoot(["init", "--directory", path])
        try make.run()
        place = try GatewayDirectory(path: path)
        key = try PrivateKey.generate(.p256)
        endpoint = try ExchangeEndpoint(place, bridge)
        bridge.linkChanged(.ready)
        bridge.attach(ExchangeBridge.Sending(publish: { _, _, _ in nil }, withdraw: { _ in }))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private func certificate(
        _ name: String = "pump-7", by authority: CertificateAuthority? = nil, ended: Int64 = -3600
    ) throws -> [UInt8] {
        let now = SystemClock.unixMilliseconds() / 1000
        return try (authority ?? place.authority()).issueDevice(
            key.publicKey, commonName: name, uri: "urn:dev:org:32473-1", notBefore: now - 7200, notAfter: now - ended
        ).pem()
    }

    private func request(_ certificate: [UInt8]? = nil, mark: UInt64 = 0) throws -> ExchangeRequest {
        let body = try #require(Exchange.Request(wait: 0, messages: [], mark: mark).encoded())
        return ExchangeRequest(
            method: "POST", path: "/martlet/v1/pump-7/exchange", contentType: "application/cbor",
            certificate: try certificate ?? self.certificate(), body: body)
    }

    private func status(_ request: ExchangeRequest) async -> Int { await endpoint.answer(request).status }

    @Test func `the device's own exchange is answered`() async throws {
        let answer = await endpoint.answer(try request())
        #expect(answer.status == 200 && answer.headers.contains { $0 == ("Content-Type", "application/cbor") })
        let content = try Exchange.Answer(decoding: answer.body.span)
        #expect(content == Exchange.Answer(codes: [], messages: [], mark: 0))
        var parameters = try request()
        parameters.contentType = "Application/CBOR; x=y"
        #expect(await status(parameters) == 200)
    }

    @Test(arguments: [
        ("GET", "/martlet/v1/pump-7/exchange", "application/cbor", 405),
        ("POST", "/martlet/v1/pump-8/exchange", "application/cbor", 403),
        ("POST", "/martlet/v1/pump-7/exchange/", "application/cbor", 404),
        ("POST", "/martlet/v1/x/../pump-7/exchange", "application/cbor", 404),
        ("POST", "/martlet/v1/pump%2d7/exchange", "application/cbor", 404),
        ("POST", "/martlet/v1/exchange", "application/cbor", 404),
        ("POST", "/martlet/v1//exchange", "application/cbor", 404),
        ("POST", "/martlet/v2/pump-7/exchange", "application/cbor", 404),
        ("POST", "/martlet/v1/pump-7/exchange", "", 415),
        ("POST", "/martlet/v1/pump-7/exchange", "application/json", 415),
        ("POST", "/martlet/v1/pump-7/exchange", "application/cbor-seq", 415),
    ])
    func `anything else is refused`(method: String, path: String, type: String, status: Int) async throws {
        var request = try request()
        (request.method, request.path, request.contentType) = (method, path, type)
        #expect(await self.status(request) == status)
    }

    @Test func `only the certificate of the path's device is good, from our authority and as long as it is valid`()
        async throws
    {
        let now = SystemClock.unixMilliseconds() / 1000
        let other = try CertificateAuthority.selfSigned(
            commonName: "Martlet gateway", notBefore: now - 7200, notAfter: now + 3600)
        let bad: [[UInt8]] = [
            [], Array("garbage".utf8), try certificate("pump-8"), try certificate("pump-77"),
            try certificate(by: other), try certificate(ended: 60), try place.read("ca.pem"),
            try place.read(Party.operator.tlsCertificate), try place.read("broker.pem"),
        ]
        for certificate in bad { #expect(await status(try request(certificate)) == 403) }
        #expect(bridge.takeNotes().count == bad.count)
    }

    @Test func `a device that is barred, or of which nobody knows that it is not, is refused`() async throws {
        let registry = try Registry(place)
        for (state, status) in [(DeviceEntry.State.active, 200), (.suspended, 403), (.retired, 403)] {
            try registry.store("pump-7", DeviceEntry(state: state, urn: "urn:dev:org:32473-1"))
            #expect(await self.status(try request()) == status)
        }
        try FileManager.default.removeItem(atPath: path + "/registry/pump-7.device")
        try place.directory("registry").create("pump-7.device", Array("damaged".utf8).span)
        #expect(await status(try request()) == 403)
    }

    @Test func `what is malformed or too large is refused`() async throws {
        var request = try request()
        for body in [[], [0x80], [0x83, 0, 0x80, 0, 0], [0x83, 0x18, 61, 0x80, 0], [0x83, 0, 0x98, 65, 0]] as [[UInt8]]
        {
            request.body = body
            #expect(await status(request) == 400)
        }
        request.body = [UInt8](repeating: 0, count: Exchange.maximumSize)
        #expect(await status(request) == 400)
        request.body.append(0)
        #expect(await status(request) == 413)
    }

    @Test func `where a token is demanded, nothing is served without`() async throws {
        let endpoint = try ExchangeEndpoint(place, bridge, audience: "things")
        let answer = await endpoint.answer(try request())
        #expect(answer.status == 401 && answer.headers.contains { $0 == ("WWW-Authenticate", "Bearer") })
    }

    @Test func `a device that an earlier run knew is told once to connect anew`() async throws {
        let request = try request(mark: 7)
        let answer = await endpoint.answer(request)
        #expect(answer.status == 503 && answer.headers.contains { $0 == ("Retry-After", "1") })
        #expect(await status(request) == 200)
        #expect(await status(request) == 200)
    }

    @Test func `a tool that speaks for such a device before it comes does not change that`() async throws {
        #expect(await status(try request()) == 200)
        let own = try request(mark: 7)
        #expect(await status(own) == 503)
        // The tool again.
        #expect(await status(try request()) == 200)
        #expect(await status(own) == 200)
    }

    @Test(arguments: ["gateway", "operator", "exchange", "edge", "Edge"])
    func `a part of the back end makes no exchanges of its own`(name: String) async throws {
        var request = try request(try certificate(name))
        request.path = "/martlet/v1/\(name)/exchange"
        #expect(await status(request) == 403)
    }

    @Test func `without the broker it says when to come again`() async throws {
        bridge.linkChanged(.disconnected(.timeout, retry: 1))
        let answer = await endpoint.answer(try request())
        #expect(answer.status == 503 && answer.headers.contains { $0 == ("Retry-After", "5") })
    }

    @Test(arguments: ["gateway", "operator", "exchange", "edge", "Edge"])
    func `no device has the name of a part of the back end`(name: String) {
        #expect(throws: (any Error).self) {
            try Gateway.parseAsRoot(["device", "add", name, "--directory", self.path])
        }
    }

    @Test(arguments: ["exchange", "Edge"])
    func `a gateway whose registry has such a device does not run`(name: String) throws {
        let registry = try Registry(place)
        try registry.store("pump-7", DeviceEntry(state: .active, urn: "urn:dev:org:32473-1"))
        try registry.requireUnreserved()
        try registry.store(name, DeviceEntry(state: .retired, urn: "urn:dev:org:32473-2"))
        let run = try #require(try Gateway.parseAsRoot(["run", "--directory", path, "--broker-only"]) as? Run)
        let failure = #expect(throws: Failure.self) { try run.run() }
        #expect(failure?.description.contains("registry/\(name).device: the device '\(name)' has") == true)
    }
}
