// SPDX-License-Identifier: Apache-2.0

import MartletEnrolment
import MartletOpenSSL

/// One run of `martlet onboard`.
struct Onboarder {
    private let options: Onboard.Options
    private let directory: DeviceDirectory
    private let source: LabelSource

    init(_ options: Onboard.Options) throws(Failure) {
        self.options = options
        source = try LabelSource(path: options.label)
        directory = try DeviceDirectory(options.directory, for: .onboarding)
    }

    func run() throws(Failure) {
        let current = try directory.credential()
        guard let label = source.label else {
            // Gone: one of the last things that onboarding does.
            if let current { return try finish(current) }
            throw Failure(.usage, "", options.label ?? [], ": there is no label, and the device is not onboarded")
        }
        tell("label", "the label is that of", label.id)
        guard let good = current, try isDone(good, label) else { return try enrol(label, replacing: current) }
        if try directory.isUnfinished(good) { return try finish(good) }
        _ = try directory.sweep(good)
        tell("unused", "the device has a good certificate: this label was not used")
    }

    /// Whether this label may have made what is there, and is not to make it anew. Throws if it is not for this directory.
    private func isDone(_ current: Credential, _ label: EnrolmentLabel) throws(Failure) -> Bool {
        guard current.id == label.id else {
            throw Failure(
                .usage, "the directory belongs to ", current.id, ", the label does not: use another directory")
        }
        let hasRoot = try directory.hasRoot(of: label)
        let mayHaveEnded = current.mayHaveEnded
        let isUnfinished = try directory.isUnfinished(current)
        if hasRoot, try directory.hasAuthority(of: label), isUnfinished || !mayHaveEnded { return true }
        // Of two files one would be left.
        if hasRoot, mayHaveEnded, try directory.credential(DeviceFiles.credential) != nil { return false }
        throw Failure(
            .usage, "", directory.path(of: DeviceFiles.credential),
            " is of another label, has not ended, or lacks its key: to begin anew, move it and martlet.conf away")
    }

    /// The key that an earlier run of this label made.
    private func keptKey(_ label: EnrolmentLabel, _ current: Credential?) throws(Failure) -> PrivateKey? {
        guard let kept = try directory.key(DeviceFiles.pendingKey) else {
            if current == nil { try directory.requireEmpty() }
            return nil
        }
        // It is certified, and what it was certified for has ended.
        if kept.key.publicKey.spki == current?.key.publicKey.spki { return nil }
        guard kept.id.isEmpty || kept.id == label.id else {
            throw Failure(
                .usage, "", directory.path(of: DeviceFiles.pendingKey),
                " was begun with the label of another device: use another directory, or remove it")
        }
        tell("key", "goes on with the key of an earlier run")
        return kept.key
    }

    /// What the device left the factory with: a credential, which says nothing of whom to trust.
    private func factoryCredential(_ label: EnrolmentLabel) throws(Failure) -> Credential? {
        guard let factory = try directory.factoryCredential() else { return nil }
        guard factory.id == label.id else {
            throw Failure(
                .usage, "", directory.path(of: DeviceFiles.factoryCredential),
                " is of another device than the label: it must have the label's id as common name")
        }
        tell(
            "factory", "shows the verified registrar its certificate of",
            directory.path(of: DeviceFiles.factoryCredential))
        return factory
    }

