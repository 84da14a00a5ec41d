// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

/// What a server may be able to do, and what comes of it.
struct Negotiation: Sendable, CustomTestStringConvertible {
    enum Key: String, Sendable {
        case p224 = "P-224"
        case p256 = "P-256"
        case p384 = "P-384"
        case p521 = "P-521"
        case secp256k1, ed25519, ed448, rsa1024, rsa2048, rsa3072, rsaPSS
    }

    var version = TLS1_2_VERSION
    var key = Key.p256
    /// Of TLS 1.2.
    var suite = "ALL"
    /// Of TLS 1.3.
    var suite13: String?
    var group: String?
    /// Of the server in the handshake.
    var signature: String?
    /// Of the authority on the certificate.
    var hash = "SHA256"
    /// nil: accepted.
    var refused: TLSFailure?

    var testDescription: String {
        "\(version == TLS1_3_VERSION ? "1.3" : version == TLS1_2_VERSION ? "1.2" : "old") \(key) "
            + [suite13 ?? suite, group, signature, hash].compactMap { $0 }.joined(separator: " ")
    }

    static let versions = [
        Negotiation(version: TLS1_3_VERSION), Negotiation(),
        Negotiation(version: TLS1_1_VERSION, refused: .protocolVersion),
        Negotiation(version: TLS1_VERSION, refused: .protocolVersion),
    ]

    static let suites: [Negotiation] = {
        let ecdsa = ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
        let rsa = ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
        let good13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
        let weakECDSA = [
            "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-NULL-SHA",
            "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-CAMELLIA128-SHA256", "ECDHE-ECDSA-ARIA128-GCM-SHA256",
        ]
        let weakRSA = [
            "AES128-GCM-SHA256", "AES128-SHA", "NULL-SHA256", "DHE-RSA-AES128-GCM-SHA256", "AECDH-AES128-SHA",
        ]
        let weak13 = ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"]
        let good =
            ecdsa.map { Negotiation(suite: $0) } + rsa.map { Negotiation(key: .rsa2048, suite: $0) }
            + good13.map { Negotiation(version: TLS1_3_VERSION, suite13: $0) }
        let bad =
            weakECDSA.map { Negotiation(suite: $0) } + weakRSA.map { Negotiation(key: .rsa2048, suite: $0) }
            + weak13.map { Negotiation(version: TLS1_3_VERSION, suite13: $0) }
        return good
            + bad.map {
                var wanted = $0
                wanted.refused = .noSharedCipher
                return wanted
            }
    }()

    private static let modern = [TLS1_2_VERSION, TLS1_3_VERSION]

    static let groups: [Negotiation] = modern.flatMap { version -> [Negotiation] in
        let good = ["P-256", "X25519", "P-384"].map { Negotiation(version: version, group: $0) }
        let bad = ["P-521", "X448"].map { Negotiation(version: version, group: $0, refused: .noSharedCipher) }
        return good + bad
    }

    static let keys: [Negotiation] = modern.flatMap { version -> [Negotiation] in
        let good = [Key.p256, .p384, .ed25519, .rsa2048, .rsa3072, .rsaPSS]
        // A server of TLS 1.3 alone whose key has no signature there says that no version is left.
        let unusable: TLSFailure = version == TLS1_3_VERSION ? .protocolVersion : .noSharedCipher
        let bad =
            [Key.secp256k1, .p224].map { Negotiation(version: version, key: $0, refused: unusable) }
            + [Negotiation(version: version, key: .ed448, refused: .noSharedCipher)]
        return good.map { Negotiation(version: version, key: $0) } + bad
            + [Negotiation(version: version, key: .rsa1024, refused: .certificate(.weak))]
    }

    /// The authority's signature on the certificate; 112 bits of security are the floor, as for RSA-2048.
    static let hashes: [Negotiation] = [
        Negotiation(hash: "SHA224"), Negotiation(hash: "SHA384"), Negotiation(hash: "SHA512"),
        Negotiation(hash: "SHA1", refused: .certificate(.weak)),
    ]

