// SPDX-License-Identifier: Apache-2.0

/// `host`, `host:port` or `[IPv6]:port`, of ASCII that means nothing in a URL beyond that.
public struct ServerAddress: Hashable, Sendable {
    /// The most bytes of a host's name (RFC 1035 §2.3.4), without the final dot.
    public static let maximumLength = 253

    /// A name, or an address without brackets.
    public let host: [UInt8]
    public let port: UInt16

    /// nil unless `text` is exactly such an address. Without a port it is `port`.
    public init?(parsing text: Span<UInt8>, port usual: UInt16) {
        var end = 0
        var isAddress = false
        if text.isEmpty { return nil }
        if text[0] == UInt8(ascii: "[") {
            while end < text.count, text[end] != UInt8(ascii: "]") { end += 1 }
            if end == text.count { return nil }
            host = Self.copy(text.extracting(1..<end))
            isAddress = true
            end += 1
        } else {
            while end < text.count, text[end] != UInt8(ascii: ":") { end += 1 }
            host = Self.copy(text.extracting(0..<end))
        }
        guard (1...Self.maximumLength).contains(host.count), host[0] != UInt8(ascii: "-"),
            host.allSatisfy({ Self.isAllowed($0, isAddress) })
        else { return nil }
        if end == text.count {
            port = usual
            return
        }
        guard text[end] == UInt8(ascii: ":"), let port = Self.number(text.extracting((end + 1)...)) else { return nil }
        self.port = port
    }

    /// As a URL has it.
    public var text: [UInt8] {
        let isAddress = host.contains(UInt8(ascii: ":"))
        var text: [UInt8] = isAddress ? [UInt8(ascii: "[")] + host + [UInt8(ascii: "]")] : host
        text.append(UInt8(ascii: ":"))
        return text + portText
    }

    /// In decimal.
    var portText: [UInt8] {
        var text: [UInt8] = []
        var divisor: UInt16 = 10_000
        while divisor > 1, port < divisor { divisor /= 10 }
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: port / divisor % 10))
            divisor /= 10
        }
        return text
    }

    private static func isAllowed(_ byte: UInt8, _ isAddress: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."): true
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): true
        case UInt8(ascii: ":"): isAddress
        case UInt8(ascii: "g")...UInt8(ascii: "z"), UInt8(ascii: "G")...UInt8(ascii: "Z"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            !isAddress
        default: false
        }
    }

    /// 1 to 65535, without leading zeros.
    private static func number(_ text: Span<UInt8>) -> UInt16? {
        guard (1...5).contains(text.count), text[0] != UInt8(ascii: "0") else { return nil }
        var value: UInt32 = 0
        for index in text.indices {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[index]) else { return nil }
            value = value * 10 + UInt32(text[index] - UInt8(ascii: "0"))
        }
        return UInt16(exactly: value)
    }

    static func copy(_ bytes: Span<UInt8>) -> [UInt8] {
        [UInt8](capacity: bytes.count) { output in
            for index in bytes.indices { output.append(bytes[index]) }
        }
    }
}