    private func enrol(_ label: EnrolmentLabel, replacing current: Credential?) throws(Failure) {
        let factory = try factoryCredential(label)
        let kept = try keptKey(label, current)
        var anchors: [Certificate] = []
        let anchorFile = try current == nil ? DeviceFiles.anchors : directory.anchors()
        if label.authority == nil {
            guard let installed = try directory.certificates(anchorFile) else {
                throw Failure(
                    .usage, "the label does not tell whose certificates to trust: add ca= to it, or install ",
                    directory.path(of: anchorFile))
            }
            anchors = installed
        }
        let servers = try Servers(label)
        if servers.isRegistrarFound {
            tell("registrar", "the network proposes the registrar", servers.registrar.address.text)
        }
        if label.broker == nil { tell("broker", "the network proposes the broker", servers.broker.text) }
        let key: PrivateKey
        if let kept {
            key = kept
        } else {
            key = try directory.makeKey(DeviceFiles.pendingKey, id: label.id)
            tell("key", "made a key:", directory.path(of: DeviceFiles.pendingKey))
        }

        let request: CertificateRequest
        do throws(OpenSSLError) {
            let id = String(decoding: label.id, as: UTF8.self)
            request = try CertificateRequest(key: key, commonName: id, uri: nil)
        } catch { throw Failure(.system, "OpenSSL made no request") }
        var registrar = Registrar(servers.registrar, isFound: servers.isRegistrarFound, showing: factory)
        var intermediates: [Certificate]?
        var onboarding = Onboarding(isPinned: label.authority != nil, patience: options.wait)
        while true {
            switch onboarding.step {
            case .bootstrap:
                tell(
                    "bootstrap", "asks for the authority's certificate, whoever answers:",
                    servers.registrar.url(.authorities))
                try onboarding.accept(try registrar.bootstrap())
            case .trust(let bag):
                anchors = [try Registrar.anchor(in: bag, label)]
                tell("anchor", "found the authority that the label names")
                onboarding.proceed()
            case .ask(let operation):
                tell(operation.step, "asks the registrar:", servers.registrar.url(operation))
                // The token goes with the request alone.
                let answer =
                    try operation == .enrol
                    ? registrar.ask(.enrol, trusting: anchors, request: request, authorization: label.authorization)
                    : registrar.ask(operation, trusting: anchors)
                try onboarding.accept(answer)
                // What cannot be read is found out before the token is sent.
                if intermediates == nil, case .ask(.attributes) = onboarding.step {
                    intermediates = try Registrar.certificates(onboarding.authorities)
                }
            case .wait(let seconds):
                tell("wait", "the registrar says later; seconds to wait:", [UInt8](decimal: seconds))
                try registrar.pause(seconds)
                onboarding.proceed()
            case .pending(let seconds): throw Registrar.later(seconds)
            case .judge(let bag):
                let issued = try Registrar.issued(
                    try Registrar.certificates(bag) + (intermediates ?? []), for: key, id: label.id, uri: nil,
                    anchors: anchors, time: Registrar.time)
                tell("issued", "the device is certified as", issued.first?.uris.first ?? [])
                guard let credential = Credential(key, issued, generation: (current?.generation ?? 0) + 1) else {
                    throw Failure(.system, "OpenSSL took a certificate for that of another key")
                }
                if label.authority != nil { try install(anchors, in: anchorFile, replacing: current) }
                return try store(credential, label, servers, replacing: current)
            }
        }
    }

    /// Beside those that a device already has: its broker's may be among them.
    private func install(
        _ anchors: [Certificate], in name: String, replacing current: Credential?
    ) throws(Failure) {
        let known = try current == nil ? [] : directory.certificates(name) ?? []
        let new = anchors.filter { anchor in !known.contains { (try? $0.der) == (try? anchor.der) } }
        if !new.isEmpty { try directory.write(name, try Credential.pem(known + new)) }
    }

    /// A device's configuration is what its owner made of it: only the first one is written.
    private func store(
        _ credential: Credential, _ label: EnrolmentLabel, _ servers: Servers, replacing current: Credential?
    ) throws(Failure) {
        if current == nil {
            try directory.write(
                DeviceFiles.configuration,
                DeviceFiles.configuration(label, broker: servers.broker, registrar: servers.registrar))
            try directory.write(DeviceFiles.credential, credential)
        } else {
            try directory.discardNext()
            try directory.write(DeviceFiles.nextCredential, credential)
            _ = try directory.installNext()
        }
        try finish(credential)
    }

    /// The key's first name goes last: as long as it is there, the label may be.
    private func finish(_ credential: Credential) throws(Failure) {
        try source.erase()
        _ = try directory.sweep(credential)
        tell("done", "onboarded; the device's configuration:", directory.path(of: DeviceFiles.configuration))
    }

    private func tell(_ step: StaticString, _ text: StaticString, _ detail: [UInt8] = []) {
        Output.tell(step, text, detail, isJSON: options.isJSON)
    }
}
