// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

@Suite struct CertificateChainTests {
    let ca: TestCertificates
    let now = TestCertificates.now

    init() throws { ca = try TestCertificates() }

    func failure(
        _ leaf: Certificate, _ intermediates: [Certificate] = [], anchors: [Certificate]? = nil, at time: Int64? = nil,
        as purpose: CertificatePurpose = .client
    ) -> CertificateFailure? {
        do {
            try CertificateChain.verify(
                leaf, intermediates: intermediates, anchors: anchors ?? [ca.root], at: time ?? now, purpose: purpose)
            #expect(ERR_peek_error() == 0)
            return nil
        } catch {
            #expect(ERR_peek_error() == 0)
            return error
        }
    }

    @Test func `a chain is valid from its first to its last second`() throws {
        let device = try ca.device(from: now, to: now + 10)
        #expect(failure(device, at: now - 1) == .notYetValid)
        #expect(failure(device, at: now) == nil)
        #expect(failure(device, at: now + 10) == nil)
        #expect(failure(device, at: now + 11) == .expired)
    }

    @Test func `a chain is judged beyond 2038`() throws {
        let late: Int64 = 4_000_000_000
        let (rootKey, key) = (try PrivateKey.generate(.p256), try PrivateKey.generate(.p256))
        let profile = CertificateProfile(
            commonName: "Root", isAuthority: true, keyUsage: "critical,keyCertSign", notBefore: now, notAfter: late + 10
        )
        let root = try profile.issue(for: rootKey.publicKey, issuer: nil, signedBy: rootKey)
        let device = try CertificateAuthority(certificate: root, key: rootKey).issueClient(
            key.publicKey, commonName: "x", notBefore: late, notAfter: late + 10)
        #expect(failure(device, anchors: [root], at: late - 1) == .notYetValid)
        #expect(failure(device, anchors: [root], at: late) == nil)
        #expect(failure(device, anchors: [root], at: late + 11) == .expired)
    }

    @Test func `an expired or future root ends the chain`() throws {
        let device = try ca.device(from: now - 100 * TestCertificates.day, to: now + 5000 * TestCertificates.day)
        #expect(failure(device, at: ca.root.notAfter + 1) == .expired)
        #expect(failure(device, at: ca.root.notBefore - 1) == .notYetValid)
    }

    @Test func `only the given anchors are trusted`() throws {
        let other = try TestCertificates()
        #expect(failure(try ca.device(), anchors: [other.root]) == .untrustedIssuer, "same name, other key")
        #expect(failure(try ca.device(), anchors: []) == .untrustedIssuer)
        #expect(failure(try ca.device(), [ca.root], anchors: [other.root]) == .untrustedIssuer, "root sent along")
        #expect(failure(ca.root, anchors: [other.root]) == .selfSigned)
    }

    @Test func `intermediates are found in any order, and missed`() throws {
        let (intermediate, key) = try ca.intermediate()
        let authority = try CertificateAuthority(certificate: intermediate, key: key)
        let device = try authority.issueClient(
            ca.key.publicKey, commonName: "x", notBefore: now - 1, notAfter: now + 1)
        let stranger = try TestCertificates(name: "Stranger").root
        #expect(failure(device, [stranger, intermediate]) == nil)
        #expect(failure(device) == .untrustedIssuer)
        #expect(failure(device, anchors: [intermediate]) == nil, "an intermediate can be the anchor")
        let ended = try Forge.reissue(intermediate, signedBy: ca.rootKey.key) {
            try CertificateTime.set(now - 1, X509_getm_notAfter($0))
        }
        #expect(failure(device, anchors: [ended]) == .expired, "and is judged like a root")
        #expect(failure(device, anchors: [device]) == nil, "so can the certificate itself")
        #expect(failure(device, anchors: [device], at: now + 2) == .expired)
    }

    @Test func `roles are told apart`() throws {
        #expect(failure(try ca.device(), as: .server) == .wrongPurpose)
        #expect(failure(try ca.server(), as: .client) == .wrongPurpose)
        #expect(failure(try ca.server(), as: .server) == nil)
        let silent = try Forge.reissue(ca.server(), signedBy: ca.rootKey.key) {
            try Forge.set(NID_ext_key_usage, nil, $0)
        }
        #expect(failure(silent, as: .client) == nil)
        #expect(failure(silent, as: .server) == .wrongPurpose, "a server must say so")
    }

