// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL

/// Servers whose certificate must be refused.
extension BadServer {
    static let serverUsage = "extendedKeyUsage=serverAuth"
    static let localhost = "subjectAltName=DNS:localhost"
    /// What a good certificate says.
    static let good = [localhost, serverUsage]

    /// Refused for its name, which is given as in OpenSSL's configuration.
    private static func name(_ name: String, _ alternative: String, host: String = "localhost") -> BadServer {
        certificate(name, .hostName, host: host) {
            try $0.forge(commonName: "A server", extensions: ["subjectAltName=" + alternative, serverUsage])
        }
    }

    /// A DNS name of any bytes, fewer than 126.
    private static func dns(_ name: [UInt8]) -> String {
        let entry = [0x82, UInt8(name.count)] + name
        return "DER:" + ([0x30, UInt8(entry.count)] + entry).map { String(format: "%02x", $0) }.joined(separator: ":")
    }

    static let names = [
        name("another name", "DNS:other.example"),
        name("a name that ours begins with", "DNS:localhos"),
        name("a name that begins with ours", "DNS:localhost.other.example"),
        name("a host of our name", "DNS:a.localhost"),
        name("a wildcard for everything", "DNS:*"),
        name("a wildcard one level too low", "DNS:*.localhost"),
        name("a wildcard within the label", "DNS:local*"),
        name("NUL after our name", dns(Array("localhost\0.other.example".utf8))),
        name("NUL before our name", dns(Array("other.example\0localhost".utf8))),
        name("our name with a letter that looks the same", dns(Array("loc\u{430}lhost".utf8))),
        name("the same in Punycode", "DNS:xn--loclhost-3fg"),
        name("the name as URI", "URI:https://localhost"),
        name("the name as mail domain", "email:localhost"),
        certificate("the name as common name alone", .hostName) { try $0.forge(extensions: [serverUsage]) },
        certificate("the name as common name, beside another", .hostName) {
            try $0.forge(extensions: ["subjectAltName=DNS:other.example", serverUsage])
        },
        certificate("1,000 names without ours", .hostName) {
            let names = (1...1000).map { "DNS.\($0)=host-\($0).example" }
            return try $0.forge(extensions: ["subjectAltName=@names", serverUsage, "[names]"] + names)
        },
        name("an address instead of the name", "IP:127.0.0.1"),
        name("the name instead of the address", "DNS:localhost", host: "127.0.0.1"),
        name("the address as DNS name", "DNS:127.0.0.1", host: "127.0.0.1"),
        name("another address", "IP:127.0.0.2", host: "127.0.0.1"),
        name("the address as an IPv6 one", "IP:::ffff:127.0.0.1", host: "127.0.0.1"),
        certificate("the address as common name alone", .hostName, host: "127.0.0.1") {
            try $0.forge(commonName: "127.0.0.1", extensions: good)
        },
    ]

    private static func large(_ name: String, names: Int) -> BadServer {
        tls(name, .inputLimit) {
            let long = String(repeating: "a", count: 60)
            let lines = (1...names).map { "DNS.\($0)=\(long)" }
            return try $0.forge(
                extensions: ["subjectAltName=@names", serverUsage, "[names]", "DNS.0=localhost"] + lines)
        }
    }

    static let chains = [
        certificate("an authority of somebody else", .untrustedIssuer) { try $0.keep(TestAuthority().server) },
        certificate("an authority of somebody else, with its root", .untrustedIssuer) {
            let other = try TestAuthority()
            return try $0.keep(other.server, sending: other.authority.certificate)
        },
        certificate("an authority of somebody else, and another name", .untrustedIssuer) {
            try $0.keep(TestAuthority().server(names: ["other.example"]))
        },
        certificate("self-signed", .selfSigned) { try $0.forge(extensions: good, isSelfSigned: true) },
        certificate("a missing intermediate", .untrustedIssuer) {
            let files = try $0.forge(extensions: good, issuer: $0.forgeIssuer())
            return CertificateFiles(certificate: files.certificate, key: files.key)
        },
        certificate("a signature that is wrong", .badSignature) { try $0.breakSignature($0.forge(extensions: good)) },
        certificate("a chain of 20 intermediates", .chainTooLong) {
            var issuer = try $0.forgeIssuer()
            for _ in 2...20 { issuer = try $0.forgeIssuer(issuer: issuer) }
            return try $0.forge(extensions: good, issuer: issuer)
        },
        large("a certificate of 80 kB", names: 1_300),
        large("a certificate of 200 kB", names: 3_300),
    ]

