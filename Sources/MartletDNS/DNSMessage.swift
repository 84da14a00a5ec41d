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
    /// Whether this is a standard query.
    public let isQuery: Bool
    public let questions: [DNSQuestion]
    /// Those of the answer, authority and additional sections, in this order.
    public let records: [DNSRecord]
    /// How many of the records are answers: in a query, those that its sender knows (RFC 6762 section 7.1).
    public let answerCount: Int
    /// How many follow that a querier is about to claim (RFC 6762 section 8.2).
    public let authorityCount: Int

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
        let flags = try reader.uint16() & 0xf80f
        isAnswer = flags == 0x8000
        isQuery = flags == 0
        let questionCount = try reader.uint16()
        answerCount = Int(try reader.uint16())
        authorityCount = Int(try reader.uint16())
        let recordCount = answerCount + authorityCount + Int(try reader.uint16())
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
    /// In a question: all of them.
    public static let any: UInt16 = 255
}

public struct DNSQuestion {
    public let name: DNSName
    public let type: UInt16
    /// Whether it asks for class IN, or for any.
    public let isInternet: Bool
    /// Whether an answer to the sender alone will do: the bit QU (RFC 6762 section 5.4).
    public let wantsUnicast: Bool

    /// Of class IN.
    public init(_ name: DNSName, _ type: UInt16, wantsUnicast: Bool = false) {
        self.init(name, type, isInternet: true, wantsUnicast: wantsUnicast)
    }

    init(_ name: DNSName, _ type: UInt16, isInternet: Bool, wantsUnicast: Bool) {
        self.name = name
        self.type = type
        self.isInternet = isInternet
        self.wantsUnicast = wantsUnicast
    }
}

public struct DNSRecord {
    public let name: DNSName
    /// Whether the class is IN, with or without the cache-flush bit (RFC 6762 section 10.2).
    public let isInternet: Bool
    /// Seconds; 0 says goodbye (RFC 6762 section 10.1).
    public let timeToLive: UInt32
    public let data: DNSData

    /// Of class IN.
    public init(_ name: DNSName, timeToLive: UInt32, _ data: DNSData) {
        self.init(name: name, isInternet: true, timeToLive: timeToLive, data: data)
    }

    init(name: DNSName, isInternet: Bool, timeToLive: UInt32, data: DNSData) {
        self.name = name
        self.isInternet = isInternet
        self.timeToLive = timeToLive
        self.data = data
    }
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
    case other(type: UInt16)

    public var type: UInt16 {
        switch self {
        case .pointer: DNSType.pointer
        case .service: DNSType.service
        case .text: DNSType.text
        case .address(let bytes): bytes.count == 4 ? DNSType.address4 : DNSType.address6
        case .other(let type): type
        }
    }

    /// As on the wire, without compression; nothing for other types.
    public var wire: [UInt8] {
        switch self {
        case .pointer(let name): name.wire
        case .service(let service): service.head + service.target.wire
        case .text(let bytes), .address(let bytes): bytes
        case .other: []
        }
    }
}

public struct DNSService {
    public let priority: UInt16
    public let weight: UInt16
    public let port: UInt16
    /// The root if the service is not to be had here.
    public let target: DNSName

    public init(priority: UInt16, weight: UInt16, port: UInt16, target: DNSName) {
        self.priority = priority
        self.weight = weight
        self.port = port
        self.target = target
    }

    /// What stands before the target.
    var head: [UInt8] { [priority, weight, port].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] } }
}
