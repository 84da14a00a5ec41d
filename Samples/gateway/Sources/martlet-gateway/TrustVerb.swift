// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

struct TrustVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust",
        abstract: "Says who may command what: the document that devices obey, signed by root keys.",
        discussion: """
            Each change makes the next version of the document. 'run' gives it to every device that has an older one; \
            from then on the device obeys it, and no older one again.
            """,
        subcommands: [
            TrustShow.self, TrustAdd.self, TrustRevoke.self, TrustRotate.self, TrustAllow.self, TrustDeny.self,
            TrustRoots.self,
        ])
}

/// Which document is changed, and who signs.
struct TrustOptions: ParsableArguments {
    @OptionGroup var directory: DirectoryOption

    @Option(
        help: ArgumentHelp(
            "A root's private key to sign with, in a private directory; repeated for more; default: root.key.",
            valueName: "file"))
    var key: [String] = []

    /// Signs and stores what `body` makes of the newest document.
    func change(_ body: (inout TrustDocument) throws -> Void) throws {
        let place = try directory.open()
        let trust = try TrustFiles(place)
        var document = try trust.document()
        document.version += 1
        try body(&document)
        let names = key.isEmpty ? [place.place(TrustFiles.rootKey)] : key
        try trust.store(document, signedBy: try names.map { try GatewayDirectory.key(at: $0) })
        print("trust document \(document.version) is made: 'martlet-gateway run' gives it to the devices")
    }
}

/// A controller in the words of the command line.
enum TrustName {
    static func issuer(_ name: String) throws -> [UInt8] {
        let issuer = Array("urn:martlet:\(name)".utf8)
        guard !name.isEmpty, PartyName.isValid(issuer.span) else {
            throw ValidationError("'\(printable(name))' is not a controller's name: visible ASCII, 116 bytes.")
        }
        return issuer
    }

    static func key(_ file: String) throws(Failure) -> TrustDocument.Key {
        let pem = try at(file) { () throws(PosixError) in
            try PublicFile.read(file, limit: GatewayDirectory.maximumFileSize)
        }
        let key: PublicKey
        do throws(OpenSSLError) { key = try PublicKey(pem: pem.span) } catch {
            throw Failure("\(file): not a public key of P-256 or Ed25519 in PEM")
        }
        return try entry(key)
    }

    static func entry(_ key: PublicKey) throws(Failure) -> TrustDocument.Key {
        do throws(SigningError) { return try TrustSigner.entry(key) } catch { throw Failure("SHA-256 failed") }
    }
}

struct TrustShow: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Shows the newest document.")

    @OptionGroup var directory: DirectoryOption

    func run() throws { print(try TrustFiles(directory.open()).document().words) }
}

struct TrustAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Lets another key sign commands, within the rules of its roles.")

    @OptionGroup var options: TrustOptions

    @Argument(help: "Who it is; its messages have the issuer urn:martlet:NAME.")
    var name: String

    @Argument(help: "Its public key, in PEM.")
    var publicKey: String

    @Option(help: "A role; repeated for more. 'gateway' answers births, for others see 'trust allow'.")
    var role: [String]

    func run() throws {
        let controller = TrustDocument.Controller(
            name: try TrustName.issuer(name), key: try TrustName.key(publicKey), roles: role.map { Array($0.utf8) })
        try options.change { $0.controllers.append(controller) }
    }
}

struct TrustRevoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Ends the trust in a controller: its commands are refused.")

    @OptionGroup var options: TrustOptions

    @Argument(help: "Who it is.")
    var name: String

    func run() throws {
        let issuer = try TrustName.issuer(name)
        try options.change { document in
            let count = document.controllers.count
            document.controllers.removeAll { $0.name == issuer }
            if document.controllers.count == count { throw Failure("there is no controller '\(printable(name))'") }
        }
    }
}

struct TrustRotate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Gives a controller another key; the one before is refused from then on.")

    @OptionGroup var options: TrustOptions

    @Argument(help: "Who it is.")
    var name: String

    @Argument(help: "The new public key, in PEM.")
    var publicKey: String

    func run() throws {
        let (issuer, key) = (try TrustName.issuer(name), try TrustName.key(publicKey))
        try options.change { document in
            guard let index = document.controllers.firstIndex(where: { $0.name == issuer }) else {
                throw Failure("there is no controller '\(printable(name))'")
            }
            document.controllers[index].key = key
        }
    }
}

struct TrustRoots: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roots", abstract: "Changes the root keys, and how many of them must sign.",
        discussion: "As many of the old roots sign as have to now, and as many of the new ones as have to from then on."
    )

    @OptionGroup var options: TrustOptions

    @Option(help: ArgumentHelp("The public key of another root, in PEM; may be repeated.", valueName: "file"))
    var add: [String] = []

    @Option(help: ArgumentHelp("The public key of a root that is no longer one.", valueName: "file"))
    var remove: [String] = []

    @Option(help: "How many roots must sign.")
    var threshold: Int?

    func validate() throws {
        if add.isEmpty && remove.isEmpty && threshold == nil {
            throw ValidationError("Say what is to change: --add, --remove or --threshold.")
        }
    }

    func run() throws {
        let (added, removed) = (try add.map { try TrustName.key($0) }, try remove.map { try TrustName.key($0) })
        try options.change { document in
            for (file, key) in zip(remove, removed) where !document.roots.contains(key) {
                throw Failure("\(file): not the key of a root")
            }
            document.roots.removeAll { removed.contains($0) }
            document.roots += added
            document.threshold = threshold ?? document.threshold
        }
    }
}
