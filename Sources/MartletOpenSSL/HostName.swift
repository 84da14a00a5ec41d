// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The name a server must prove.
enum HostName {
    case dns([UInt8])
    case address([UInt8])

    /// A DNS name in ASCII (a host name with other characters is given in its `xn--` form) or an address without
    /// brackets.
    init(_ text: String) throws(OpenSSLError) {
        let bytes = text.bytes
        let terminated = bytes + [0]
        if let address = terminated.withUnsafeBufferPointer({ a2i_IPADDRESS($0.baseAddress) }) {
            ASN1_STRING_free(address)
            // OpenSSL also takes signs, and blanks with anything behind them.
            guard bytes.allSatisfy(HostName.isOfAddress) else { throw .invalidName }
            self = .address(bytes)
        } else {
            ERR_clear_error()
            guard HostName.isDNSName(bytes, wildcard: false) else { throw .invalidName }
            self = .dns(bytes)
        }
    }

    /// Whether `name` is the same, whatever the case of its letters (RFC 4343).
    func isSame(as name: [UInt8]) -> Bool {
        let own: [UInt8]
        switch self {
        case .dns(let bytes), .address(let bytes): own = bytes
        }
        return own.count == name.count
            && own.indices.allSatisfy {
                own[$0] == name[$0] || HostName.isLetter(own[$0]) && own[$0] | 0x20 == name[$0] | 0x20
            }
    }

    /// Letters, digits, hyphens and underscores in labels of 1 to 63 bytes, 253 in all. So it has no NUL, and no
    /// leading dot, which OpenSSL would take for "any host below". Not digits and dots alone, which is no address
    /// either.
    static func isDNSName(_ name: [UInt8], wildcard: Bool) -> Bool {
        let dot = UInt8(ascii: ".")
        guard name.count <= 253 else { return false }
        let hasWildcard = wildcard && name.count > 2 && name[0] == UInt8(ascii: "*") && name[1] == dot
        var labels = 1
        var length = 0
        var isNumber = true
        for index in (hasWildcard ? 2 : 0)..<name.count {
            let byte = name[index]
            if byte == dot {
                guard (1...63).contains(length) else { return false }
                labels += 1
                length = 0
                isNumber = true
            } else {
                let isOther = isLetter(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                guard isOther || isDigit(byte) else { return false }
                length += 1
                if isOther { isNumber = false }
            }
        }
        return (1...63).contains(length) && !isNumber && (!hasWildcard || labels > 1)
    }

    private static func isOfAddress(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x61...0x66).contains(byte | 0x20) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
}
