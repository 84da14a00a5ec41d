// SPDX-License-Identifier: Apache-2.0

/// The attributes in the data of a TXT record (RFC 6763 section 6).
public enum DNSText {
    /// The value of the first attribute `key`, an ASCII name, whatever the case of its letters; nil if it is missing or
    /// has no value. `strings` is the data of a record that was read.
    public static func value(of key: StaticString, in strings: [UInt8]) -> [UInt8]? {
        let length = key.utf8CodeUnitCount
        var start = 0
        while start < strings.count {
            let end = min(start + 1 + Int(strings[start]), strings.count)
            let first = start + 1
            if end - first >= length, (0..<length).allSatisfy({ DNSName.isSame(strings[first + $0], key.utf8Start[$0]) }) {
                let rest = strings[(first + length)..<end]
                if rest.isEmpty { return nil }
                if rest.first == UInt8(ascii: "=") { return [UInt8](rest.dropFirst()) }
            }
            start = end
        }
        return nil
    }
}
