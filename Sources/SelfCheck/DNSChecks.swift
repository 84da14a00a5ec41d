// SPDX-License-Identifier: Apache-2.0

import MartletDNS

/// The reader of DNS messages, which anybody on the network can send.
enum DNSChecks {
    static var all: [Check] {
        [
            Check("dns: an answer is read; every prefix, and one byte more, is refused", answer),
            Check("dns: loops, lengths and counts that lie are refused", table),
            Check("dns: any byte may be anything", damage),
        ]
    }

    private static func message(_ counts: (questions: UInt8, records: UInt8), _ body: [UInt8]) -> [UInt8] {
        [0x12, 0x34, 0x84, 0, 0, counts.questions, 0, counts.records, 0, 0, 0, 0] + body
    }

    /// A name of one label, PTR to a label below it, TXT, SRV and A; names by pointers.
    private static var good: [UInt8] {
        let question: [UInt8] = [4] + bytes("_tcp") + [0, 0, 12, 0, 1]
        let pointer: [UInt8] = [0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 10, 0, 4, 1, 0x67, 0xc0, 12]
        let text: [UInt8] = [0xc0, 34, 0, 16, 0x80, 1, 0, 0, 0, 10, 0, 7, 6] + bytes("path=/")
        let service: [UInt8] = [0xc0, 34, 0, 33, 0x80, 1, 0, 0, 0, 10, 0, 8, 0, 1, 0, 2, 0x22, 0xb3, 0xc0, 12]
        let address: [UInt8] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 10, 0, 4, 10, 0, 0, 2]
        return message((1, 4), question + pointer + text + service + address)
    }

    private static func refusal(_ bytes: [UInt8]) -> DNSError? {
        do throws(DNSError) {
            _ = try DNSMessage(decoding: bytes.span)
            return nil
        } catch {
            return error
        }
    }

    private static func answer() throws(Failure) {
        let good = good
        let message = try require(try? DNSMessage(decoding: good.span), "not read")
        try require(message.isAnswer && message.id == 0x1234 && message.records.count == 4, "read as something else")
        let name = message.records[1].name
        try require(name.label(below: DNSName("_TCP")) == bytes("g"), "the instance's name")
        guard case .service(let service) = message.records[2].data, service.port == 8883, service.weight == 2,
            service.target == DNSName("_tcp"), case .text(let strings) = message.records[1].data,
            DNSText.value(of: "PATH", in: strings) == bytes("/")
        else { throw Failure(why: "the server or its attributes") }
        for count in good.indices {
            try require(refusal([UInt8](good[..<count])) != nil, "read, bytes", number: Int64(count))
        }
        try require(refusal(good + [0]) == .trailingBytes(at: good.count), "one byte more")
    }

    private static func table() throws(Failure) {
        let end: [UInt8] = [0, 1, 0, 1]
        let head: [UInt8] = [0, 0, 12, 0, 1, 0, 0, 0, 10]
        let bad: [(bytes: [UInt8], reason: DNSError)] = [
            (message((1, 0), []), .truncated(at: 12)),
            (message((0, 255), []), .truncated(at: 12)),
            (message((0, 0), [0]), .trailingBytes(at: 12)),
            (message((1, 0), [0x40, 0] + end), .badLabel(at: 12)),
            (message((1, 0), [0x80, 0] + end), .badLabel(at: 12)),
            (message((1, 0), [63, 0] + end), .truncated(at: 12)),
            (message((1, 0), [0xc0, 12] + end), .badPointer(at: 12)),
            (message((1, 0), [1, 0x61, 0xc0, 12] + end), .badPointer(at: 14)),
            (message((1, 0), [0xc0, 18] + end), .badPointer(at: 12)),
            (message((1, 0), [0xff, 0xff] + end), .badPointer(at: 12)),
            (message((1, 0), [0xc0, 0] + end), .badPointer(at: 12)),
            (message((0, 1), head + [0xff, 0xff, 0]), .truncated(at: 12)),
            (message((0, 1), head + [0, 1, 1, 0x61, 0]), .badData(at: 12)),
            ([UInt8](repeating: 0xc0, count: 9001), .tooLong),
            ([UInt8](repeating: 0, count: 9000), .trailingBytes(at: 12)),
            (message((255, 255), [UInt8](repeating: 63, count: 8000)), .nameTooLong(at: 12)),
        ]
        for (number, entry) in bad.enumerated() {
            try require(refusal(entry.bytes) == entry.reason, "row", number: Int64(number))
        }
    }

    private static func damage() throws(Failure) {
        let good = good
        var refused: Int64 = 0
        for at in good.indices {
            for value in 0...255 as ClosedRange<UInt8> {
                var bad = good
                bad[at] = value
                if refusal(bad) != nil { refused += 1 }
            }
        }
        try require(refused > 4000, "refused of 20,000 or so:", number: refused)
    }
}
