// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

struct Initialise: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract:
            "Makes the authority, the files of broker and registrar, the keys of gateway and operator, and the root above them.",
        discussion: """
            The directory must not exist, or be empty. It appears when all is made; if that is interrupted, a part \
            stays in .NAME.new beside it, and the next call says so. So its parent must be yours to write, and it \
            cannot be a mount point: name a directory inside one.
            """)

    @OptionGroup var directory: DirectoryOption

    @Option(
        help: ArgumentHelp("Another DNS name that devices reach this machine by; may be repeated.", valueName: "name"))
    var name: [String] = []

    @Option(
        help: ArgumentHelp("Another IP address that devices reach this machine by; may be repeated.", valueName: "ip"))
    var address: [String] = []

    func run() throws {
        let path = directory.directory
        try NewDirectory.make(path, "a gateway") { try fill($0) }
        print("The gateway's files are in \(path). Next: martlet-gateway run --directory \(path)")
    }

    private func fill(_ place: GatewayDirectory) throws {
        let validity = Validity.now()
        let authority = try issue("the authority") { () throws(OpenSSLError) in
            try CertificateAuthority.selfSigned(
                commonName: "Martlet gateway", notBefore: validity.begin, notAfter: validity.end(years: 10))
        }
        try place.createSecret(GatewayDirectory.File.authorityKey) { () throws(OpenSSLError) in try authority.keyPEM() }
        try place.create(GatewayDirectory.File.authority, try pem(authority.certificate))

        let (names, addresses) = (["localhost"] + name, ["127.0.0.1", "::1"] + address)
        let end = validity.end(years: 2)
        let brokerKey = try place.generate(.p256, GatewayDirectory.File.brokerKey)
        let broker = try issue("the broker's names (--name, --address)") { () throws(OpenSSLError) in
            try authority.issueServer(
                brokerKey.publicKey, names: names, addresses: addresses, notBefore: validity.begin, notAfter: end)
        }
        try place.create(GatewayDirectory.File.broker, try pem(broker))
        let registrarKey = try place.generate(.p256, GatewayDirectory.File.registrarKey)
        let registrar = try issue("the registrar's names") { () throws(OpenSSLError) in
            try authority.issueRegistrar(
                registrarKey.publicKey, names: names, addresses: addresses, notBefore: validity.begin, notAfter: end)
        }
        try place.create(GatewayDirectory.File.registrar, try pem(registrar))

        for party in Party.allCases {
            try place.certify(party, by: authority)
        }
        for party in Party.controllers {
            let signingKey = try place.generate(.p256, party.signingKey)
            try place.create(
                party.publicKey, try issue(party.rawValue) { () throws(OpenSSLError) in try signingKey.publicKey.pem() }
            )
        }
        try makeTrust(place)
        try BrokerFiles(directory: place).writeAccessRules(barred: [])
    }
}

extension Initialise {
    /// What the operator may send at first: the commands of the sample agents.
    private static let rules = [
        TrustDocument.Rule(command: Array("identify".utf8), whileSuspended: true),
        TrustDocument.Rule(
            command: Array("log-level".utf8),
            arguments: [["error", "warning", "info", "debug"].map { .text(Array($0.utf8)) }], whileSuspended: true),
        TrustDocument.Rule(command: Array("read-now".utf8), rate: TrustDocument.Rate(count: 30, seconds: 60)),
        TrustDocument.Rule(
            command: Array("set-interval".utf8), arguments: [[.integer(1), .integer(86_400)]]),
    ]

    /// The root, and the first document.
    private func makeTrust(_ place: GatewayDirectory) throws {
        let root = try place.generate(.p256, TrustFiles.rootKey)
        try place.create("root.pub", try issue("root") { () throws(OpenSSLError) in try root.publicKey.pem() })
        let controllers = try Party.controllers.map { party in
            TrustDocument.Controller(
                name: party.issuer, key: try TrustName.entry(place.key(party.signingKey).publicKey),
                roles: [Array((party.role ?? "").utf8)])
        }
        let document = TrustDocument(
            version: 1, roots: [try TrustName.entry(root.publicKey)], threshold: 1, controllers: controllers,
            policy: [TrustDocument.Role(name: Array((Party.operator.role ?? "").utf8), rules: Self.rules)])
        try TrustFiles(place).store(document, signedBy: [root])
    }
}

/// From when to when new certificates are valid, in seconds since 1970.
struct Validity {
    /// An hour ago, for clocks that are a little behind.
    let begin: Int64

    static func now() -> Validity { Validity(begin: SystemClock.unixMilliseconds() / 1000 - 3600) }

    func end(years: Int64) -> Int64 { begin + years * 365 * 86_400 }
}

/// Runs a step of OpenSSL; its failure is told together with `what`.
func issue<Result>(_ what: String, _ body: () throws(OpenSSLError) -> Result) throws(Failure) -> Result {
    do throws(OpenSSLError) { return try body() } catch {
        switch error {
        case .invalidName: throw Failure("\(what): not a name that a certificate may bear")
        case .failed: throw Failure("\(what): OpenSSL failed")
        default: throw Failure("\(what): OpenSSL refused it (\(error))")
        }
    }
}

func pem(_ certificate: Certificate) throws(Failure) -> [UInt8] {
    try issue("the certificate") { () throws(OpenSSLError) in try certificate.pem() }
}

extension GatewayDirectory {
    /// Makes what a party connects to the broker with.
    func certify(_ party: Party, by authority: CertificateAuthority) throws(Failure) {
        let validity = Validity.now()
        let key = try generate(.p256, party.tlsKey)
        let certificate = try issue(party.rawValue) { () throws(OpenSSLError) in
            try authority.issueClient(
                key.publicKey, commonName: party.rawValue, notBefore: validity.begin,
                notAfter: validity.end(years: 2))
        }
        try create(party.tlsCertificate, try pem(certificate))
    }

    /// Makes a key and stores it.
    func generate(_ kind: KeyKind, _ name: String) throws(Failure) -> PrivateKey {
        let key = try issue("a key") { () throws(OpenSSLError) in try PrivateKey.generate(kind) }
        try createSecret(name) { () throws(OpenSSLError) in try key.pem() }
        return key
    }

    /// Stores a secret in PEM and wipes its copy.
    func createSecret(_ name: String, _ pem: () throws(OpenSSLError) -> [UInt8]) throws(Failure) {
        var bytes = try issue(name, pem)
        defer { secureZero(&bytes) }
        try create(name, bytes)
    }
}
