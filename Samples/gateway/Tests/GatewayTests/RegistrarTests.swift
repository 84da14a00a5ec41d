// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MartletController
import Synchronization
import Testing

@testable import martlet_gateway

/// What the registrar answers, without a network.
@Suite final class RegistrarTests {
    private static let id = "pump-7"
    private static let urn = "urn:dev:mac:0024befffe804ff1"
    private static let day: Int64 = 86_400

    private final class Events: Sendable {
        let all = Mutex<[RegistrarEvent]>([])
        var last: RegistrarEvent? { all.withLock { $0.last } }
    }

    private let path = NSTemporaryDirectory() + "registrar-" + UUID().uuidString
    private let place: GatewayDirectory
    private let registry: Registry
    private let events = Events()
    private let registrar: Registrar
    private let now = SystemClock.unixMilliseconds() / 1000
    private let key: PrivateKey
    private let token: Token

    init() throws {
        var make = try Gateway.parseAsRoot(["init", "--directory", path])
        try make.run()
        place = try GatewayDirectory(path: path)
        registry = try Registry(place)
        registrar = try Self.registrar(place, events, Registrar.Rules())
        key = try PrivateKey.generate(.p256)
        token = try Token()
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private static func registrar(
        _ place: GatewayDirectory, _ events: Events, _ rules: Registrar.Rules
    ) throws -> Registrar {
        try Registrar(place, rules) { event in events.all.withLock { $0.append(event) } }
    }

    private func invite(expires: Int64? = nil, approval: Bool = false, as id: String = id) throws {
        let invitation = Invitation(
            token: try token.digest(), expires: expires ?? now + 3600, waitsForApproval: approval)
        try registry.store(id, DeviceEntry(state: .invited, urn: Self.urn, invitation: invitation))
    }

    private func verb(_ arguments: String...) throws {
        var command = try Gateway.parseAsRoot(["device"] + arguments + ["--directory", path])
        try command.run()
    }

    private func request(
        _ key: PrivateKey? = nil, id: String = id, urn: String = urn, token: String? = nil
    ) throws -> ESTRequest {
        var request = ESTRequest(method: "POST", path: "/.well-known/est/simpleenroll")
        request.contentType = "application/pkcs10"
        request.authorization = Self.basic("\(Self.id):\(token ?? self.token.text)")
        request.body = Base64.line(try CertificateRequest(key: key ?? self.key, commonName: id, uri: urn).der)
        return request
    }

    private static func basic(_ text: String) -> String { "Basic " + Data(text.utf8).base64EncodedString() }

    private func renewal(
        of certificate: Certificate, _ key: PrivateKey? = nil, id: String = id, urn: String = urn
    ) throws -> ESTRequest {
        var request = try request(key, id: id, urn: urn)
        request.path = "/.well-known/est/simplereenroll"
        request.authorization = ""
        request.certificate = try certificate.pem()
        return request
    }

    private func certificate(_ response: ESTResponse) throws -> Certificate {
        try #require(response.status == 200)
        let bag = try #require(Base64.decoded(response.body))
        let all = try CertificateBag.certificates(in: bag.span)
        try #require(all.count == 1)
        return all[0]
    }

    private func expect(_ status: Int, _ reason: String, _ request: ESTRequest, at time: Int64? = nil) async {
        let response = await registrar.answer(request, at: time ?? now)
        #expect(response.status == status)
        #expect(events.last?.outcome == .refused(status: status, reason: reason))
    }

    // MARK: Enrolment

    @Test func `an invited device gets the certificate that the registry says, for 90 days`() async throws {
        try invite()
        let own = try certificate(await registrar.answer(request(), at: now))
        #expect(own.commonName == Array(Self.id.utf8) && own.uris == [Array(Self.urn.utf8)])
        #expect(try own.publicKey.spki == key.publicKey.spki)
        #expect(own.notAfter == now + 90 * Self.day && own.notBefore == now - 3600)
        let anchors = try place.certificates(GatewayDirectory.File.authority)
        try CertificateChain.verify(own, anchors: anchors, at: now, purpose: .client)
        let entry = try #require(try registry.entry(Self.id))
        #expect(try entry.state == .active && entry.certificate == own.der)
        #expect(events.last?.outcome == .issued(expires: own.notAfter))
        #expect(!"\(events.all.withLock { $0 })".contains(token.text))
    }

    @Test func `OB-01 the same request again gets the same certificate, another key with that token nothing`()
        async throws
    {
        try invite()
        let first = try certificate(await registrar.answer(request(), at: now))
        let again = try certificate(await registrar.answer(request(), at: now + 60))
        #expect(try first.der == again.der && events.last?.outcome == .repeated)
        await expect(401, "the token was used with another key", try request(.generate(.p256)))
        await expect(401, "the token has expired", try request(), at: now + 3601)
    }

    @Test func `an Ed25519 key is certified, too`() async throws {
        try invite()
        let other = try PrivateKey.generate(.ed25519)
        #expect(try certificate(await registrar.answer(request(other), at: now)).publicKey.spki == other.publicKey.spki)
    }

    @Test func `OB-05 ten wrong tokens end an invitation, and each is counted on disk`() async throws {
        try invite()
        for count in 1...10 {
            await expect(
                401, "a wrong token, the \(count). of 10", try request(token: count == 1 ? "" : try Token().text))
            #expect(try registry.entry(Self.id)?.invitation?.wrongTries == UInt64(count))
        }
        await expect(401, "the token is void: 10 wrong ones came", try request())
    }

    @Test func `a device that waits for approval gets its certificate when it was approved`() async throws {
        try invite(approval: true)
        for _ in 0..<2 {
            let response = await registrar.answer(try request(), at: now)
            #expect(response.status == 202 && response.headers["Retry-After"] == "30")
            #expect(try registry.entry(Self.id)?.state == .pending && events.last?.outcome == .pending)
        }
        await expect(401, "the token was used with another key", try request(.generate(.p256)))
        try verb("approve", Self.id)
        await expect(401, "the token was used with another key", try request(.generate(.p256)))
        #expect(try certificate(await registrar.answer(request(), at: now)).commonName == Array(Self.id.utf8))
        #expect(throws: Failure.self) { try self.verb("approve", Self.id) }
    }

    @Test func `what is no enrolment of this device is refused, each for its reason`() async throws {
        try invite()
        let good = try request()
        func with(_ change: (inout ESTRequest) -> Void) -> ESTRequest {
            var request = good
            change(&request)
            return request
        }
        let notInvited = "the device is not invited"
        let noID = "the user is not a device id"
        let table: [(Int, String, ESTRequest)] = [
            (415, "the body is not application/pkcs10", with { $0.contentType = "" }),
            (415, "the body is not application/pkcs10", with { $0.contentType = "application/pkcs10x" }),
            (401, "no id and token", with { $0.authorization = "" }),
            (401, "no id and token", with { $0.authorization = "Bearer " + token.text }),
            (401, "no id and token", with { $0.authorization = "Basic !" }),
            (401, "no id and token", with { $0.authorization = Self.basic(Self.id) }),
            (401, notInvited, with { $0.authorization = Self.basic("pump-8:\(token.text)") }),
            (401, notInvited, with { $0.authorization = Self.basic("gateway:\(token.text)") }),
            (401, noID, with { $0.authorization = Self.basic(":\(token.text)") }),
            (401, noID, with { $0.authorization = Self.basic("../registry/pump-7:\(token.text)") }),
            (401, noID, with { $0.authorization = Self.basic("+/#:\(token.text)") }),
            (401, noID, with { $0.authorization = Self.basic("$SYS:\(token.text)") }),
            (401, noID, with { $0.authorization = Self.basic("pump-7\0:\(token.text)") }),
            (401, noID, with { $0.authorization = Self.basic(String(repeating: "x", count: 65) + ":x") }),
            (401, noID, with { $0.authorization = "Basic " + Data([0xC0, 0x80, 0x3A, 0x78]).base64EncodedString() }),
            (400, "the body is not base64", with { $0.body = Array("-----BEGIN".utf8) }),
            (400, "the body is no certificate request", with { $0.body = [] }),
            (400, "the body is no certificate request", with { $0.body = Base64.line([0x30, 0x00]) }),
            (400, "the body is no certificate request", with { $0.body.removeFirst(4) }),
            (403, "the request is for another device, pump-8", try request(id: "pump-8")),
            (
                403, "the request is for another device, \\xc3\\xa9/+#",
                try request(id: "é/+#")
            ),
            (403, "the request names other URIs than the registry", try request(urn: "urn:dev:mac:02")),
        ]
        for (status, reason, request) in table { await expect(status, reason, request) }
        // Its last byte is that of the signature.
        var der = try #require(Base64.decoded(good.body))
        der[der.count - 1] ^= 1
        await expect(400, "the request is not signed by its key", with { $0.body = Base64.line(der) })
        // None of all that used the token up.
        #expect(try certificate(await registrar.answer(good, at: now)).commonName == Array(Self.id.utf8))
    }

    @Test func `an id and a URN belong to one device`() throws {
        try invite()
        let ports = ["--port", "1", "--est-port", "2"]
        for id in ["pump-8", Self.id] {
            let urn = id == Self.id ? "urn:dev:mac:02" : Self.urn
            var command = try Gateway.parseAsRoot(["device", "invite", id, "--urn", urn, "--directory", path] + ports)
            #expect(throws: Failure.self) { try command.run() }
        }
        #expect(throws: Failure.self) { try self.verb("add", "pump-8", "--urn", Self.urn, "--port", "1") }
        #expect(try registry.entries().map { $0.entry.urn } == [Self.urn])
    }

    @Test(arguments: ["suspend", "retire"])
    func `a device that is suspended or retired may neither enrol nor renew`(verb: String) async throws {
        try invite()
        let own = try certificate(await registrar.answer(request(), at: now))
        try self.verb(verb, Self.id)
        let state = try #require(try registry.entry(Self.id)?.state)
        await expect(403, "the device is \(state.rawValue)", try request())
        await expect(403, "the device is \(state.rawValue)", try renewal(of: own))
        #expect(
            try String(contentsOfFile: path + "/mosquitto.acl", encoding: .utf8).contains("user pump-7\ntopic deny #\n")
        )
        #expect(throws: Failure.self) { try self.verb("invite", Self.id, "--port", "1", "--est-port", "1") }
        #expect(throws: Failure.self) { try self.verb("add", Self.id, "--port", "1") }
        if state == .retired {
            #expect(throws: Failure.self) { try self.verb("activate", Self.id) }
            #expect(throws: Failure.self) { try self.verb("suspend", Self.id) }
        } else {
            try self.verb("activate", Self.id)
            #expect(try !String(contentsOfFile: path + "/mosquitto.acl", encoding: .utf8).contains("deny"))
            #expect(try certificate(await registrar.answer(renewal(of: own), at: now)).uris == own.uris)
        }
    }

