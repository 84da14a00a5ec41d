// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Testing

@testable import MartletOpenSSL

@Suite struct CertificateTests {
    let ca: TestCertificates

    init() throws { ca = try TestCertificates() }

    @Test func `a certificate is read back from DER and PEM`() throws {
        let certificate = try ca.device()
        let (der, pem) = (try certificate.der, try certificate.pem())
        let copies = try [Certificate(der: der.span)] + Certificate.all(inPEM: pem.span)
        for copy in copies {
            #expect(try copy.der == der)
            #expect(copy.commonName == Array("device-1".utf8))
            #expect(copy.uris == [Array("urn:dev:mac:0024befffe804ff1".utf8)])
            #expect(try copy.publicKey.spki == ca.key.publicKey.spki)
            #expect(copy.notBefore == TestCertificates.now - TestCertificates.day)
            #expect(copy.notAfter == TestCertificates.now + TestCertificates.day)
        }
    }

    @Test func `the fingerprint is SHA-256 of the DER form`() throws {
        let certificate = try ca.device()
        let der = try certificate.der
        let (fingerprint, digest) = (try certificate.sha256, try SHA256().digest(der.span))
        #expect(fingerprint.indices.allSatisfy { fingerprint[$0] == digest[$0] })
    }

    @Test func `a registrar's certificate is a server's that also says cmcRA`() throws {
        let now = TestCertificates.now
        let registrar = try ca.authority.issueRegistrar(
            ca.key.publicKey, names: ["registrar.example"], addresses: ["192.0.2.1"], notBefore: now - 1,
            notAfter: now + 1)
        try CertificateChain.verify(registrar, anchors: [ca.root], at: now, purpose: .server)
        // 1.3.6.1.5.5.7.3.28 in DER, of two usages.
        let cmcRA: [UInt8] = [0x06, 0x08, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x1C]
        #expect(try registrar.der.indices.contains { try registrar.der[$0...].starts(with: cmcRA) })
        let server = try ca.authority.issueServer(
            ca.key.publicKey, names: ["registrar.example"], notBefore: now - 1, notAfter: now + 1)
        #expect(try !server.der.indices.contains { try server.der[$0...].starts(with: cmcRA) })
    }

    @Test func `every prefix and a trailing byte are refused`() throws {
        let der = try ca.device().der
        for count in 0..<der.count {
            let prefix = Array(der[..<count])
            expect(.malformed, "\(count) bytes") { try Certificate(der: prefix.span) }
        }
        let longer = der + [0]
        expect(.malformed) { try Certificate(der: longer.span) }
        #expect(ERR_peek_error() == 0)
    }

    @Test func `an encoding that is not DER is refused`() throws {
        let der = try ca.device().der
        // The outer length, written with one more byte than it needs.
        try #require(der[1] == 0x82)
        let loose = [der[0], 0x83, 0x00] + der[2...]
        let padded = loose[..<3] + der[2...]
        expect(.malformed) { try Certificate(der: Array(padded).span) }
    }

    @Test func `more bytes than the bound are refused`() {
        let huge = [UInt8](repeating: 0x30, count: Certificate.maximumCount + 1)
        expect(.tooLarge) { try Certificate(der: huge.span) }
    }

    @Test func `a flipped bit never traps`() throws {
        let der = try ca.device().der
        for bit in 0..<(der.count * 8) {
            var damaged = der
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            guard let certificate = try? Certificate(der: damaged.span) else { continue }
            _ = (certificate.commonName, certificate.uris, try? certificate.publicKey)
        }
        #expect(ERR_peek_error() == 0)
    }

