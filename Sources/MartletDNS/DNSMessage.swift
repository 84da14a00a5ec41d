// SPDX-License-Identifier: Apache-2.0

/// A DNS message (RFC 1035 section 4) as multicast DNS uses it (RFC 6762 section 18).
///
/// Reading is total: no input traps it or makes it recurse, and the memory it takes is bounded by the length of the
/// message, not by what its counts promise. Either the whole message is well-formed, or it is an error.
public struct DNSMessage {
    /// The most bytes of a message (RFC 6762 section 17, with headers).
    public static let limit = 9000
    static let headerSize = 12

    public let id: UInt16
    /// Whether this is a response to a standard query, without an error (RFC 6762 sections 18.2, 18.3 and 18.11).
    public let isAnswer: Bool
    public let questions: [DNSQuestion]
    /// Those of the answer, authority and additional sections, in this order.
    public let records: [DNSRecord]

    /// The id of what may be a message; nil if there is none. It costs next to nothing.
    public static func id(of bytes: Span<UInt8>) -> UInt16? {
        bytes.count < 2 ? nil : UInt16(bytes[0]) << 8 | UInt16(bytes[1])
    }

    @inline(never)
    public init(decoding bytes: Span<UInt8>) throws(DNSError) {
        guard bytes.count <= Self.limit else { throw .tooLong }
        var reader = DNSReader(bytes)
        id = try reader.uint16()
        // The truncation bit does not matter: what is missing is asked for.
        isAnswer = try reader.uint16() & 0xf80f == 0x8000
        let questionCount = try reader.uint16()
        var recordCount = 0
        for _ in 0..<3 { recordCount += Int(try reader.uint16()) }
        var questions: [DNSQuestion] = []
        for _ in 0..<questionCount { questions.append(try reader.question()) }
        var records: [DNSRecord] = []
        for _ in 0..<recordCount { records.append(try reader.record()) }
        self.questions = questions
        self.records = records
        guard reader.offset == bytes.count else { throw .trailingBytes(at: reader.offset) }
    }
}

/// Types of records, those that DNS-SD needs.
public enum DNSType {
    public static let address4: UInt16 = 1
    public static let pointer: UInt16 = 12
    public static let text: UInt16 = 16
    public static let address6: UInt16 = 28
    public static let service: UInt16 = 33
}

/// A question of class IN.
public struct DNSQuestion {
    public let name: DNSName
    public let type: UInt16

    public init(_ name: DNSName, _ type: UInt16) {
        self.name = name
        self.type = type
    }
}

public struct DNSRecord {
    public let name: DNSName
    /// Whether the class is IN, with or without the cache-flush bit (RFC 6762 section 10.2).
    public let isInternet: Bool
    /// Seconds; 0 says goodbye (RFC 6762 section 10.1).
    public let timeToLive: UInt32
    public let data: DNSData
}

/// The data of a record, by its type.
public enum DNSData {
    /// PTR.
    case pointer(DNSName)
    /// SRV (RFC 2782).
    case service(DNSService)
    /// TXT: strings of at most 255 bytes, each behind its length.
    case text([UInt8])
    /// A or AAAA: 4 or 16 bytes.
    case address([UInt8])
    /// A type that DNS-SD does not need.
    case other
}

public struct DNSService {
    public let priority: UInt16
    public let weight: UInt16
    public let port: UInt16
    /// The root if the service is not to be had here.
    public let target: DNSName
}