    @Test func `what was barred in part can be barred again, and what cannot be read is barred`() throws {
        try invite()
        try verb("suspend", Self.id)
        // As if the rules were not written then.
        try place.replace(GatewayDirectory.File.accessRules, "")
        try verb("suspend", Self.id)
        let rules = { try String(contentsOfFile: self.path + "/mosquitto.acl", encoding: .utf8) }
        #expect(try rules().contains("user pump-7\ntopic deny #\n"))
        try place.replace(GatewayDirectory.File.accessRules, "")
        try verb("activate", Self.id)
        try verb("activate", Self.id)
        #expect(try !rules().contains("deny") && rules().contains("pattern write"))
        let other = Array("martlet-device 9\n".utf8)
        try place.directory("registry").create("pump-8.device", other.span)
        try verb("suspend", Self.id)
        #expect(try rules().contains("user pump-7\ntopic deny #\n") && rules().contains("user pump-8\ntopic deny #\n"))
    }

    @Test func `nobody is approved who has not asked, or whose invitation has ended`() async throws {
        try invite(approval: true)
        #expect(throws: Failure.self) { try self.verb("approve", Self.id) }
        _ = await registrar.answer(try request(), at: now)
        var entry = try #require(try registry.entry(Self.id))
        let asked = try #require(entry.invitation)
        entry.invitation = Invitation(token: asked.token, expires: now - 1, waitsForApproval: true, key: asked.key)
        try registry.store(Self.id, entry)
        #expect(throws: Failure.self) { try self.verb("approve", Self.id) }
        entry.invitation = asked
        try registry.store(Self.id, entry)
        try verb("approve", Self.id)
        #expect(try certificate(await registrar.answer(request(), at: now)).commonName == Array(Self.id.utf8))
    }

