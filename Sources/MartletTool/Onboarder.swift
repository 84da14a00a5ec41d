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
        directory = try DeviceDirectory(options.directory)
    }

    func run() throws(Failure) {
        let credential = try directory.credential()
        guard let label = source.label else {
            // Gone: the last thing that onboarding does.
            switch credential {
            case .complete(let id): return try finish(id)
            case .issued(let id):
                try directory.complete()
                return try finish(id)
            case .pending, .none:
                throw Failure(.usage, "", options.label ?? [], ": there is no label, and the device is not onboarded")
            }
        }
        tell("label", "the label is that of", label.id)
        switch credential {
        case .complete(let id):
            try requireMade(by: label, id)
            try finish(id)
        case .issued(let id):
            try requireMade(by: label, id)
            try directory.complete()
            try finish(id)
        case .pending(let key):
            tell("key", "goes on with the key of an earlier run")
            try enrol(label, key)
        case .none:
            try directory.requireNoConfiguration()
            try enrol(label, nil)
        }
    }

    /// A label that says something else is not used up.
    private func requireMade(by label: EnrolmentLabel, _ id: [UInt8]) throws(Failure) {
        guard id == label.id else {
            throw Failure(.usage, "the directory belongs to ", id, ", the label does not: use another directory")
        }
        if try directory.isMade(by: label, time: Registrar.time) { return }
        throw Failure(
            .usage, "", directory.path(of: DeviceFiles.key),
            " is of another label, or its certificate has ended: to begin anew, move it and martlet.conf away")
    }

    /// `key` is nil before the first request.
    private func enrol(_ label: EnrolmentLabel, _ kept: PrivateKey?) throws(Failure) {
        var anchors: [Certificate] = []
        if label.authority == nil {
            guard let installed = try directory.installedAnchors() else {
                throw Failure(
                    .usage, "the label does not tell whose certificates to trust: add ca= to it, or install ",
                    directory.path(of: DeviceFiles.anchors))
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
            key = try directory.makeKey()
            tell("key", "made a key:", directory.path(of: DeviceFiles.pendingKey))
        }

        var registrar = Registrar(servers, label, key)
        var intermediates: [Certificate]?
        var onboarding = Onboarding(isPinned: label.authority != nil, patience: options.wait)
        while true {
            switch onboarding.step {
            case .bootstrap:
                tell(
                    "bootstrap", "asks for the authority's certificate, whoever answers:",
                    servers.registrar.url(.authorities))
                try take(try registrar.bootstrap(), &onboarding)
            case .trust(let bag):
                anchors = [try Registrar.anchor(in: bag, label)]
                tell("anchor", "found the authority that the label names")
                onboarding.proceed()
            case .ask(let operation):
                tell(
                    operation == .enrol ? "enrol" : "authorities", "asks the registrar:",
                    servers.registrar.url(operation))
                try take(try registrar.ask(operation, trusting: anchors), &onboarding)
                // What cannot be read is found out before the token is sent.
                if intermediates == nil, case .ask(.enrol) = onboarding.step {
                    intermediates = try Registrar.certificates(onboarding.authorities)
                }
            case .wait(let seconds):
                tell("wait", "the registrar says later; seconds to wait:", decimal(seconds))
                try registrar.pause(seconds)
                onboarding.proceed()
            case .pending(let seconds):
                throw Failure(
                    .pending, "the registrar says later: run this again in ", decimal(seconds), " seconds")
            case .judge(let bag):
                let issued = try registrar.issued(bag, intermediates ?? [], anchors)
                return try store(issued, label, servers.broker, anchors: label.authority == nil ? nil : anchors)
            }
        }
    }

    private func take(_ answer: ESTAnswer, _ onboarding: inout Onboarding) throws(Failure) {
        do throws(EnrolmentError) { try onboarding.take(answer) } catch {
            var detail = [UInt8](error.text)
            if case .status(let status) = error {
                detail.add(": HTTP status ")
                detail += decimal(UInt32(clamping: status))
            }
            throw Failure(.negative, "", detail)
        }
    }

    /// Nothing is used before the key has its new name, and everything it needs is there by then.
    private func store(
        _ chain: [Certificate], _ label: EnrolmentLabel, _ broker: ServerAddress, anchors: [Certificate]?
    ) throws(Failure) {
        tell("issued", "the device is certified as", chain.first?.uris.first ?? [])
        if let anchors { try directory.write(DeviceFiles.anchors, try pem(anchors)) }
        try directory.write(DeviceFiles.configuration, DeviceFiles.configuration(label, broker: broker))
        try directory.write(DeviceFiles.certificate, try pem(chain))
        try directory.complete()
        try finish(label.id)
    }

    private func finish(_ id: [UInt8]) throws(Failure) {
        try source.erase()
        tell("done", "onboarded; the device's configuration:", directory.path(of: DeviceFiles.configuration))
    }

    private func pem(_ certificates: [Certificate]) throws(Failure) -> [UInt8] {
        var text: [UInt8] = []
        do throws(OpenSSLError) {
            for certificate in certificates { text += try certificate.pem() }
        } catch { throw Failure(.system, "OpenSSL did not encode a certificate") }
        return text
    }

    private func decimal(_ number: UInt32) -> [UInt8] {
        var text: [UInt8] = []
        text.add(number)
        return text
    }

    private func tell(_ step: StaticString, _ text: StaticString, _ detail: [UInt8] = []) {
        Output.tell(step, text, detail, isJSON: options.isJSON)
    }
}