    @Test func `a common name is one, not empty, UTF-8 and without NUL`() throws {
        let base = try ca.device()
        func name(_ edit: (OpaquePointer) throws -> Void) throws -> [UInt8]? {
            try Forge.reissue(base, signedBy: ca.rootKey.key, edit).commonName
        }
        func only(_ bytes: [UInt8], _ type: Int32 = V_ASN1_UTF8STRING) throws -> [UInt8]? {
            try name { certificate in
                let subject = X509_get_subject_name(certificate)
                X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 0))
                try Forge.addCommonName(bytes, type: type, certificate)
            }
        }
        #expect(try only(Array("sensor-é".utf8)) == Array("sensor-é".utf8))
        #expect(try only(Array("sensor".utf8), V_ASN1_PRINTABLESTRING) == Array("sensor".utf8))
        #expect(try only(Array("device-1\0.evil".utf8)) == nil, "NUL")
        #expect(try only([0, 0x61, 0, 0x62], V_ASN1_BMPSTRING) == nil, "two bytes per character")
        #expect(try name { try Forge.addCommonName(Array("device-2".utf8), $0) } == nil, "two names")
        #expect(
            try name { X509_NAME_ENTRY_free(X509_NAME_delete_entry(X509_get_subject_name($0), 0)) } == nil, "no name")
    }

    @Test func `a common name that is not UTF-8 is refused with its certificate`() throws {
        var der = try ca.device().der
        let name = Array("device-1".utf8)
        let start = try #require(der.indices.first { der[$0...].starts(with: name) })
        der[start] = 0xFF
        expect(.malformed) { try Certificate(der: der.span) }
    }

    @Test func `only printable URIs are reported, in their order`() throws {
        let base = try ca.device()
        func uris(_ value: String?) throws -> [[UInt8]] {
            try Forge.reissue(base, signedBy: ca.rootKey.key) { try Forge.set(NID_subject_alt_name, value, $0) }.uris
        }
        #expect(try uris("URI:urn:b,DNS:x,URI:urn:a") == [Array("urn:b".utf8), Array("urn:a".utf8)])
        #expect(try uris("DNS:x") == [])
        #expect(try uris(nil) == [])
        #expect(try uris("DER:3003860100") == [], "NUL")
        #expect(try uris("DER:30038602") == [], "cut off")
    }

    @Test(
        arguments: [
            -631_152_000, -1, 0, 2_147_483_647, 2_147_483_648, 2_524_607_999, 2_524_608_000, 4_102_444_800,
            253_402_300_798,
        ] as [Int64])
    func `times from 1950 to 9999 survive, beyond 2038 too`(time: Int64) throws {
        let certificate = try ca.device(from: time, to: 253_402_300_799)
        #expect(certificate.notBefore == time)
        #expect(certificate.notAfter == 253_402_300_799)
    }

    @Test func `an impossible validity is refused`() {
        expect(.invalidTime, "empty") { try ca.device(from: 1000, to: 1000) }
        expect(.invalidTime, "backwards") { try ca.device(from: 1000, to: 999) }
        expect(.invalidTime, "after 9999") { try ca.device(from: 1000, to: 253_402_300_800) }
        expect(.invalidTime, "before 1950") { try ca.device(from: -631_152_001, to: 0) }
        expect(.invalidTime) { try ca.device(from: .min, to: .max) }
    }

    @Test func `a PEM text holds 1 to 16 certificates, perhaps their key, and no other block`() throws {
        let pem = try ca.device().pem()
        let sixteen = (0..<16).flatMap { _ in Array("# a comment\n".utf8) + pem }
        #expect(try Certificate.all(inPEM: sixteen.span).count == 16)
        let seventeen = sixteen + pem
        expect(.tooLarge) { try Certificate.all(inPEM: seventeen.span) }
        let none: [UInt8] = Array("no block here\n".utf8)
        expect(.malformed) { try Certificate.all(inPEM: none.span) }
        let key = try ca.key.pem()
        for withKey in [pem + key, key + pem, try pem + Forge.sec1PEM(Forge.key("EC", group: "P-256"))] {
            #expect(try Certificate.all(inPEM: withKey.span).count == 1)
        }
        expect(.malformed, "a private key alone") { try Certificate.all(inPEM: key.span) }
        let cut = key.dropLast(30) + pem
        expect(.malformed, "half a private key") { try Certificate.all(inPEM: cut.span) }
        let other = pem + Array("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n".utf8)
        expect(.malformed, "another block") { try Certificate.all(inPEM: other.span) }
    }

    @Test func `a PEM text that is cut off is refused, not shortened`() throws {
        let pem = try ca.device().pem()
        // The cut leaves at least the five dashes of the second block.
        for count in (pem.count + 5)..<(pem.count * 2 - 1) {
            let cut = Array((pem + pem)[..<count])
            expect(.malformed, "\(count) bytes") { try Certificate.all(inPEM: cut.span) }
        }
    }

    @Test func `the request for the next certificate has the names of the one before, and its own key`() throws {
        let certificate = try ca.device("pump-7")
        let key = try PrivateKey.generate(.p256)
        let der = try CertificateRequest(key: key, renewing: certificate).der
        let request = try CertificateRequest(der: der.span)
        #expect(request.commonName == certificate.commonName && request.uris == certificate.uris)
        #expect(request.publicKey.spki == key.publicKey.spki && !request.uris.isEmpty)
        let server = try CertificateRequest(key: key, renewing: ca.root).der
        #expect(try CertificateRequest(der: server.span).uris.isEmpty, "no name is made up")
    }

    @Test func `a root is an authority that is signed by its own key`() throws {
        #expect(ca.root.isRoot)
        for other in [try ca.device(), try ca.server(), try ca.intermediate().certificate] { #expect(!other.isRoot) }
    }

    @Test func `an RSA certificate is read, but has no key for envelopes`() throws {
        let rsa = try Forge.key("RSA", bits: 2048)
        let certificate = try Forge.reissue(ca.device(), signedBy: ca.rootKey.key) { X509_set_pubkey($0, rsa.pointer) }
        expect(.unsupportedKey) { try certificate.publicKey }
    }
}

