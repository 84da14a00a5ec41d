// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletCOSE
import MartletEnrolment
import MartletMessages
import MartletOpenSSL

/// One run of `martlet renew`.
struct Renewer {
    /// The most authorities that are kept.
    static let maximumAnchors = 8
    /// How often the back end is asked, and seconds between: it may learn of a device a moment after the registrar did,
    /// and a device that runs disturbs.
    static let tries = 3
    static let pause: UInt32 = 2

    private let options: Renew.Options
    private let directory: DeviceDirectory
    private let settings: RenewalSettings
    private let current: Credential
    private let name: [UInt8]
    private let due: Int64
    /// Before it no clock can be right. Seconds since 1970.
    private let earliest: Int64

    init(_ options: Renew.Options) throws(Failure) {
        self.options = options
        directory = try DeviceDirectory(options.directory, for: .renewal)
        settings = try RenewalSettings(directory)
        let path = directory.path(of: DeviceFiles.credential)
        guard let current = try directory.credential(DeviceFiles.credential) else {
            throw Failure(.usage, "", path, " holds no private key: is the device onboarded?")
        }
        guard current.id == settings.configuration.id, current.leaf.uris.count == 1,
            let name = current.leaf.uris.first, let fingerprint = try? current.leaf.sha256
        else { throw Failure(.usage, "", path, " is not of the device that martlet.conf names") }
        self.current = current
        self.name = name
        due = RenewalTime.due(
            notBefore: current.leaf.notBefore, notAfter: current.leaf.notAfter, fingerprint: Digest(fingerprint))
        earliest = max(Registrar.buildTime, current.leaf.notBefore)
    }

    func run() throws(Failure) -> Status {
        // Where the one before is left, an earlier run ended behind its last step.
        if try directory.sweep(current) { return done(current) }
        if let next = try directory.credential(DeviceFiles.nextCredential) {
            if next.id == current.id, next.leaf.uris == current.leaf.uris, !next.hasEnded(at: lowerTime) {
                tell("next", "goes on with the certificate of an earlier run")
                return try install(next, trusting: try anchors())
            }
            try directory.discardNext()
        }
        let system = Registrar.systemTime
        if !options.isNow, system >= earliest, system < due { return notDue() }
        return try renew()
    }

    // MARK: The registrar

    private func renew() throws(Failure) -> Status {
        var registrar = Registrar(settings.registrar, showing: current)
        let asked: (Credential, [Certificate])?
        do throws(Failure) { asked = try ask(.renew, &registrar) } catch {
            // Where a certificate has ended, a refusal is no fault that passes.
            let hasEnded = registrar.date.map { current.hasEnded(at: max(lowerTime, $0)) } ?? current.mayHaveEnded
            guard hasEnded, error.status == .negative else { throw error }
            asked = try recover(after: error)
        }
        guard let (next, anchors) = asked else { return notDue() }
        try directory.write(DeviceFiles.nextCredential, next)
        return try install(next, trusting: anchors)
    }

    /// What is left to a device whose certificate has ended: the one that it left the factory with, or its operator.
    private func recover(after refusal: Failure) throws(Failure) -> (Credential, [Certificate])? {
        var refusal = refusal
        if let factory = try directory.factoryCredential(), factory.id == current.id {
            tell(
                "factory", "the certificate has ended and was refused: shows that of",
                directory.path(of: DeviceFiles.factoryCredential))
            var registrar = Registrar(settings.registrar, showing: factory)
            do throws(Failure) { return try ask(.enrol, &registrar) } catch {
                guard error.status == .negative else { throw error }
                refusal = error
            }
        }
        tell("needs-operator", "the device needs its operator")
        throw Failure(
            .negative, "needs-operator: the certificate has ended, and was not renewed: ", refusal.text,
            ". A new label helps: martlet onboard takes it in the same directory")
    }

