// SPDX-License-Identifier: Apache-2.0

/// A proxy that is asked for a tunnel (CONNECT, RFC 9110 §9.3.6). It sees whom the device talks to, how much and when, and
/// no more: TLS goes through it, and no credentials go to it.
public struct HTTPSProxy: Hashable, Sendable {
    private static let scheme: StaticString = "http"

    let bytes: [UInt8]

    /// `http://HOST:PORT`, HOST as in `HTTPSURL`.
    public init(bytes: [UInt8]) throws(HTTPSError) {
        // As a server's URL it would have one letter more.
        let length = HTTPSProxy.scheme.utf8CodeUnitCount
        guard bytes.count > length else { throw .invalidURL }
        for index in 0..<length where bytes[index] != HTTPSProxy.scheme.utf8Start[index] { throw .invalidURL }
        _ = try HTTPSURL(bytes: bytes[..<length] + [UInt8(ascii: "s")] + bytes[length...])
        guard bytes.last(where: { !(0x30...0x39).contains($0) }) == UInt8(ascii: ":"),
            !bytes.dropFirst(length + 3).contains(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") })
        else { throw .invalidURL }
        self.bytes = bytes
    }
}