@Suite struct CertificateRequestTests {
    @Test(arguments: [KeyKind.p256, .ed25519])
    func `a request is read back with its names and key`(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let der = try CertificateRequest(key: key, commonName: "device-1", uri: "urn:dev:os:32473-1").der
        let request = try CertificateRequest(der: der.span)
        #expect(request.commonName == Array("device-1".utf8))
        #expect(request.uris == [Array("urn:dev:os:32473-1".utf8)])
        #expect(request.publicKey.spki == key.publicKey.spki)
        #expect(try request.der == der)
    }

    @Test func `a request may leave it to the issuer what else names the device`() throws {
        let der = try CertificateRequest(key: .generate(.p256), commonName: "device-1", uri: nil).der
        let request = try CertificateRequest(der: der.span)
        #expect(request.commonName == Array("device-1".utf8) && request.uris.isEmpty)
    }

    @Test func `every flipped bit, every prefix and a trailing byte are refused`() throws {
        let der = try CertificateRequest(key: .generate(.p256), commonName: "device-1", uri: "urn:dev:os:32473-1").der
        var accepted = 0
        for bit in 0..<(der.count * 8) {
            var damaged = der
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            if (try? CertificateRequest(der: damaged.span)) != nil { accepted += 1 }
        }
        #expect(accepted == 0)
        for count in 0..<der.count {
            let prefix = Array(der[..<count])
            expect(.malformed, "\(count) bytes") { try CertificateRequest(der: prefix.span) }
        }
        let longer = der + [0]
        expect(.malformed) { try CertificateRequest(der: longer.span) }
    }

    @Test func `a request signed by another key is refused`() throws {
        let (key, other) = (try PrivateKey.generate(.p256), try PrivateKey.generate(.p256))
        let der = try CertificateRequest(key: key, commonName: "device-1", uri: "urn:x:y").der
        let copy = try decoded(der.span, { d2i_X509_REQ(nil, $0, $1) }, X509_REQ_free)
        try #require(X509_REQ_sign(copy.pointer, other.key.pointer, EVP_sha256()) > 0)
        let forged = try encoded { i2d_X509_REQ(copy.pointer, $0) }
        expect(.badSignature) { try CertificateRequest(der: forged.span) }
    }