    @Test func `wrong tokens do not keep a lost answer from coming again`() async throws {
        try invite()
        let first = try certificate(await registrar.answer(request(), at: now))
        for _ in 0..<11 {
            await expect(401, "a wrong token, and the right one is used", try request(token: Token().text))
        }
        #expect(try certificate(await registrar.answer(request(), at: now)).der == first.der)
    }

    // MARK: Renewal

    @Test func `a certificate is renewed, with the same key or another, and the one before once more`() async throws {
        try invite()
        let first = try certificate(await registrar.answer(request(), at: now))
        let second = try certificate(await registrar.answer(renewal(of: first), at: now + Self.day))
        #expect(second.notAfter == now + 91 * Self.day)
        let other = try PrivateKey.generate(.p256)
        let third = try certificate(await registrar.answer(renewal(of: second, other), at: now + 2 * Self.day))
        // The answer was lost: the same request again.
        let again = try certificate(await registrar.answer(renewal(of: second, other), at: now + 2 * Self.day))
        #expect(try third.der == again.der && events.last?.outcome == .repeated)
        // Or one with yet another key.
        let fourth = try certificate(await registrar.answer(renewal(of: second, key), at: now + 2 * Self.day))
        await expect(403, "the certificate has been replaced", try renewal(of: first), at: now + 2 * Self.day)
        await expect(403, "the certificate has been replaced", try renewal(of: third, other), at: now + 2 * Self.day)
        #expect(try registry.entry(Self.id)?.certificate == fourth.der)
        await expect(401, "the device is not invited", try request())
    }