    /// Refused because an authority below the root is this one.
    private static func issuer(
        _ name: String, _ failure: CertificateFailure = .forbiddenByIssuer, host: String = "localhost",
        clock: Clock = .right, alternative: String = localhost,
        _ make: @escaping @Sendable (TestAuthority) throws -> CertificateFiles
    ) -> BadServer {
        certificate(name, failure, host: host, clock: clock, options: weakServer) {
            try $0.forge(extensions: [alternative, serverUsage], issuer: make($0))
        }
    }

    static let issuers = [
        issuer("an issuer that is another server") {
            try $0.forge(
                commonName: "A server",
                extensions: ["basicConstraints=critical,CA:FALSE", "subjectKeyIdentifier=hash", serverUsage])
        },
        issuer("an issuer that does not say what it is") {
            try $0.forge(commonName: "Somebody", extensions: ["subjectKeyIdentifier=hash"])
        },
        issuer("an issuer of version 1") { try $0.forge(commonName: "Old", extensions: []) },
        issuer("an authority that may not sign certificates") {
            try $0.forgeIssuer(["keyUsage=critical,digitalSignature,cRLSign"])
        },
        issuer("an authority for clients", .wrongPurpose) { try $0.forgeIssuer(["extendedKeyUsage=clientAuth"]) },
        issuer("an authority below one that allows none") {
            try $0.forgeIssuer(issuer: $0.forgeIssuer(["basicConstraints=critical,CA:TRUE,pathlen:0"]))
        },
        issuer("an authority for another domain") {
            try $0.forgeIssuer(["nameConstraints=critical,permitted;DNS:other.example"])
        },
        issuer("an authority for all domains but ours") {
            try $0.forgeIssuer(["nameConstraints=critical,excluded;DNS:localhost"])
        },
        issuer("an authority for another network", host: "127.0.0.1", alternative: "subjectAltName=IP:127.0.0.1") {
            try $0.forgeIssuer(["nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0"])
        },
        issuer("an authority that has expired", .expired) { try $0.forgeIssuer(clock: "2 years ago") },
        issuer("an authority that is not valid yet", .notYetValid, clock: .trusted) {
            try $0.forgeIssuer(clock: "1 week")
        },
        issuer("an authority with RSA-1024", .weak) { try $0.forgeIssuer(key: ["rsa:1024"]) },
        issuer("an authority signed by SHA-1", .weak) { try $0.forgeIssuer(digest: "sha1") },
        issuer("an authority with a critical extension that nobody knows", .notUnderstood) {
            try $0.forgeIssuer(["1.3.6.1.4.1.55555.1=critical,ASN1:NULL"])
        },
    ]

    /// Refused for what it is; `good` is said as well.
    private static func leaf(
        _ name: String, _ failure: CertificateFailure, _ more: [String] = [], key: [String] = TestAuthority.p256,
        digest: String = "sha256"
    ) -> BadServer {
        certificate(name, failure, options: weakServer) {
            try $0.forge(extensions: good + more, key: key, digest: digest)
        }
    }

    private static let day: Int64 = 86_400
    static let profiles = [
        certificate("expired", .expired) {
            try $0.server(notAfter: Int64(Date().timeIntervalSince1970) - 60).files
        },
        certificate("not valid yet", .notYetValid, clock: .trusted) {
            try $0.server(notBefore: Int64(Date().timeIntervalSince1970) + 3600).files
        },
        certificate("a root that has expired", .expired, rootDays: 0) { try $0.server().files },
        certificate("met in 2099", .expired, clock: .wrong(4_070_908_800)) { $0.server.files },
        certificate("met in 1970", .notYetValid, clock: .wrong(0)) { $0.server.files },
        certificate("a certificate for clients", .wrongPurpose) {
            try $0.forge(extensions: [localhost, "extendedKeyUsage=clientAuth"])
        },
        certificate("a certificate for anything", .wrongPurpose) {
            try $0.forge(extensions: [localhost, "extendedKeyUsage=anyExtendedKeyUsage"])
        },
        certificate("a certificate that does not say what for", .wrongPurpose) {
            try $0.forge(extensions: [localhost])
        },
        leaf("a key for documents alone", .wrongPurpose, ["keyUsage=critical,nonRepudiation"]),
        leaf("a key that may not sign", .wrongPurpose, ["keyUsage=critical,keyAgreement"]),
        leaf(
            "a critical extension that nobody knows", .notUnderstood,
            ["1.3.6.1.4.1.55555.1=critical,ASN1:NULL"]),
        leaf("RSA-1024", .weak, key: ["rsa:1024"]),
        leaf("RSA-1536", .weak, key: ["rsa:1536"]),
        leaf("signed by SHA-1", .weak, digest: "sha1"),
        certificate("signed by MD5", .weak, options: weakServer) {
            try $0.forge(extensions: good, digest: "md5", issuer: $0.forgeIssuer(key: ["rsa:2048"]))
        },
    ]
}