    /// The next credential, and the authorities from now on; nil if the registrar's clock says that it is not due.
    private func ask(
        _ goal: ESTServer.Operation, _ registrar: inout Registrar
    ) throws(Failure) -> (Credential, [Certificate])? {
        var trusted = try anchors()
        var authorities: [Certificate] = []
        var key = current.key
        var enrolment = Onboarding(for: goal, isKeyKnown: options.keepsKey, patience: options.wait)
        while true {
            switch enrolment.step {
            case .ask(.authorities):
                tell(asking: .authorities)
                try enrolment.accept(try registrar.ask(.authorities, trusting: trusted))
                guard case .ask = enrolment.step else { continue }
                guard try isDue(registrar) else { return nil }
                authorities = try Registrar.certificates(enrolment.authorities)
                trusted = try adopt(authorities, trusted)
                if !options.keepsKey { key = try nextKey() }
            case .ask(.attributes):
                tell(asking: .attributes)
                try enrolment.accept(try registrar.ask(.attributes, trusting: trusted))
            case .ask(let operation):
                tell(asking: operation)
                let request: CertificateRequest
                do throws(OpenSSLError) {
                    request =
                        operation == .renew
                        ? try CertificateRequest(key: key, renewing: current.leaf)
                        : try CertificateRequest(
                            key: key, commonName: String(decoding: current.id, as: UTF8.self), uri: nil)
                } catch { throw Failure(.system, "OpenSSL made no request") }
                try enrolment.accept(try registrar.ask(operation, trusting: trusted, request: request))
            case .wait(let seconds):
                tell("wait", "the registrar says later; seconds to wait:", [UInt8](decimal: seconds))
                try registrar.pause(seconds)
                enrolment.proceed()
            case .judge(let bag):
                return (try judge(bag, authorities, trusted, key), trusted)
            case .pending(let seconds): throw Registrar.later(seconds)
            // Of onboarding alone.
            case .bootstrap, .trust: throw Failure(.system, "renewal does not begin without trust")
            }
        }
    }

    /// A clock that is before the certificate's beginning is wrong: then the registrar's counts, for this decision alone.
    /// It proved its name on this very connection, and all that a wrong date of its could do is a renewal too early or too
    /// late, which it may refuse or delay anyway.
    private func isDue(_ registrar: Registrar) throws(Failure) -> Bool {
        if options.isNow || Registrar.systemTime >= earliest { return true }
        if let date = registrar.date, date >= earliest { return date >= due }
        throw Failure(.system, "neither this device's clock nor the registrar's can be right: set it, or use --now")
    }

    private func judge(
        _ bag: [UInt8], _ authorities: [Certificate], _ anchors: [Certificate], _ key: PrivateKey
    ) throws(Failure) -> Credential {
        let chain = try Registrar.issued(
            try Registrar.certificates(bag) + authorities, for: key, id: current.id, uri: name, anchors: anchors,
            time: lowerTime)
        guard let next = Credential(key, chain, generation: current.generation + 1),
            let old = try? current.leaf.der, let new = try? next.leaf.der, old != new
        else { throw Failure(.negative, "the registrar issued the certificate again that the device has already") }
        tell("issued", "the next certificate ends", [UInt8](date: next.leaf.notAfter))
        return next
    }

    /// The next key, durable before the registrar sees it: that of a run that was cut short, or a new one.
    private func nextKey() throws(Failure) -> PrivateKey {
        if let kept = try directory.key(DeviceFiles.nextKey), kept.id == current.id,
            kept.key.publicKey.spki != current.key.publicKey.spki
        {
            tell("key", "goes on with the key of an earlier run")
            return kept.key
        }
        try directory.erase(DeviceFiles.nextKey)
        let key = try directory.makeKey(DeviceFiles.nextKey, id: current.id)
        tell("key", "made a key:", directory.path(of: DeviceFiles.nextKey))
        return key
    }

    // MARK: The authorities

    private func anchors() throws(Failure) -> [Certificate] {
        if let anchors = try directory.certificates(settings.anchors) { return anchors }
        throw Failure(.usage, "", directory.path(of: settings.anchors), " is missing")
    }

