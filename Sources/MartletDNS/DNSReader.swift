// SPDX-License-Identifier: Apache-2.0

/// Reads the parts of a message in their order.
struct DNSReader: ~Copyable, ~Escapable {
    private let input: Span<UInt8>
    /// Where the next part begins; never behind the end.
    private(set) var offset = 0

    @_lifetime(copy input)
    init(_ input: Span<UInt8>) { self.input = input }

    mutating func question() throws(DNSError) -> DNSQuestion {
        let name = try name()
        let type = try uint16()
        let questionClass = try uint16()
        let kind = questionClass & 0x7fff
        return DNSQuestion(
            name, type, isInternet: kind == 1 || kind == 255, wantsUnicast: questionClass & 0x8000 != 0)
    }

    @inline(never)
    mutating func record() throws(DNSError) -> DNSRecord {
        let start = offset
        let name = try name()
        let type = try uint16()
        let recordClass = try uint16()
        let timeToLive = try uint32()
        let length = Int(try uint16())
        guard length <= input.count - offset else { throw .truncated(at: start) }
        let end = offset + length
        let data = try data(type, end: end)
        // Also if a name ran on behind the data, into what follows.
        guard offset == end else { throw .badData(at: start) }
        return DNSRecord(
            name: name, isInternet: recordClass & 0x7fff == 1, timeToLive: timeToLive, data: data)
    }

    private mutating func data(_ type: UInt16, end: Int) throws(DNSError) -> DNSData {
        let start = offset
        switch type {
        case DNSType.pointer: return .pointer(try name())
        case DNSType.service:
            guard end - start > 6 else { throw .badData(at: start) }
            let (priority, weight, port) = (try uint16(), try uint16(), try uint16())
            return .service(DNSService(priority: priority, weight: weight, port: port, target: try name()))
        case DNSType.text:
            while offset < end { offset += 1 + Int(input[offset]) }
            guard offset == end else {
                offset = end
                throw .badData(at: start)
            }
            return .text(copy(start..<end))
        case DNSType.address4, DNSType.address6:
            guard end - start == (type == DNSType.address4 ? 4 : 16) else { throw .badData(at: start) }
            offset = end
            return .address(copy(start..<end))
        default:
            offset = end
            return .other(type: type)
        }
    }

    /// A pointer must lead to before the labels that it ends, so there is no loop.
    @inline(never)
    mutating func name() throws(DNSError) -> DNSName {
        let start = offset
        var wire: [UInt8] = []
        var at = start
        var labels = start
        var pointers = 0
        while true {
            guard at < input.count else { throw .truncated(at: start) }
            let first = input[at]
            switch first >> 6 {
            case 0:
                let end = at + 1 + Int(first)
                guard end <= input.count else { throw .truncated(at: start) }
                // With the zero at the end of all.
                guard wire.count + (end - at) + (first == 0 ? 0 : 1) <= DNSName.limit else {
                    throw .nameTooLong(at: start)
                }
                for index in at..<end { wire.append(input[index]) }
                at = end
                if first == 0 {
                    if pointers == 0 { offset = at }
                    return DNSName(wire: wire)
                }
            case 3:
                guard at + 1 < input.count else { throw .truncated(at: start) }
                let target = Int(first & 0x3f) << 8 | Int(input[at + 1])
                guard target >= DNSMessage.headerSize, target < labels else { throw .badPointer(at: at) }
                if pointers == 0 { offset = at + 2 }
                pointers += 1
                guard pointers <= DNSName.pointerLimit else { throw .tooManyPointers(at: start) }
                at = target
                labels = target
            default: throw .badLabel(at: at)
            }
        }
    }

    mutating func uint16() throws(DNSError) -> UInt16 {
        guard input.count - offset >= 2 else { throw .truncated(at: offset) }
        let value = UInt16(input[offset]) << 8 | UInt16(input[offset + 1])
        offset += 2
        return value
    }

    private mutating func uint32() throws(DNSError) -> UInt32 {
        let high = try uint16()
        return UInt32(high) << 16 | UInt32(try uint16())
    }

    private func copy(_ range: Range<Int>) -> [UInt8] {
        [UInt8](capacity: range.count) { output in
            for index in range { output.append(input[index]) }
        }
    }
}
