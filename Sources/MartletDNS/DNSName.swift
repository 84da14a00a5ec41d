// SPDX-License-Identifier: Apache-2.0

/// A domain name of at most 255 bytes, its labels of at most 63 bytes each. Labels may hold any bytes; names are
/// compared and ordered without the case of ASCII letters (RFC 4343, RFC 6762 section 16).
public struct DNSName: Sendable, Comparable {
    static let limit = 255
    /// The most compression pointers in one name; a name of an IPv6 address can have 33.
    static let pointerLimit = 48

    /// As on the wire, without compression: each label behind its length, and a zero.
    public let wire: [UInt8]

    init(wire: [UInt8]) { self.wire = wire }

    /// A constant of the program: labels of 1 to 63 bytes with dots between them, at most 253 bytes;
    /// nothing: the root.
    public init(_ text: StaticString) {
        var wire: [UInt8] = [0]
        var length = 0
        for index in 0..<min(text.utf8CodeUnitCount, Self.limit - 2) {
            let byte = text.utf8Start[index]
            if byte == UInt8(ascii: ".") {
                length = wire.count
                wire.append(0)
            } else {
                wire.append(byte)
                wire[length] = UInt8(truncatingIfNeeded: wire.count - length - 1) & 63
            }
        }
        if wire.count > 1 { wire.append(0) }
        self.wire = wire
    }

    /// `label` below `parent`; nil unless the label has 1 to 63 bytes and the name at most 255.
    public init?(_ label: [UInt8], below parent: DNSName) {
        guard (1...63).contains(label.count), label.count + 1 + parent.wire.count <= Self.limit else { return nil }
        wire = [UInt8(label.count)] + label + parent.wire
    }

    public var isRoot: Bool { wire.count == 1 }

    /// The labels from the leftmost on, without the root.
    public var labels: [[UInt8]] {
        var labels: [[UInt8]] = []
        var at = 0
        while at < wire.count {
            let end = at + 1 + Int(wire[at])
            guard end > at + 1, end <= wire.count else { break }
            labels.append([UInt8](wire[(at + 1)..<end]))
            at = end
        }
        return labels
    }

    /// The leftmost label if `parent` is all that follows it; otherwise nil.
    public func label(below parent: DNSName) -> [UInt8]? {
        guard let first = wire.first, first > 0, wire.count == parent.wire.count + 1 + Int(first) else { return nil }
        let start = 1 + Int(first)
        for index in parent.wire.indices where !Self.isSame(wire[start + index], parent.wire[index]) { return nil }
        return [UInt8](wire[1..<start])
    }

    @inline(never)
    public static func == (one: DNSName, other: DNSName) -> Bool {
        guard one.wire.count == other.wire.count else { return false }
        return one.wire.indices.allSatisfy { isSame(one.wire[$0], other.wire[$0]) }
    }

    /// By the bytes on the wire: a total order that is the same everywhere, not that of an alphabet.
    @inline(never)
    public static func < (one: DNSName, other: DNSName) -> Bool {
        for index in 0..<min(one.wire.count, other.wire.count) {
            let (a, b) = (lowercase(one.wire[index]), lowercase(other.wire[index]))
            if a != b { return a < b }
        }
        return one.wire.count < other.wire.count
    }

    static func isSame(_ a: UInt8, _ b: UInt8) -> Bool { lowercase(a) == lowercase(b) }

    /// Lengths of labels are below "A".
    private static func lowercase(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}
