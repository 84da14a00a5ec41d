// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MartletController

struct DeviceInvite: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite",
        abstract: "Lets a device enrol once, and prints the label that it needs for that.",
        discussion: """
            The label says where registrar and broker are, whom to trust, and a token that is good for one enrolment. \
            It is a secret until the device has enrolled: bring it there over a protected way, as the file \
            /boot/martlet.uri or as QR code. With --factory the label has no token, and is no secret: 'run \
            --factory-authority' says whose certificates count; where --two-factors runs, it is of no use. A new \
            invitation ends the one before.
            """)

    private static let maximumHours = 24

    @OptionGroup var directory: DirectoryOption

    @OptionGroup var device: DeviceArgument

    @OptionGroup var options: DeviceOptions

    @Option(help: "The same of the registrar, whose certificate must bear it; default: the broker's.")
    var est: String?

    @Option(help: "The registrar's port; default: that of the last run.")
    var estPort: UInt16?

    @Option(help: ArgumentHelp("End of the invitation, 1 to 24 hours from now.", valueName: "hours"))
    var valid = maximumHours

    @Flag(help: "The device gets its certificate once 'device approve' says so.")
    var approveLater = false

    @Flag(help: "The device needs no token, but its factory certificate, whose common name is the id.")
    var factory = false

    @Flag(help: "Show a QR code, also if this is no terminal.")
    var qr = false

    func validate() throws {
        if let est { try HostArgument.validate(est) }
        if estPort == 0 { throw ValidationError("--est-port is from 1 to 65535.") }
        guard (1...Self.maximumHours).contains(valid) else {
            throw ValidationError("--valid is from 1 to \(Self.maximumHours) hours.")
        }
    }

    func run() throws {
        let gateway = try directory.open()
        let authority = try gateway.certificates(GatewayDirectory.File.authority)[0]
        let digest = try issue("SHA-256") { () throws(OpenSSLError) in try authority.sha256 }
        var label = Label(
            id: device.id, registrar: est ?? options.host, registrarPort: try gateway.registrarPort(or: estPort),
            broker: options.host, brokerPort: try gateway.port(or: options.port),
            authority: hex(digest.indices.map { digest[$0] }),
            root: try fingerprint(TrustFiles(gateway).first().root))
        let token = factory ? nil : try Token()
        label.token = token?.text
        try store(
            Invitation(
                token: try token?.digest(), expires: SystemClock.unixMilliseconds() / 1000 + Int64(valid) * 3600,
                waitsForApproval: approveLater), gateway)
        let isTerminal = isatty(1) == 1
        print(label.text)
        if qr || isTerminal { try QRCode.show(label.text) }
        if isTerminal {
            let secret = factory ? "" : ": it is a secret until then"
            print("Bring it to \(device.id) as /boot/martlet.uri within \(valid) h\(secret).")
        }
    }

    private func store(_ invitation: Invitation, _ gateway: GatewayDirectory) throws {
        let registry = try Registry(gateway)
        let lock = try registry.lock()
        defer { withExtendedLifetime(lock) {} }
        let (id, urn) = (device.id, options.urn)
        if let urn { try registry.requireFree(urn, for: id) }
        guard var entry = try registry.entry(id) else {
            let entry = DeviceEntry(state: .invited, urn: try urn ?? DeviceURN.random(), invitation: invitation)
            return try registry.store(id, entry)
        }
        if entry.state.isBarred {
            throw Failure("'\(id)' is \(entry.state.rawValue): use another id, or activate it if it is suspended")
        }
        entry.state = entry.certificate == nil ? .invited : .active
        entry.invitation = invitation
        try registry.store(id, entry)
    }
}

/// The secret of an invitation.
struct Token {
    /// 32 random bytes in base64url.
    let text: String

    init() throws(Failure) {
        let bytes = try issue("a token") { () throws(OpenSSLError) -> InlineArray<32, UInt8> in try Random.bytes() }
        text = Base64.url(bytes.indices.map { bytes[$0] })
    }

    func digest() throws(Failure) -> [UInt8] { try Self.digest(Array(text.utf8)) }

    static func digest(_ bytes: [UInt8]) throws(Failure) -> [UInt8] {
        let digest = try issue("SHA-256") { () throws(OpenSSLError) in try SHA256() }.digest(bytes.span)
        return digest.indices.map { digest[$0] }
    }
}
