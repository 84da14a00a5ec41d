// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The name a server must prove.
enum HostName {
    case dns([UInt8])
    case address([UInt8])

    /// A DNS name in ASCII (a host name with other characters is given in its `xn--` form) or an address without
    /// brackets.
    init(_ text: String) throws(OpenSSLError) {
        let bytes = Array(text.utf8)
        if let address = a2i_IPADDRESS(text) {
            ASN1_STRING_free(address)
            self = .address(bytes)
        } else {
            ERR_clear_error()
            guard HostName.isDNSName(bytes, wildcard: false) else { throw .invalidName }
            self = .dns(bytes)
        }
    }

    /// Letters, digits, hyphens and underscores in labels of 1 to 63 bytes, 253 in all. So it has no NUL, and no
    /// leading dot, which OpenSSL would take for "any host below". Not digits and dots alone, which is no address
    /// either.
    static func isDNSName(_ name: [UInt8], wildcard: Bool) -> Bool {
        var labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)[...]
        if wildcard, labels.count > 2, labels.first?.elementsEqual([UInt8(ascii: "*")]) == true {
            labels = labels.dropFirst()
        }
        guard name.count <= 253, labels.last?.contains(where: { !isDigit($0) }) == true else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.count)
                && label.allSatisfy { byte in
                    isDigit(byte) || isLetter(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                }
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
}