    /// Takes in the new roots of an authority that rolls over (RFC 7030 section 4.1.3), durable before they are needed.
    /// Those that have ended go, as long as others stay.
    private func adopt(
        _ authorities: [Certificate], _ anchors: [Certificate]
    ) throws(Failure) -> [Certificate] {
        let time = lowerTime
        let good = anchors.filter { $0.notAfter >= time }
        var result = good.isEmpty ? anchors : good
        var isNew = result.count != anchors.count
        for authority in authorities where authority.isRoot && authority.notAfter >= time {
            guard result.count < Self.maximumAnchors, let der = try? authority.der,
                !result.contains(where: { (try? $0.der) == der })
            else { continue }
            tell("anchor", "the registrar has a new authority:", authority.commonName ?? [])
            result.append(authority)
            isNew = true
        }
        if isNew { try directory.write(settings.anchors, try Credential.pem(result)) }
        return result
    }

    // MARK: The back end

    /// Tries the next credential at the broker, or by HTTPS, and only then lets it take the place of the one before. If it
    /// is refused, and the one before is not, it is erased, so that the next run asks for another one.
    private func install(_ next: Credential, trusting anchors: [Certificate]) throws(Failure) -> Status {
        // Its key is in next.pem.
        try directory.erase(DeviceFiles.nextKey)
        tell("try", "tries the new certificate at the back end")
        var count = 1
        while true {
            do throws(Failure) {
                try tryOut(next, anchors)
                break
            } catch {
                // A device that runs comes back, with the client id of this connection, which then ends.
                guard error.status == .negative || error.wasAccepted && count < Self.tries else { throw error }
                if count == Self.tries {
                    tell("compare", "the new certificate is refused: tries the one before")
                    // One that has ended is refused in any case.
                    if current.hasEnded(at: lowerTime) || isCurrentTaken(anchors) { try directory.discardNext() }
                    throw error
                }
            }
            count += 1
            try Registrar.wait(Self.pause)
        }
        if try !directory.installNext() {
            tell("not-erased", "this file system cannot exchange names: what the old key was written to is not erased")
        }
        return done(next)
    }

    /// Whether the back end takes the present credential: otherwise what it refuses is perhaps a token, or a rule.
    private func isCurrentTaken(_ anchors: [Certificate]) -> Bool {
        do throws(Failure) {
            try show(current, anchors) { _ in }
            return true
        } catch { return false }
    }

    private func tryOut(_ next: Credential, _ anchors: [Certificate]) throws(Failure) {
        let spki = next.key.publicKey.spki
        let event = spki == current.key.publicKey.spki ? nil : Event.nextKey(try digest(spki))
        try show(next, anchors) { (way) throws(Failure) in
            guard let event else { return }
            do throws(Failure) { try Notice.send(event, signedBy: current.key, over: way) } catch {
                // The certificate was taken.
                var failure = error
                failure.status = .system
                throw failure
            }
        }
    }

    private func show(
        _ credential: Credential, _ anchors: [Certificate],
        _ body: (any BackEndConnection) throws(Failure) -> Void
    ) throws(Failure) {
        let backEnd = BackEnd(
            configuration: settings.configuration, anchors: anchors, chain: credential.chain, key: credential.key,
            tell: tell)
        try backEnd.speak(body)
    }

    private func digest(_ bytes: [UInt8]) throws(Failure) -> Digest {
        do throws(OpenSSLError) { return Digest(try SHA256().digest(bytes.span)) } catch {
            throw Failure(.system, "OpenSSL has no SHA-256")
        }
    }

    // MARK: The end

    private func done(_ credential: Credential) -> Status {
        tell(
            "done", "the device takes its new credential at its next start; it ends",
            [UInt8](date: credential.leaf.notAfter))
        return .success
    }

    private func notDue() -> Status {
        tell("not-due", "the certificate is not due before", [UInt8](date: due))
        return .nothingToDo
    }

    /// Not before what is certain.
    private var lowerTime: Int64 { max(Registrar.systemTime, earliest) }

    private func tell(asking operation: ESTServer.Operation) {
        tell(operation.step, "asks the registrar:", settings.registrar.url(operation))
    }

    private func tell(_ step: StaticString, _ text: StaticString, _ detail: [UInt8] = []) {
        Output.tell(step, text, detail, isJSON: options.isJSON)
    }
}
