// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletController

/// A token that a device's key signed (JWT, RFC 7519), as `jwt` of its `[https]` makes one: good for a few minutes, and in
/// the hands of an edge for nothing but the device's own exchanges.
struct DeviceToken {
    static let maximumSize = 4096
    /// Seconds that clocks may differ by.
    static let tolerance: Int64 = 60
    /// Seconds that a token may last.
    static let maximumLifetime: Int64 = 300

    private struct Header: Decodable {
        let alg: String
        /// Extensions that whoever does not know them must refuse (RFC 7515 §4.1.11).
        let crit: [String]?
    }

    private struct Claims: Decodable {
        let iss: String
        let sub: String
        let aud: String
        let iat: Int64
        let exp: Int64
    }

    private let header: Header
    private let claims: Claims
    private let message: [UInt8]
    private let signature: [UInt8]

    /// nil unless `authorization`, the field of HTTP, shows a token in its compact form.
    init?(authorization: String) {
        let parts = authorization.split(separator: " ")
        guard authorization.utf8.count <= Self.maximumSize, parts.count == 2, parts[0].lowercased() == "bearer" else {
            return nil
        }
        let fields = parts[1].split(separator: ".", omittingEmptySubsequences: false)
        guard fields.count == 3, let header = Base64.decoded(url: fields[0]),
            let claims = Base64.decoded(url: fields[1]),
            let signature = Base64.decoded(url: fields[2]),
            let known = try? JSONDecoder().decode(Header.self, from: Data(header)),
            let said = try? JSONDecoder().decode(Claims.self, from: Data(claims))
        else { return nil }
        (self.header, self.claims, self.signature) = (known, said, signature)
        message = Array("\(fields[0]).\(fields[1])".utf8)
    }

    /// Whether the key of this certificate signed it, for this audience and this time in seconds since 1970.
    func isGood(for certificate: Certificate, audience: String, at time: Int64) -> Bool {
        let name = certificate.uris.first.map { String(decoding: $0, as: UTF8.self) }
        let times: ClosedRange<Int64> = 0...(1 << 40)
        guard claims.iss == name, claims.sub == name, claims.aud == audience, times.contains(claims.iat),
            times.contains(claims.exp), (0...Self.maximumLifetime).contains(claims.exp - claims.iat),
            claims.iat - Self.tolerance <= time, time <= claims.exp + Self.tolerance, signature.count == 64,
            header.crit == nil, let key = try? certificate.publicKey, let hash = try? SHA256(),
            header.alg == (key.kind == .p256 ? "ES256" : "EdDSA")
        else { return false }
        let bytes = InlineArray<64, UInt8> { signature[$0] }
        return key.verifies(bytes, message.span, digest: hash.digest(message.span))
    }
}
