// SPDX-License-Identifier: Apache-2.0

/// Writes a query, question by question, without compression.
public struct DNSQuery {
    /// The most bytes: with its headers the query fits into the smallest packet that every IPv6 link carries.
    public static let limit = 1232

    public private(set) var bytes: [UInt8]
    private var count: UInt8 = 0

    public init(id: UInt16) {
        bytes = [UInt8](repeating: 0, count: DNSMessage.headerSize)
        bytes[0] = UInt8(id >> 8)
        bytes[1] = UInt8(id & 0xff)
    }

    /// False, and nothing is written, if there is no room.
    public mutating func add(_ question: DNSQuestion) -> Bool {
        guard bytes.count + question.name.wire.count + 4 <= Self.limit, count < .max else { return false }
        bytes += question.name.wire
        bytes += [UInt8(question.type >> 8), UInt8(question.type & 0xff), 0, 1]
        count += 1
        bytes[5] = count
        return true
    }
}
