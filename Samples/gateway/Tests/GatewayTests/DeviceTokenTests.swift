// SPDX-License-Identifier: Apache-2.0

import MartletController
import Testing

@testable import martlet_gateway

/// Tokens that devices sign for the HTTPS endpoint.
@Suite struct DeviceTokenTests {
    private static let urn = "urn:dev:org:32473-1"
    private static let now: Int64 = 1_800_000_000

    private let key: PrivateKey
    private let certificate: Certificate

    init() throws {
        let authority = try CertificateAuthority.selfSigned(
            commonName: "test", notBefore: Self.now - 60, notAfter: Self.now + 3600)
        key = try PrivateKey.generate(.p256)
        certificate = try authority.issueDevice(
            key.publicKey, commonName: "pump-7", uri: Self.urn, notBefore: Self.now - 60, notAfter: Self.now + 3600)
    }

    private func claims(
        iss: String = urn, sub: String = urn, aud: String = "things", iat: Int64 = now, exp: Int64 = now + 300
    ) -> String {
        #"{"iss":"\#(iss)","sub":"\#(sub)","aud":"\#(aud)","iat":\#(iat),"exp":\#(exp),"jti":"x"}"#
    }

    private func token(
        _ claims: String, header: String = #"{"alg":"ES256","typ":"JWT"}"#, key: PrivateKey? = nil
    ) throws -> String {
        let message = [header, claims].map { Base64.url(Array($0.utf8)) }.joined(separator: ".")
        let bytes = Array(message.utf8)
        let signature = try (key ?? self.key).sign(bytes.span, digest: SHA256().digest(bytes.span))
        return message + "." + Base64.url(signature.indices.map { signature[$0] })
    }

    private func isGood(_ token: String, at time: Int64 = now) -> Bool {
        DeviceToken(authorization: "Bearer " + token)?.isGood(for: certificate, audience: "things", at: time) ?? false
    }

    @Test func `the device's own token is good for its time`() throws {
        let token = try token(claims())
        #expect(isGood(token))
        #expect(isGood(token, at: Self.now - 60) && isGood(token, at: Self.now + 360))
        #expect(!isGood(token, at: Self.now - 61) && !isGood(token, at: Self.now + 361))
        #expect(DeviceToken(authorization: "bearer \(token)") != nil)
    }

    @Test func `a token for anybody or anything else is refused`() throws {
        for bad in [
            claims(iss: "urn:dev:org:32473-2"), claims(sub: "urn:dev:org:32473-2"), claims(aud: "other"),
            claims(exp: Self.now + 301), claims(iat: Self.now + 10, exp: Self.now), claims(iat: .min, exp: .max),
            claims(iat: -1), #"{"iss":"\#(Self.urn)"}"#, "{}", "[]", "",
        ] {
            #expect(!isGood(try token(bad)), "\(bad)")
        }
    }

    @Test func `a token that another key signed, or none, is refused`() throws {
        #expect(!isGood(try token(claims(), key: PrivateKey.generate(.p256))))
        for header in [
            #"{"alg":"none"}"#, #"{"alg":"HS256"}"#, #"{"alg":"EdDSA"}"#, #"{"alg":"ES256","crit":["exp"]}"#, "{}",
        ] {
            #expect(!isGood(try token(claims(), header: header)), "\(header)")
        }
        let good = try token(claims())
        let unsigned = good[...(good.lastIndex(of: ".") ?? good.startIndex)]
        for bad in [String(unsigned), good + "=", good + ".", String(good.dropLast()), unsigned + "AAAA", "..", ""] {
            #expect(!isGood(bad), "\(bad)")
        }
    }

    @Test func `what is no bearer token is none`() throws {
        let good = try token(claims())
        for field in [
            "", good, "Basic " + good, "Bearer", "Bearer \(good) \(good)",
            "Bearer " + String(repeating: "a", count: 5000),
        ] {
            #expect(DeviceToken(authorization: field) == nil)
        }
    }
}
