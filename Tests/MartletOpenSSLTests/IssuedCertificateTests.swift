// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

@Suite struct IssuedCertificateTests {
    static let id = Array("device-1".utf8)
    static let uri = Array("urn:dev:mac:0024befffe804ff1".utf8)
    let ca: TestCertificates
    let now = TestCertificates.now

    init() throws { ca = try TestCertificates() }

    private func issued(
        _ certificates: [Certificate], uri: [UInt8]? = uri, anchors: [Certificate]? = nil, at time: Int64? = nil,
        trusted: Bool = true
    ) throws -> [[UInt8]] {
        defer { #expect(ERR_peek_error() == 0) }
        return try IssuedCertificate(
            among: certificates, for: ca.key.publicKey, id: Self.id, uri: uri, anchors: anchors ?? [ca.root],
            time: time ?? now, isTimeTrusted: trusted
        ).chain.map { try $0.der }
    }

    private func refused(
        _ certificates: [Certificate], uri: [UInt8]? = uri, anchors: [Certificate]? = nil, at time: Int64? = nil,
        trusted: Bool = true
    ) -> IssuedCertificateError? {
        do {
            _ = try issued(certificates, uri: uri, anchors: anchors, at: time, trusted: trusted)
            return nil
        } catch {
            return error as? IssuedCertificateError
        }
    }

    @Test func `the certificate is found by its key, wherever it stands, and its anchor is left out`() throws {
        let device = try ca.device()
        for order in [[device], [device, ca.root], [ca.root, device]] {
            #expect(try issued(order) == [device.der])
        }
    }

    @Test func `the chain is put in order, and what does not belong to it is left out`() throws {
        let (middle, key) = try ca.intermediate()
        let device = try CertificateAuthority(certificate: middle, key: key).issueDevice(
            ca.key.publicKey, commonName: "device-1", uri: String(decoding: Self.uri, as: UTF8.self),
            notBefore: now - 1, notAfter: now + 1)
        let stranger = try TestCertificates().root
        #expect(try issued([stranger, ca.root, middle, device]) == [device.der, middle.der])
        #expect(refused([device]) == .chain(.untrustedIssuer))
    }

    @Test func `a certificate for another key is none`() throws {
        let other = try PrivateKey.generate(.p256).publicKey
        let theirs = try ca.authority.issueDevice(
            other, commonName: "device-1", uri: String(decoding: Self.uri, as: UTF8.self), notBefore: now - 1,
            notAfter: now + 1)
        #expect(refused([theirs]) == IssuedCertificateError.none)
        #expect(refused([]) == IssuedCertificateError.none)
        #expect(refused([ca.root]) == IssuedCertificateError.none)
    }

    @Test func `two certificates for the key are refused`() throws {
        #expect(refused([try ca.device(), try ca.device()]) == .several)
    }

    @Test func `the names must be the device's own`() throws {
        #expect(refused([try ca.device("device-2")]) == .otherID)
        let device = try ca.device()
        #expect(refused([device], uri: Array("urn:dev:mac:0024befffe804ff2".utf8)) == .otherName)
        #expect(try issued([device], uri: nil) == [device.der])
        let none = try Forge.reissue(device, signedBy: ca.rootKey.key) { try Forge.set(NID_subject_alt_name, nil, $0) }
        #expect(refused([none], uri: nil) == .otherName)
        let web = try Forge.reissue(device, signedBy: ca.rootKey.key) {
            try Forge.set(NID_subject_alt_name, "URI:https://device-1", $0)
        }
        #expect(refused([web], uri: nil) == .otherName)
        let two = try Forge.reissue(device, signedBy: ca.rootKey.key) {
            try Forge.set(NID_subject_alt_name, "URI:urn:dev:mac:0024befffe804ff1,URI:urn:dev:mac:0024befffe804ff2", $0)
        }
        #expect(refused([two], uri: nil) == .otherName)
    }

    @Test func `an authority's certificate, or one that may not sign or be a client's, is refused`() throws {
        let device = try ca.device()
        func changed(_ identifier: Int32, _ value: String) throws -> Certificate {
            try Forge.reissue(device, signedBy: ca.rootKey.key) { try Forge.set(identifier, value, $0) }
        }
        #expect(refused([try changed(NID_basic_constraints, "critical,CA:TRUE")]) == .authority)
        #expect(refused([try changed(NID_key_usage, "critical,keyEncipherment")]) == .cannotSign)
        #expect(refused([try changed(NID_ext_key_usage, "serverAuth")]) == .chain(.wrongPurpose))
    }

    @Test func `another authority's certificate, and one that is forged, are refused`() throws {
        let other = try TestCertificates()
        #expect(refused([try ca.device()], anchors: [other.root]) == .chain(.untrustedIssuer))
        let forged = try Forge.reissue(ca.device(), signedBy: other.rootKey.key) { _ in }
        #expect(refused([forged]) == .chain(.badSignature))
    }

    @Test func `time counts as far as it is known`() throws {
        let device = try ca.device(from: now, to: now + 10)
        #expect(refused([device], at: now - 1) == .chain(.notYetValid))
        #expect(refused([device], at: now - 1, trusted: false) == nil)
        #expect(refused([device], at: now + 11) == .chain(.expired))
        #expect(refused([device], at: now + 11, trusted: false) == .chain(.expired))
    }
}