    @Test func `a new invitation ends what the lost certificate may do`() async throws {
        try invite()
        let lost = try certificate(await registrar.answer(request(), at: now))
        try verb("invite", Self.id, "--port", "1", "--est-port", "2")
        await expect(401, "a wrong token, the 1. of 10", try request())
        var entry = try #require(try registry.entry(Self.id))
        #expect(entry.state == .active && entry.urn == Self.urn)
        entry.invitation = Invitation(token: try token.digest(), expires: now + 60)
        try registry.store(Self.id, entry)
        let own = try certificate(await registrar.answer(request(.generate(.p256)), at: now))
        await expect(403, "the certificate has been replaced", try renewal(of: lost))
        #expect(try certificate(await registrar.answer(renewal(of: own), at: now)).uris == own.uris)
    }

    @Test func `what is no renewal is refused, each for its reason`() async throws {
        try invite()
        let own = try certificate(await registrar.answer(request(), at: now))
        let authority = try place.authority()
        func issue(_ id: String, _ authority: CertificateAuthority) throws -> Certificate {
            try authority.issueDevice(
                key.publicKey, commonName: id, uri: Self.urn, notBefore: now - 60, notAfter: now + 3600)
        }
        let stranger = try CertificateAuthority.selfSigned(
            commonName: "Martlet gateway", notBefore: now - 60, notAfter: now + 3600)
        var bare = try renewal(of: own)
        bare.certificate = []
        var garbage = bare
        garbage.certificate = Array("-----BEGIN CERTIFICATE-----\nAAAA".utf8)
        let another = "the request has not the subject and the URI of the certificate"
        let table: [(Int, String, ESTRequest)] = [
            (403, "no client certificate", bare), (403, "no client certificate", garbage),
            (403, "no certificate of ours (untrustedIssuer)", try renewal(of: issue(Self.id, stranger))),
            (403, "no certificate of a device in the registry", try renewal(of: issue("pump-8", authority))),
            (403, "no certificate of a device in the registry", try renewal(of: issue("../x", authority))),
            (403, "the certificate has been replaced", try renewal(of: issue(Self.id, authority))),
            (400, another, try renewal(of: own, id: "pump-8")),
            (400, another, try renewal(of: own, urn: "urn:dev:mac:02")),
        ]
        for (status, reason, request) in table { await expect(status, reason, request) }
        await expect(403, "the certificate has expired", try renewal(of: own), at: own.notAfter + 1)
        let lenient = try Self.registrar(place, events, Registrar.Rules(certificateDays: 1, renewExpiredDays: 2))
        let late = await lenient.answer(try renewal(of: own), at: own.notAfter + 2 * Self.day + 1)
        #expect(late.status == 403)
        let next = try certificate(await lenient.answer(try renewal(of: own), at: own.notAfter + 2 * Self.day))
        #expect(next.notAfter == own.notAfter + 3 * Self.day)
    }

