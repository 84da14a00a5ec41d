// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

struct DeviceVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "device", abstract: "Says which devices there are, and which may have a certificate.",
        subcommands: [
            DeviceInvite.self, DeviceAdd.self, DeviceList.self, DeviceApprove.self, DeviceSuspend.self,
            DeviceActivate.self, DeviceRetire.self,
        ])
}

struct DeviceAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Makes key, certificate and configuration of a device, in a folder to be copied to it.",
        discussion: "The folder holds the device's private key: copy it over a protected way, and delete it here.")

    @OptionGroup var directory: DirectoryOption

    @OptionGroup var device: DeviceArgument

    @Option(help: ArgumentHelp("The folder to make; default: devices/ID in the gateway's directory.", valueName: "dir"))
    var output: String?

    @OptionGroup var options: DeviceOptions

    @Flag(help: "Make an Ed25519 key, which not every broker takes; default: P-256.")
    var ed25519 = false

    private var id: String { device.id }

    func run() throws {
        let gateway = try directory.open()
        let port = try gateway.port(or: options.port)
        let registry = try Registry(gateway)
        let lock = try registry.lock()
        defer { withExtendedLifetime(lock) {} }
        let known = try registry.entry(id)
        if let known, known.state.isBarred {
            throw Failure("'\(id)' is \(known.state.rawValue): use another id, or activate it if it is suspended")
        }
        if let urn = options.urn { try registry.requireFree(urn, for: id) }
        if output == nil { _ = try gateway.directory("devices") }
        let path = output ?? gateway.place("devices/\(id)")
        let uri = try options.urn ?? known?.urn ?? DeviceURN.random()
        try NewDirectory.make(path, "a device") { folder in
            let certificate = try fill(folder, gateway, uri, port)
            let der = try issue("the certificate") { () throws(OpenSSLError) in try certificate.der }
            try registry.store(id, DeviceEntry(state: .active, urn: uri, certificate: der))
        }
        print("\(path): files of \(id), \(uri), for the broker at \(options.host):\(port)")
        if let https = try gateway.httpsPort {
            print(
                "A program with HTTPS takes also: [https], and below it: url = https://\(Self.name(options.host)):\(https)/"
            )
        }
    }

    private func fill(
        _ folder: GatewayDirectory, _ gateway: GatewayDirectory, _ uri: String, _ port: UInt16
    ) throws -> Certificate {
        let authority = try gateway.authority()
        let validity = Validity.now()
        let key = try issue("a key") { () throws(OpenSSLError) in
            try PrivateKey.generate(ed25519 ? .ed25519 : .p256)
        }
        let certificate = try issue("the device's certificate") { () throws(OpenSSLError) in
            try authority.issueDevice(
                key.publicKey, commonName: id, uri: uri, notBefore: validity.begin, notAfter: validity.end(years: 2))
        }
        // One file, so that the device can renew both in one step.
        try folder.createSecret("device.pem") { () throws(OpenSSLError) in try key.pem() + certificate.pem() }
        try folder.create("anchors.pem", try gateway.read(GatewayDirectory.File.authority))
        let trust = try TrustFiles(gateway).first()
        try folder.create("trust.cbor", trust.message)
        let configuration = Self.configuration(
            id: id, host: options.host, port: port, registrarPort: try gateway.registrarPort,
            root: try fingerprint(trust.root))
        try folder.create("martlet.conf", Array(configuration.utf8))
        return certificate
    }

    /// `registrarPort` is nil if there never was a registrar.
    static func configuration(
        id: String, host: String, port: UInt16, registrarPort: UInt16?, root: String
    ) -> String {
        var text = """
            [device]
            id = \(id)

            [mqtt]
            host = \(host)
            port = \(port)

            [identity]
            key = device.pem
            certificate = device.pem
            anchors = anchors.pem

            [trust]
            root = \(root)
            document = trust.cbor

            """
        if let registrarPort {
            text += "\n[enrolment]\nregistrar = \(name(host)):\(registrarPort)\n"
        }
        return text
    }

    /// As it stands before a port.
    private static func name(_ host: String) -> String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host }
}