    @Test func `names that cannot be identities are refused`() throws {
        let key = try PrivateKey.generate(.p256)
        for name in ["", String(repeating: "x", count: 65), "a\0b"] {
            expect(.invalidName) { try CertificateRequest(key: key, commonName: name, uri: "urn:x:y") }
        }
        for uri in ["", "urn:x y", "urn:é", "urn:\0", "urn:x\n"] {
            expect(.invalidName) { try CertificateRequest(key: key, commonName: "x", uri: uri) }
        }
    }
}

@Suite struct CertificateAuthorityTests {
    @Test func `an authority survives PEM and issues for the same root`() throws {
        let now = TestCertificates.now
        let authority = try CertificateAuthority.selfSigned(
            commonName: "Root", notBefore: now, notAfter: now + 86_400)
        let keyPEM = try authority.keyPEM()
        let copy = try CertificateAuthority(
            certificate: authority.certificate, key: PrivateKey(pem: keyPEM.span))
        let key = try PrivateKey.generate(.ed25519)
        let issued = try copy.issueClient(key.publicKey, commonName: "gateway", notBefore: now, notAfter: now + 60)
        try CertificateChain.verify(issued, anchors: [authority.certificate], at: now + 1, purpose: .client)
    }

    @Test func `a key of another certificate is refused`() throws {
        let ca = try TestCertificates()
        expect(.keyMismatch) { try CertificateAuthority(certificate: ca.root, key: ca.key) }
    }

    @Test func `serials are positive, 128 bits long and do not repeat`() throws {
        let ca = try TestCertificates()
        var serials: Set<[UInt8]> = []
        for _ in 0..<50 {
            let certificate = try ca.device()
            let serial = X509_get0_serialNumber(certificate.handle.pointer)
            let bytes = [UInt8](UnsafeBufferPointer(start: ASN1_STRING_get0_data(serial), count: 16))
            #expect(ASN1_STRING_length(serial) == 16 && bytes[0] & 0xC0 == 0x40)
            serials.insert(bytes)
        }
        #expect(serials.count == 50)
    }

    @Test func `issued certificates have the extensions of their role`() throws {
        let ca = try TestCertificates()
        let key = ca.key.publicKey
        let now = TestCertificates.now
        let client = try ca.authority.issueClient(key, commonName: "gateway", notBefore: now, notAfter: now + 1)
        let roles: [(Certificate, UInt32, UInt32)] = [
            (try ca.device(), UInt32(XKU_SSL_CLIENT), UInt32(KU_DIGITAL_SIGNATURE)),
            (client, UInt32(XKU_SSL_CLIENT), UInt32(KU_DIGITAL_SIGNATURE)),
            (try ca.server(), UInt32(XKU_SSL_SERVER), UInt32(KU_DIGITAL_SIGNATURE)),
        ]
        for (certificate, extended, usage) in roles {
            let pointer = certificate.handle.pointer
            #expect(X509_get_extended_key_usage(pointer) == extended)
            #expect(X509_get_key_usage(pointer) == usage)
            #expect(X509_check_ca(pointer) == 0)
            #expect(X509_get_extension_flags(pointer) & UInt32(EXFLAG_BCONS) != 0, "says CA:FALSE")
            #expect(X509_get0_subject_key_id(pointer) != nil && X509_get0_authority_key_id(pointer) != nil)
        }
        let root = ca.root.handle.pointer
        #expect(X509_check_ca(root) == 1)
        #expect(X509_get_key_usage(root) == UInt32(KU_KEY_CERT_SIGN | KU_CRL_SIGN))
    }

    @Test func `server names are checked before they are certified`() throws {
        let ca = try TestCertificates()
        for name in ["", ".", "a..b", ".example", "x y", "é.example", "a\0b", "*", "*.example", "1.2.3.4", "a/b"] {
            expect(.invalidName, "\(name)") { try ca.server([name]) }
        }
        for address in ["", "1.2.3", "localhost", "1.2.3.4/8"] {
            expect(.invalidName, "\(address)") { try ca.server([], addresses: [address]) }
        }
        expect(.invalidName, "no name at all") { try ca.server([]) }
        for name in ["localhost", "xn--bcher-kva.example", "*.a.example", "_mqtt.example"] { _ = try ca.server([name]) }
    }
}