    // MARK: What else there is

    @Test func `everybody may ask for the authority's certificate`() async throws {
        let response = await registrar.answer(ESTRequest(method: "GET", path: "/.well-known/est/cacerts"), at: now)
        let anchors = try place.certificates(GatewayDirectory.File.authority)
        #expect(try certificate(response).der == anchors[0].der)
        #expect(response.headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only")
        let attributes = await registrar.answer(ESTRequest(method: "GET", path: "/.well-known/est/csrattrs/"), at: now)
        #expect(attributes.status == 204 && attributes.body.isEmpty)
        for (method, operation) in [
            ("POST", "cacerts"), ("HEAD", "csrattrs"), ("GET", "simpleenroll"), ("PUT", "simplereenroll"),
        ] {
            let path = "/.well-known/est/\(operation)"
            let response = await registrar.answer(ESTRequest(method: method, path: path), at: now)
            #expect(response.status == 405 && response.headers["Allow"] != method)
        }
    }

    @Test(
        arguments: [
            ("simpleenroll", .enrol), ("simpleenroll/", .enrol), ("plant/simplereenroll", .renew),
            ("a-1.b_2/cacerts/", .authorities), ("csrattrs", .attributes), ("", nil), ("/", nil), ("/cacerts", nil),
            ("a/b/cacerts", nil), ("cacerts//", nil), ("cacerts/x", nil), ("cacerts/cacerts", nil),
            ("a%2Fb/cacerts", nil),
            ("cacertsx", nil), ("CACERTS", nil), ("é/cacerts", nil), ("serverkeygen", nil), ("../est/cacerts", nil),
            (String(repeating: "x", count: 65) + "/cacerts", nil),
        ] as [(String, ESTRequest.Operation?)])
    func `an operation is found below one label at most`(path: String, operation: ESTRequest.Operation?) {
        #expect(ESTRequest(method: "GET", path: "/.well-known/est/" + path).operation == operation)
        #expect(ESTRequest(method: "GET", path: "/est/" + path).operation == nil)
    }

    @Test func `if the registry cannot be written, nothing is issued and the token is not used`() async throws {
        try invite()
        try FileManager.default.createDirectory(
            atPath: path + "/registry/pump-7.device.new/x", withIntermediateDirectories: true)
        let response = await registrar.answer(try request(), at: now)
        #expect(response.status == 503 && response.headers["Retry-After"] == "30")
        #expect(!String(decoding: response.body, as: UTF8.self).contains(path))
        try FileManager.default.removeItem(atPath: path + "/registry/pump-7.device.new")
        #expect(try certificate(await registrar.answer(request(), at: now)).commonName == Array(Self.id.utf8))
    }
}
