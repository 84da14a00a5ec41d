// SPDX-License-Identifier: Apache-2.0

/// Writes a response or a probe, with compressed names (RFC 1035 section 4.1.4): first questions, then records, section by
/// section.
public struct DNSWriter {
    /// The most bytes. So an answer is not much longer than a question with a long name, and of no use to whoever wants
    /// to flood somebody else.
    public static let limit = 512

    public enum Kind {
        /// A query that says in its authority section what its sender is going to own (RFC 6762 section 8.1).
        case probe
        case response
        /// To a querier that does not speak multicast DNS: it does not know the cache-flush bit, wants a time to live of
        /// at most ten seconds, and no compression in SRV (RFC 6762 sections 6.7 and 18.14).
        case legacyResponse
    }

    /// Where the header counts the records of a section.
    public enum Section: Int {
        case answer = 6
        case authority = 8
        case additional = 10
    }

    private static let legacyTimeToLive: UInt32 = 10

    public private(set) var bytes: [UInt8]
    private let kind: Kind
    /// Endings of names, as on the wire without compression, and where they stand.
    private var known: [(name: [UInt8], at: Int)] = []

    /// `id` is 0 unless it answers to the sender alone.
    public init(_ kind: Kind, id: UInt16 = 0) {
        self.kind = kind
        bytes = [UInt8](repeating: 0, count: DNSMessage.headerSize)
        bytes[0] = UInt8(id >> 8)
        bytes[1] = UInt8(id & 0xff)
        // A response, authoritative.
        if case .probe = kind { return }
        bytes[2] = 0x84
    }

    /// False, and nothing is written, if there is no room.
    @inline(never)
    public mutating func add(_ question: DNSQuestion) -> Bool {
        let before = self
        add(question.name.wire, isCompressed: true)
        add(question.type)
        add(question.wantsUnicast ? 0x8001 : 1)
        return keep(4, 1, or: before)
    }

    /// All of them, or none: then it is false. `isUnique`: they are all that there are of their name and type, which is
    /// what the cache-flush bit says (RFC 6762 section 10.2).
    @inline(never)
    public mutating func add(_ records: [DNSRecord], isUnique: Bool, _ section: Section) -> Bool {
        let before = self
        var isLegacy = false
        if case .legacyResponse = kind { isLegacy = true }
        for record in records {
            add(record.name.wire, isCompressed: true)
            add(record.data.type)
            // No cached answers are replaced by a probe.
            add(isUnique && !isLegacy && section != .authority ? 0x8001 : 1)
            let timeToLive = isLegacy ? min(record.timeToLive, Self.legacyTimeToLive) : record.timeToLive
            add(UInt16(timeToLive >> 16))
            add(UInt16(timeToLive & 0xffff))
            let length = bytes.count
            add(0)
            switch record.data {
            case .pointer(let name): add(name.wire, isCompressed: true)
            case .service(let service):
                bytes += service.head
                add(service.target.wire, isCompressed: !isLegacy)
            default: bytes += record.data.wire
            }
            let size = bytes.count - length - 2
            bytes[length] = UInt8(truncatingIfNeeded: size >> 8)
            bytes[length + 1] = UInt8(truncatingIfNeeded: size)
        }
        return keep(section.rawValue, records.count, or: before)
    }

    /// Counts what was added, or takes it back.
    private mutating func keep(_ place: Int, _ count: Int, or before: DNSWriter) -> Bool {
        guard bytes.count <= Self.limit, count + Int(bytes[place + 1]) <= 255 else {
            self = before
            return false
        }
        bytes[place + 1] += UInt8(count)
        return true
    }

    private mutating func add(_ number: UInt16) {
        bytes.append(UInt8(number >> 8))
        bytes.append(UInt8(number & 0xff))
    }

    private mutating func add(_ name: [UInt8], isCompressed: Bool) {
        var rest = name[...]
        while rest.count > 1, let length = rest.first {
            let ending = [UInt8](rest)
            if isCompressed, let place = known.first(where: { $0.name == ending })?.at {
                add(0xc000 | UInt16(truncatingIfNeeded: place))
                return
            }
            known.append((ending, bytes.count))
            bytes += rest.prefix(1 + Int(length))
            rest = rest.dropFirst(1 + Int(length))
        }
        bytes.append(0)
    }
}
