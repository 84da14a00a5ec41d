// SPDX-License-Identifier: Apache-2.0

/// The attributes in the data of a TXT record (RFC 6763 section 6).
public enum DNSText {
    /// The value of the first attribute `key`, an ASCII name, whatever the case of its letters; nil if it is missing or
    /// has no value. `strings` is the data of a record that was read.
    public static func value(of key: StaticString, in strings: [UInt8]) -> [UInt8]? {
        let name = UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)
        var start = 0
        while start < strings.count {
            let first = start + 1
            let end = min(first + Int(strings[start]), strings.count)
            let sign = first + name.count
            start = end
            guard sign <= end else { continue }
            guard name.indices.allSatisfy({ DNSName.isSame(strings[first + $0], name[$0]) }) else { continue }
            if sign == end { return nil }
            if strings[sign] == UInt8(ascii: "=") { return [UInt8](strings[(sign + 1)..<end]) }
        }
        return nil
    }
}