    /// The server's in the handshake.
    static let signatures: [Negotiation] = [
        Negotiation(signature: "ECDSA+SHA256"), Negotiation(signature: "ECDSA+SHA384"),
        Negotiation(signature: "ECDSA+SHA1", refused: .noSharedCipher),
        Negotiation(signature: "ECDSA+SHA224", refused: .noSharedCipher),
        Negotiation(key: .rsa2048, signature: "RSA-PSS+SHA256"), Negotiation(key: .rsa2048, signature: "RSA+SHA256"),
        Negotiation(key: .rsa2048, signature: "RSA+SHA1", refused: .noSharedCipher),
    ]

    static let all = versions + suites + groups + keys + hashes + signatures
}

@Suite struct NegotiationTests {
    let ca: TestCertificates

    init() throws { ca = try TestCertificates() }

    @Test("TLS-02 what a server must be able to do, and what is not enough", arguments: Negotiation.all)
    func negotiation(wanted: Negotiation) throws {
        let key = try key(wanted.key)
        let certificate = try Forge.reissue(
            ca.server(), signedBy: ca.rootKey.key, digest: EVP_get_digestbyname(wanted.hash)
        ) { X509_set_pubkey($0, key.pointer) }
        let server = try TLSServer(
            [certificate], key: key, versions: wanted.version...wanted.version, ciphers: wanted.suite + ":@SECLEVEL=0"
        ) {
            if let suites = wanted.suite13 { SSL_CTX_set_ciphersuites($0, suites) }
            if let group = wanted.group { COpenSSL_set1_groups_list($0, group) }
            if let signature = wanted.signature { COpenSSL_set1_sigalgs_list($0, signature) }
        }
        let context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        context.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
        let pair = try TLSPair(context, server)
        #expect(pair.connect() == (wanted.refused == nil))
        #expect(context.failure == wanted.refused)
        if wanted.refused == nil { #expect(SSL_version(pair.client.pointer) == wanted.version) }
    }

    private func key(_ kind: Negotiation.Key) throws -> Handle {
        switch kind {
        case .rsa1024: try Forge.key("RSA", bits: 1024)
        case .rsa2048: try Forge.key("RSA", bits: 2048)
        case .rsa3072: try Forge.key("RSA", bits: 3072)
        case .rsaPSS: try Forge.key("RSA-PSS", bits: 2048)
        case .ed25519: try Forge.key("ED25519")
        case .ed448: try Forge.key("ED448")
        case .p224, .p256, .p384, .p521, .secp256k1: try Forge.key("EC", group: kind.rawValue)
        }
    }

    @Test("TLS-02 the best is chosen of what both can do")
    func best() throws {
        let server = try TLSServer([ca.server()], key: ca.key.key)
        let context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        context.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
        let pair = try TLSPair(context, server)
        #expect(pair.connect())
        #expect(SSL_version(pair.client.pointer) == TLS1_3_VERSION)
        let name = SSL_CIPHER_get_name(SSL_get_current_cipher(pair.client.pointer)).map { String(cString: $0) }
        #expect(name == "TLS_CHACHA20_POLY1305_SHA256")
    }

    @Test("TLS-02 TLS 1.2 is not negotiated anew, and the connection stays as it is")
    func renegotiation() throws {
        let server = try TLSServer([ca.server()], key: ca.key.key, versions: TLS1_2_VERSION...TLS1_2_VERSION)
        let context = try TLSContext(serverName: "broker.example", anchors: [ca.root])
        context.prepare(time: TestCertificates.now, boottime: 0, acceptNotYetValid: false)
        let pair = try TLSPair(context, server)
        #expect(pair.connect())
        #expect(SSL_renegotiate(pair.server.pointer) == 1)
        #expect(SSL_do_handshake(pair.server.pointer) == 1, "the request is sent")
        pair.serverWrites([1])
        #expect(pair.read() == [1])
        var byte: UInt8 = 0
        #expect(SSL_read(pair.server.pointer, &byte, 1) <= 0)
        #expect(ERR_GET_REASON(ERR_peek_error()) == SSL_R_NO_RENEGOTIATION, "what the client answered")
        ERR_clear_error()
        #expect(context.failure == nil)
    }
}
