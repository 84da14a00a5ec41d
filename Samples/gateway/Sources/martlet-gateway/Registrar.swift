// SPDX-License-Identifier: Apache-2.0

import MartletController

/// Says no to a request.
private struct ESTRefusal: Error {
    let status: Int
    /// For us.
    let reason: String
    /// For the client.
    var text: String

    init(_ status: Int, _ reason: String, tells text: String? = nil) {
        (self.status, self.reason, self.text) = (status, reason, text ?? reason)
    }
}

/// Decides who gets a certificate, by the registry.
actor Registrar {
    struct Rules: Sendable {
        /// Days that a certificate is valid.
        var certificateDays: Int64 = 90
        /// Days after its end in which a certificate may still be renewed.
        var renewExpiredDays: Int64 = 0
        /// nil: certificates of a factory are worth nothing.
        var factory: FactoryAuthority?
    }

    /// The certificate in DER; nil: it is yet to be approved.
    private typealias Answer = (certificate: [UInt8]?, outcome: RegistrarEvent.Outcome)

    private let registry: Registry
    private let rules: Rules
    private let authority: CertificateAuthority
    private let report: @Sendable (RegistrarEvent) -> Void

    init(
        _ directory: GatewayDirectory, _ rules: Rules, report: @escaping @Sendable (RegistrarEvent) -> Void
    ) throws(Failure) {
        registry = try Registry(directory)
        authority = try directory.authority()
        self.rules = rules
        self.report = report
    }

    /// `time`: seconds since 1970. What it says was done is durable.
    func answer(_ request: ESTRequest, at time: Int64) -> ESTResponse {
        guard let operation = request.operation else { return ESTResponse(404, "no such operation") }
        guard request.method == operation.method else {
            var response = ESTResponse(405, "\(operation.rawValue) takes \(operation.method)")
            response.headers["Allow"] = operation.method
            return response
        }
        switch operation {
        case .authorities:
            guard let bag = try? CertificateBag.der([authority.certificate]) else {
                return ESTResponse(503, "OpenSSL failed")
            }
            return ESTResponse(bag: bag)
        case .attributes: return .noContent
        case .enrol, .renew: return issue(request, operation, time)
        }
    }

    private func issue(_ request: ESTRequest, _ operation: ESTRequest.Operation, _ time: Int64) -> ESTResponse {
        var device: [UInt8] = []
        let refusal: ESTRefusal
        do {
            guard request.isOfType("application/pkcs10") else {
                throw ESTRefusal(415, "the body is not application/pkcs10")
            }
            let lock = try registry.lock()
            defer { withExtendedLifetime(lock) {} }
            let (certificate, outcome) =
                try operation == .enrol ? enrol(request, time, &device) : renew(request, time, &device)
            report(RegistrarEvent(device: device, operation: operation, outcome: outcome))
            guard let certificate else {
                return ESTResponse(202, "this waits for approval: ask again")
            }
            return ESTResponse(bag: try CertificateBag.der([Certificate(der: certificate.span)]))
        } catch let error as ESTRefusal {
            refusal = error
        } catch {
            refusal = ESTRefusal(503, "\(error)", tells: "the registrar cannot do this now")
        }
        let outcome = RegistrarEvent.Outcome.refused(status: refusal.status, reason: refusal.reason)
        report(RegistrarEvent(device: device, operation: operation, outcome: outcome))
        return ESTResponse(refusal.status, refusal.text)
    }

    // MARK: The first certificate

    private func enrol(_ request: ESTRequest, _ time: Int64, _ device: inout [UInt8]) throws -> Answer {
        var (id, entry, invitation) = try authenticate(request, time, &device)
        if entry.state.isBarred {
            throw ESTRefusal(403, "the device is \(entry.state.rawValue)", tells: "this device may not enrol")
        }
        let wanted = try certificateRequest(request)
        let key = try digest(wanted.publicKey.spki)
        if let used = invitation.key, used != key { throw unauthorised("the token was used with another key") }
        guard wanted.commonName == Array(id.utf8) else {
            throw ESTRefusal(403, "the request is for another device, \(printable(wanted.commonName ?? []))")
        }
        guard wanted.uris.isEmpty || wanted.uris == [Array(entry.urn.utf8)] else {
            throw ESTRefusal(403, "the request names other URIs than the registry")
        }
        if invitation.isUsed, let certificate = entry.certificate { return (certificate, .repeated) }
        invitation.key = key
        if invitation.waitsForApproval {
            entry.invitation = invitation
            entry.state = .pending
            try registry.store(id, entry)
            return (nil, .pending)
        }
        invitation.isUsed = true
        entry.invitation = invitation
        entry.predecessor = nil
        entry.state = .active
        return try certify(id, entry, wanted, time)
    }

    /// Who asks, if it has what its invitation and the rules want: a token, a factory certificate, or both.
    private func authenticate(
        _ request: ESTRequest, _ time: Int64, _ device: inout [UInt8]
    ) throws -> (String, DeviceEntry, Invitation) {
        if let (user, token) = request.credentials {
            device = Array(user.prefix(DeviceID.maximumLength))
            let (id, entry, invitation) = try invited(user)
            guard let expected = invitation.token else { throw unauthorised("the invitation has no token") }
            try require(token, expected, id, entry, invitation)
            if time > invitation.expires { throw unauthorised("the token has expired") }
            if let factory = rules.factory, factory.isSecondFactor {
                guard try certified(by: factory, request, time) == user else {
                    throw needsCertificate("the factory certificate is of another device")
                }
            }
            return (id, entry, invitation)
        }
        guard let factory = rules.factory, !request.certificate.isEmpty else { throw unauthorised("no id and token") }
        if factory.isSecondFactor { throw unauthorised("a factory certificate, but no id and token: --two-factors") }
        let name = try certified(by: factory, request, time)
        device = Array(name.prefix(DeviceID.maximumLength))
        let (id, entry, invitation) = try invited(name)
        guard invitation.token == nil else { throw unauthorised("the invitation needs its token") }
        if time > invitation.expires { throw unauthorised("the invitation has expired") }
        return (id, entry, invitation)
    }

    private func invited(_ name: [UInt8]) throws -> (String, DeviceEntry, Invitation) {
        guard DeviceID.isValid(name.span) else { throw unauthorised("the user is not a device id") }
        let id = String(decoding: name, as: UTF8.self)
        guard let entry = try registry.entry(id), let invitation = entry.invitation else {
            throw unauthorised("the device is not invited")
        }
        return (id, entry, invitation)
    }

    private func require(
        _ token: [UInt8], _ expected: [UInt8], _ id: String, _ entry: DeviceEntry, _ invitation: Invitation
    ) throws {
        var (entry, invitation) = (entry, invitation)
        if invitation.isVoid { throw unauthorised("the token is void: \(invitation.wrongTries) wrong ones came") }
        if isEqual(try Token.digest(token), expected) { return }
        // Once it is used it is good for the same answer only.
        if invitation.isUsed { throw unauthorised("a wrong token, and the right one is used") }
        invitation.wrongTries += 1
        entry.invitation = invitation
        try registry.store(id, entry)
        throw unauthorised("a wrong token, the \(invitation.wrongTries). of \(Invitation.maximumWrongTries)")
    }

    private func certified(
        by factory: FactoryAuthority, _ request: ESTRequest, _ time: Int64
    ) throws(ESTRefusal) -> [UInt8] {
        do throws(FactoryAuthority.Refusal) { return try factory.device(request.certificate, at: time) } catch {
            throw factory.isSecondFactor ? needsCertificate(error.reason) : unauthorised(error.reason)
        }
    }

    /// Only whoever has the token is told.
    private func needsCertificate(_ reason: String) -> ESTRefusal {
        ESTRefusal(403, reason, tells: "this registrar also wants the device's factory certificate")
    }

    /// The client is not told why: the answer has no text.
    private func unauthorised(_ reason: String) -> ESTRefusal {
        ESTRefusal(401, reason)
    }

    // MARK: The next certificate

    private func renew(_ request: ESTRequest, _ time: Int64, _ device: inout [UInt8]) throws -> Answer {
        guard let own = try? Certificate.all(inPEM: request.certificate.span).first else {
            throw ESTRefusal(403, "no client certificate")
        }
        let commonName = own.commonName ?? []
        device = commonName
        try verify(own, time)
        let id = String(decoding: commonName, as: UTF8.self)
        guard DeviceID.isValid(commonName.span), var entry = try registry.entry(id) else {
            throw ESTRefusal(403, "no certificate of a device in the registry")
        }
        if entry.state.isBarred {
            throw ESTRefusal(403, "the device is \(entry.state.rawValue)", tells: "this device may not renew")
        }
        let fingerprint = try digest(own.der)
        let isNewest = try own.der == entry.certificate
        guard isNewest || fingerprint == entry.predecessor else {
            throw ESTRefusal(403, "the certificate has been replaced")
        }
        let wanted = try certificateRequest(request)
        // RFC 7030 §4.2.2
        guard wanted.commonName == commonName, wanted.uris == own.uris, own.uris == [Array(entry.urn.utf8)] else {
            throw ESTRefusal(400, "the request has not the subject and the URI of the certificate")
        }
        if !isNewest, let newest = entry.certificate,
            try Certificate(der: newest.span).publicKey.spki == wanted.publicKey.spki
        {
            return (newest, .repeated)
        }
        entry.predecessor = fingerprint
        // It has arrived, since its certificate is used.
        if entry.invitation?.isUsed == true { entry.invitation = nil }
        return try certify(id, entry, wanted, time)
    }

    private func verify(_ certificate: Certificate, _ time: Int64) throws {
        let grace = rules.renewExpiredDays * 86_400
        let moment = time - certificate.notAfter <= grace ? min(time, certificate.notAfter) : time
        do throws(CertificateFailure) {
            try CertificateChain.verify(
                certificate, anchors: [authority.certificate], at: moment, purpose: .client)
        } catch {
            throw ESTRefusal(
                403, error == .expired ? "the certificate has expired" : "no certificate of ours (\(error))")
        }
    }

    // MARK: Both

    private func certificateRequest(_ request: ESTRequest) throws(ESTRefusal) -> CertificateRequest {
        guard let der = Base64.decoded(request.body) else { throw ESTRefusal(400, "the body is not base64") }
        do throws(OpenSSLError) { return try CertificateRequest(der: der.span) } catch {
            switch error {
            case .unsupportedKey: throw ESTRefusal(400, "the key is neither P-256 nor Ed25519")
            case .badSignature: throw ESTRefusal(400, "the request is not signed by its key")
            default: throw ESTRefusal(400, "the body is no certificate request")
            }
        }
    }

    private func certify(
        _ id: String, _ entry: DeviceEntry, _ wanted: CertificateRequest, _ time: Int64
    ) throws -> Answer {
        var entry = entry
        let end = min(time + rules.certificateDays * 86_400, authority.certificate.notAfter)
        let certificate = try authority.issueDevice(
            wanted.publicKey, commonName: id, uri: entry.urn, notBefore: time - 3600, notAfter: end)
        let der = try certificate.der
        entry.certificate = der
        try registry.store(id, entry)
        return (der, .issued(expires: end))
    }

    private func digest(_ bytes: [UInt8]) throws(Failure) -> [UInt8] { try Token.digest(bytes) }
}

/// In a time that says nothing of the place of a difference. Both have the same length.
private func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    zip(a, b).reduce(into: UInt8(a.count == b.count ? 0 : 1)) { $0 |= $1.0 ^ $1.1 } == 0
}
