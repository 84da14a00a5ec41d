// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

struct DeviceVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "device", abstract: "Adds devices.", subcommands: [DeviceAdd.self])
}

struct DeviceAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Makes key, certificate and configuration of a device, in a folder to be copied to it.",
        discussion: "The folder holds the device's private key: copy it over a protected way, and delete it here.")

    @OptionGroup var directory: DirectoryOption

    @Argument(help: "The device id: 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit.")
    var id: String

    @Option(help: ArgumentHelp("The folder to make; default: devices/ID in the gateway's directory.", valueName: "dir"))
    var output: String?

    @Option(help: "The device's URN, e.g. urn:dev:mac:0024befffe804ff1; default: one with random local digits.")
    var urn: String?

    @Option(help: "The name or address that the device reaches the broker by; the broker's certificate must bear it.")
    var host = "localhost"

    @Option(help: "The broker's port; default: that of the last run.")
    var port: UInt16?

    @Flag(help: "Make an Ed25519 key, which not every broker takes; default: P-256.")
    var ed25519 = false

    func validate() throws {
        guard DeviceID.isValid(Array(id.utf8).span) else {
            throw ValidationError(
                "'\(printable(id))' is not a device id: 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit."
            )
        }
        if Party(rawValue: id) != nil {
            throw ValidationError("'\(id)' is the name of a controller: no device may bear it.")
        }
        guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy(Self.isOfAddress) else {
            throw ValidationError("'\(printable(host))' is not a name or address: letters, digits, '.', '-', '_', ':'.")
        }
        if port == 0 { throw ValidationError("--port is from 1 to 65535.") }
        if let urn, !(PartyName.isValid(Array(urn.utf8).span) && urn.hasPrefix("urn:dev:")) {
            throw ValidationError("'\(printable(urn))' is not a device's URN: urn:dev:… of visible ASCII, RFC 9039.")
        }
    }

    func run() throws {
        let gateway = try directory.open()
        let port = try gateway.port(or: port)
        if output == nil { _ = try gateway.directory("devices") }
        let path = output ?? gateway.place("devices/\(id)")
        let uri = try urn ?? Self.randomURN()
        try NewDirectory.make(path, "a device") { try fill($0, gateway, uri, port) }
        print("\(path): files of \(id), \(uri), for the broker at \(host):\(port)")
    }

    private func fill(_ folder: GatewayDirectory, _ gateway: GatewayDirectory, _ uri: String, _ port: UInt16) throws {
        let authority = try gateway.authority()
        let validity = Validity.now()
        let key = try folder.generate(ed25519 ? .ed25519 : .p256, "device.key")
        let certificate = try issue("the device's certificate") { () throws(OpenSSLError) in
            try authority.issueDevice(
                key.publicKey, commonName: id, uri: uri, notBefore: validity.begin, notAfter: validity.end(years: 2))
        }
        try folder.create("device.pem", try pem(certificate))
        try folder.create("ca.pem", try gateway.read(GatewayDirectory.File.authority))
        let trust = try TrustFiles(gateway).first()
        try folder.create("trust.cbor", trust.message)
        let configuration = Self.configuration(id: id, host: host, port: port, root: try fingerprint(trust.root))
        try folder.create("martlet.conf", Array(configuration.utf8))
    }

    private static func isOfAddress(_ byte: UInt8) -> Bool {
        let character = Unicode.Scalar(byte)
        return character.isASCII && character.properties.isAlphabetic || (0x30...0x39).contains(byte)
            || [".", "-", "_", ":"].contains(character)
    }

    static func configuration(id: String, host: String, port: UInt16, root: String) -> String {
        """
        [device]
        id = \(id)

        [mqtt]
        host = \(host)
        port = \(port)

        [identity]
        key = device.key
        certificate = device.pem
        anchors = ca.pem

        [trust]
        root = \(root)
        document = trust.cbor

        """
    }

    /// A URN of a made-up address (RFC 9039 section 4.1): unicast, locally administered.
    private static func randomURN() throws(Failure) -> String {
        let bytes = try issue("a URN") { () throws(OpenSSLError) -> InlineArray<6, UInt8> in try Random.bytes() }
        let octets = [bytes[0] & 0xfc | 0x02, bytes[1], bytes[2], 0xff, 0xfe, bytes[3], bytes[4], bytes[5]]
        return "urn:dev:mac:" + hex(octets)
    }
}
