// SPDX-License-Identifier: Apache-2.0

internal import MartletEnrolment
internal import MartletOpenSSL

/// A token by which the device's key speaks for the device (RFC 7519): for a gateway in front of the back end that asks for
/// one beside the certificate, or does not pass the certificate on.
final class DeviceToken {
    /// Seconds from its issue to its end.
    static let lifetime: Int64 = 300

    private let key: PrivateKey
    private let name: [UInt8]
    private let audience: [UInt8]
    private let hash: SHA256

    /// - Parameters:
    ///   - name: the device's, which is issuer and subject.
    ///   - audience: visible ASCII.
    init(_ key: PrivateKey, name: [UInt8], audience: [UInt8]) throws(OpenSSLError) {
        self.key = key
        self.name = name
        self.audience = audience
        hash = try SHA256()
    }

    /// A new one, in its compact form (RFC 7515 §7.1); `now` in seconds since 1970.
    func issue(_ now: Int64) throws(OpenSSLError) -> [UInt8] {
        let id: InlineArray<16, UInt8> = try Random.bytes()
        var claims: [UInt8] = []
        claims += [UInt8]("{\"iss\":")
        Self.add(name, to: &claims)
        claims += [UInt8](",\"sub\":")
        Self.add(name, to: &claims)
        claims += [UInt8](",\"aud\":")
        Self.add(audience, to: &claims)
        claims += [UInt8](",\"iat\":")
        Self.add(now, to: &claims)
        claims += [UInt8](",\"exp\":")
        Self.add(now &+ Self.lifetime, to: &claims)
        claims += [UInt8](",\"jti\":\"") + Self.base64url(id.span) + [UInt8]("\"}")

        let header =
            key.kind == .p256
            ? [UInt8]("{\"alg\":\"ES256\",\"typ\":\"JWT\"}") : [UInt8]("{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}")
        let dot = UInt8(ascii: ".")
        let message = Self.base64url(header.span) + [dot] + Self.base64url(claims.span)
        // In JOSE as in COSE: r ‖ s, or R ‖ S (RFC 7518 §3.4, RFC 8037 §3.1).
        let signature = try key.sign(message.span, digest: hash.digest(message.span))
        return message + [dot] + Self.base64url(signature.span)
    }

    /// As a JSON string; the text is visible ASCII.
    private static func add(_ text: [UInt8], to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { json.append(UInt8(ascii: "\\")) }
            json.append(byte)
        }
        json.append(UInt8(ascii: "\""))
    }

    private static func add(_ number: Int64, to json: inout [UInt8]) {
        var digits: [UInt8] = []
        var rest = UInt64(clamping: number)
        repeat {
            digits.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        json += digits.reversed()
    }

    /// RFC 4648 §5, without padding.
    private static func base64url(_ bytes: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        for letter in Base64.encoded(bytes) {
            switch letter {
            case UInt8(ascii: "+"): text.append(UInt8(ascii: "-"))
            case UInt8(ascii: "/"): text.append(UInt8(ascii: "_"))
            case UInt8(ascii: "="), UInt8(ascii: "\n"): break
            default: text.append(letter)
            }
        }
        return text
    }
}
