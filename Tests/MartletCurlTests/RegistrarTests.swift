// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletHTTPS
import MartletOpenSSL
import TestSupport
import Testing

/// A server whose name anybody may have proposed.
@Suite(.timeLimit(.minutes(2))) struct RegistrarTests {
    /// Why a registrar with such a certificate is refused; nil if it is not.
    private func failure(
        _ usages: String, name: String = "localhost", trusting other: TestAuthority? = nil
    ) throws -> (HTTPSFailure?, String) {
        let authority = try TestAuthority()
        let files = try authority.forge(extensions: [
            "subjectAltName=DNS:\(name)", "keyUsage=critical,digitalSignature", usages,
        ])
        let server = try HTTPSServer(authority, files: files)
        try server.answer("a", body: "hello")
        let client = try Client(trusting: other ?? authority, isRegistrar: true)
        let failure = try client.failure(url(server.port, "/a"))
        // Over the session of the first connection too.
        client.https.disconnect()
        #expect(try client.failure(url(server.port, "/a")) == failure)
        return (failure, server.output)
    }

    @Test(arguments: [
        "extendedKeyUsage=serverAuth,cmcRA", "extendedKeyUsage=1.3.6.1.5.5.7.3.28,clientAuth,serverAuth",
    ]) func `one whose certificate says that it is a registrar is spoken to`(_ usages: String) throws {
        let (failure, output) = try failure(usages)
        #expect(failure == nil && output.contains("GET /a"))
    }

    @Test(arguments: [
        "extendedKeyUsage=serverAuth", "extendedKeyUsage=serverAuth,clientAuth,cmcCA", "extendedKeyUsage=cmcRA",
        "subjectKeyIdentifier=hash",
    ]) func `one that only has the name is not`(_ usages: String) throws {
        let (failure, output) = try failure(usages)
        #expect(failure == .tls(.certificate(.wrongPurpose)) && !output.contains("REQUEST"))
    }

    @Test func `name and authority count as ever`() throws {
        let usages = "extendedKeyUsage=serverAuth,cmcRA"
        #expect(try failure(usages, name: "other.example").0 == .tls(.certificate(.hostName)))
        #expect(try failure(usages, trusting: TestAuthority()).0 == .tls(.certificate(.untrustedIssuer)))
    }
}