    @Test func `an issuer must be an authority, within its limits`() throws {
        let device = try ca.device()
        let leafAsIssuer = try CertificateAuthority(certificate: device, key: ca.key).issueClient(
            ca.key.publicKey, commonName: "x", notBefore: now - 1, notAfter: now + 1)
        #expect(failure(leafAsIssuer, [device]) == .forbiddenByIssuer)

        let (intermediate, key) = try ca.intermediate()
        let below = try CertificateAuthority(certificate: intermediate, key: key).issueClient(
            ca.key.publicKey, commonName: "x", notBefore: now - 1, notAfter: now + 1)
        let short = try Forge.reissue(ca.root, signedBy: ca.rootKey.key) {
            try Forge.set(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", $0)
        }
        #expect(failure(below, [intermediate], anchors: [short]) == .forbiddenByIssuer)

        let named = try Forge.reissue(ca.root, signedBy: ca.rootKey.key) {
            try Forge.set(NID_name_constraints, "critical,permitted;DNS:other.example", $0)
        }
        #expect(failure(try ca.server(), anchors: [named], as: .server) == .forbiddenByIssuer)
    }

    @Test func `a wrong signature is found`() throws {
        var der = try ca.device().der
        der[der.count - 1] ^= 1
        let damaged = try Certificate(der: der.span)
        #expect(failure(damaged) == .badSignature)
    }

    @Test func `weak keys and hashes are refused anywhere in the chain`() throws {
        let device = try ca.device()
        for (name, key) in [
            ("RSA-1024", try Forge.key("RSA", bits: 1024)), ("P-224", try Forge.key("EC", group: "P-224")),
        ] {
            let leaf = try Forge.reissue(device, signedBy: ca.rootKey.key) { X509_set_pubkey($0, key.pointer) }
            #expect(failure(leaf) == .weak, "leaf \(name)")
            let root = try Forge.reissue(ca.root, signedBy: key) {
                X509_set_pubkey($0, key.pointer)
                try Forge.set(NID_subject_key_identifier, nil, $0)
                try Forge.set(NID_authority_key_identifier, nil, $0)
            }
            let below = try Forge.reissue(device, signedBy: key) {
                try Forge.set(NID_authority_key_identifier, nil, $0)
            }
            #expect(failure(below, anchors: [root]) == .weak, "root \(name)")
        }
        let sha1 = try Forge.reissue(device, signedBy: ca.rootKey.key, digest: EVP_sha1())
        #expect(failure(sha1) == .weak)
    }

    @Test func `honest authorities with fewer extensions are accepted`() throws {
        let root = try Forge.reissue(ca.root, signedBy: ca.rootKey.key) {
            try Forge.set(NID_basic_constraints, "CA:TRUE", $0)
            try Forge.set(NID_key_usage, nil, $0)
            try Forge.set(NID_subject_key_identifier, nil, $0)
            try Forge.set(NID_authority_key_identifier, nil, $0)
        }
        let device = try Forge.reissue(ca.device(), signedBy: ca.rootKey.key) {
            try Forge.set(NID_subject_key_identifier, nil, $0)
            try Forge.set(NID_authority_key_identifier, nil, $0)
        }
        #expect(failure(device, anchors: [root]) == nil)
    }

    @Test func `a chain is at most six authorities deep`() throws {
        var authority = ca.authority
        var intermediates: [Certificate] = []
        for depth in 1...8 {
            let key = try PrivateKey.generate(.p256)
            let profile = CertificateProfile(
                commonName: "Level \(depth)", isAuthority: true, keyUsage: "critical,keyCertSign", notBefore: now,
                notAfter: now + 1)
            let certificate = try authority.issue(key.publicKey, profile)
            intermediates.append(certificate)
            authority = try CertificateAuthority(certificate: certificate, key: key)
            let leaf = try authority.issueClient(ca.key.publicKey, commonName: "x", notBefore: now, notAfter: now + 1)
            #expect((failure(leaf, intermediates) == nil) == (depth <= 6), "\(depth)")
        }
    }
}
