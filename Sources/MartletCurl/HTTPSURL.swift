// SPDX-License-Identifier: Apache-2.0

/// An absolute `https` URL (RFC 3986), in a form that nobody reads in two ways: no user, no fragment, nothing but
/// printable ASCII.
public struct HTTPSURL: Hashable, Sendable {
    /// The most bytes of a URL.
    public static let maximumLength = 2048

    private static let scheme: StaticString = "https://"

    /// All of it.
    public let bytes: [UInt8]
    /// A DNS name, or an address without brackets: what the server's certificate must be for.
    public let host: String
    /// 443 unless the URL says another one.
    public let port: UInt16

    /// `https://HOST[:PORT][/PATH][?QUERY]`, the scheme in lower case, HOST a name in ASCII, an IPv4 address or an
    /// IPv6 address in brackets.
    public init(_ text: String) throws(HTTPSError) {
        try self.init(bytes: text.utf8.withContiguousStorageIfAvailable { [UInt8]($0) } ?? [])
    }

    public init(bytes: [UInt8]) throws(HTTPSError) {
        let start = HTTPSURL.scheme.utf8CodeUnitCount
        guard bytes.count > start, bytes.count <= HTTPSURL.maximumLength else { throw .invalidURL }
        for index in 0..<start where bytes[index] != HTTPSURL.scheme.utf8Start[index] { throw .invalidURL }
        guard bytes[start...].allSatisfy(HTTPSURL.isAllowed) else { throw .invalidURL }

        let end = bytes[start...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? bytes.endIndex
        let authority = bytes[start..<end]
        let name: ArraySlice<UInt8>
        let rest: ArraySlice<UInt8>
        if authority.first == UInt8(ascii: "[") {
            guard let close = authority.firstIndex(of: UInt8(ascii: "]")) else { throw .invalidURL }
            name = authority[(start + 1)..<close]
            rest = authority[(close + 1)...]
            guard name.contains(UInt8(ascii: ":")), name.allSatisfy(HTTPSURL.isOfAddress) else { throw .invalidURL }
        } else {
            let colon = authority.firstIndex(of: UInt8(ascii: ":")) ?? authority.endIndex
            name = authority[..<colon]
            rest = authority[colon...]
            guard name.allSatisfy(HTTPSURL.isOfName) else { throw .invalidURL }
        }
        guard !name.isEmpty, name.count <= 253 else { throw .invalidURL }
        self.bytes = bytes
        // ASCII, as was checked.
        let ascii = [UInt8](name)
        guard let text = try? UTF8Span(validating: ascii.span) else { throw .invalidURL }
        host = String(copying: text)
        port = try HTTPSURL.port(rest)
    }

    /// Of `:PORT`, or of nothing.
    private static func port(_ text: ArraySlice<UInt8>) throws(HTTPSError) -> UInt16 {
        guard let colon = text.first else { return 443 }
        guard colon == UInt8(ascii: ":"), (2...6).contains(text.count) else { throw .invalidURL }
        var port: UInt32 = 0
        for digit in text.dropFirst() {
            guard isDigit(digit) else { throw .invalidURL }
            port = port * 10 + UInt32(digit - UInt8(ascii: "0"))
        }
        guard let port = UInt16(exactly: port), port > 0 else { throw .invalidURL }
        return port
    }

    /// Printable, and not one of those that RFC 3986 leaves out, or that begin a user's end or a fragment.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "#"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "@"),
            UInt8(ascii: "\\"), UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"),
            UInt8(ascii: "}"):
            false
        default: (0x21...0x7E).contains(byte)
        }
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "_")
    }

    private static func isOfAddress(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x61...0x66).contains(byte | 0x20) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
