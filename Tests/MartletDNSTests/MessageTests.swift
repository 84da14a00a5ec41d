// SPDX-License-Identifier: Apache-2.0

@testable import MartletDNS
import TestSupport
import Testing

@Suite struct VectorTests {
    @Test func `avahi's answer is read`() throws {
        let message = try decoded(Vectors.hex("dns/avahi-0.8-registrar.hex"))
        #expect(message.id == 0x1234 && message.isAnswer)
        #expect(message.questions.map { dotted($0.name) } == ["_brski-registrar._tcp.local"])
        #expect(message.questions.map(\.type) == [DNSType.pointer])
        let instance = "Küche & Keller._brski-registrar._tcp.local"
        #expect(
            message.records.map { dotted($0.name) } == [
                "_brski-registrar._tcp.local", instance, instance, "pantry.local", "pantry.local",
            ])
        #expect(
            message.records.map(\.data.summary) == [
                "PTR \(instance)", "TXT 30", "SRV 0 0 8443 pantry.local",
                "[253, 119, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]", "[10, 77, 0, 2]",
            ])
        #expect(message.records.allSatisfy { $0.isInternet && $0.timeToLive == 10 })
        guard case .text(let strings) = message.records[1].data else { return }
        #expect(DNSText.value(of: "path", in: strings).map(text) == "/.well-known/est/kitchen")
    }

    @Test func `python-zeroconf's answer is read`() throws {
        let message = try decoded(Vectors.hex("dns/zeroconf-0.154.0-gateway.hex"))
        #expect(message.id == 0x1234 && message.isAnswer)
        #expect(message.records.map { dotted($0.name) }.contains("Honest gateway._secure-mqtt._tcp.local"))
        #expect(message.records.map(\.data.summary).contains("SRV 0 0 8883 honest.local"))
        #expect(message.records.map(\.timeToLive) == [4500, 120, 120, 4500, 120])
    }

    @Test func `every prefix of every vector, and one byte more, is refused`() throws {
        let names = try Vectors.files("dns")
        #expect(names.count == 4)
        for name in names {
            let bytes = try Vectors.hex("dns/\(name)")
            #expect(refusal(bytes) == nil)
            for count in bytes.indices {
                let isRefused = refusal(Array(bytes[..<count])) != nil
                #expect(isRefused, "\(name), \(count) bytes")
            }
            #expect(refusal(bytes + [0]) == .trailingBytes(at: bytes.count), "\(name)")
        }
    }

    @Test func `every changed byte of a vector is refused, or read without a trap`() throws {
        for name in try Vectors.files("dns") {
            let good = try Vectors.hex("dns/\(name)")
            for at in good.indices {
                for value in [0x00, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff] as [UInt8] {
                    var bad = good
                    bad[at] = value
                    _ = refusal(bad)
                }
            }
        }
    }
}

@Suite struct MessageTests {
    private let pointer = rest(12, [0xc0, 12])

    @Test func `a query that we write is read`() throws {
        var query = DNSQuery(id: 0xfedc)
        let isFirstIn = query.add(DNSQuestion(DNSName("_secure-mqtt._tcp.local"), DNSType.pointer))
        let isSecondIn = query.add(DNSQuestion(DNSName("gateway.local"), 0x1234))
        #expect(isFirstIn && isSecondIn)
        let message = try decoded(query.bytes)
        #expect(message.id == 0xfedc && !message.isAnswer && message.records.isEmpty)
        #expect(message.questions.map { dotted($0.name) } == ["_secure-mqtt._tcp.local", "gateway.local"])
        #expect(message.questions.map(\.type) == [12, 0x1234])
    }

    @Test func `a query takes questions only as long as there is room`() throws {
        var query = DNSQuery(id: 0)
        var count = 0
        while query.add(DNSQuestion(DNSName("a-host-with-a-long-name.local"), 1)) { count += 1 }
        #expect(query.bytes.count <= DNSQuery.limit && query.bytes.count > DNSQuery.limit - 40)
        #expect(try decoded(query.bytes).questions.count == count)
        var small = DNSQuery(id: 0)
        count = 0
        while small.add(DNSQuestion(DNSName(""), 1)) { count += 1 }
        #expect(try decoded(small.bytes).questions.count == count)
    }

    @Test(
        arguments: [
            ([0x84, 0x00], true), ([0x80, 0x00], true), ([0x86, 0x00], true), ([0x85, 0xf0], true),
            ([0x00, 0x00], false), ([0x84, 0x03], false), ([0x8c, 0x00], false), ([0xa8, 0x00], false),
        ] as [([UInt8], Bool)])
    func `an answer is a response to a standard query without an error`(_ flags: [UInt8], _ isAnswer: Bool) throws {
        #expect(try decoded(header(flags: flags)).isAnswer == isAnswer)
    }

    @Test func `the cache-flush bit is no part of the class`() throws {
        let name = label("x") + [0]
        let classes: [[UInt8]] = [[0, 1], [0x80, 1], [0, 3], [0x80, 0xff], [0x40, 1]]
        let isInternet = try classes.map { bytes in
            try decoded(header(0, 1) + name + rest(1, [1, 2, 3, 4], class: bytes)).records.map(\.isInternet)
        }
        #expect(isInternet == [[true], [true], [false], [false], [false]])
    }

    @Test func `records of all three sections are read, and unknown types passed over`() throws {
        var bytes = header()
        (bytes[7], bytes[9], bytes[11]) = (1, 1, 1)
        let name = label("x") + [0]
        bytes += name + rest(1, [1, 2, 3, 4]) + name + rest(47, [0xff, 0xff]) + name + rest(16, [])
        let records = try decoded(bytes).records
        #expect(records.map(\.data.summary) == ["[1, 2, 3, 4]", "other", "TXT 0"])
    }

    @Test func `pointers that lead back are followed`() throws {
        // x.local; y + pointer to local; pointer to that; PTR data is z + pointer to the last name.
        var bytes = header(0, 2) + label("x") + label("local") + [0] + rest(1, [1, 2, 3, 4])
        let second = UInt8(bytes.count)
        bytes += label("y") + [0xc0, 14] + rest(12, label("z") + [0xc0, second])
        let records = try decoded(bytes).records
        #expect(records.map { dotted($0.name) } == ["x.local", "y.local"])
        #expect(records[1].data.summary == "PTR z.y.local")
    }

    @Test func `a name may have 255 bytes and no more`() {
        let labels = Array(repeating: label(String(repeating: "a", count: 63)), count: 3).flatMap { $0 }
        let longest = labels + label(String(repeating: "b", count: 61)) + [0]
        #expect(longest.count == 255)
        #expect(refusal(header(1) + longest + [0, 1, 0, 1]) == nil)
        let longer = labels + label(String(repeating: "b", count: 62)) + [0]
        #expect(refusal(header(1) + longer + [0, 1, 0, 1]) == .nameTooLong(at: 12))
        // The same by pointer.
        let both = header(2) + longest + [0, 1, 0, 1] + label("") + [0, 1, 0, 1]
        #expect(refusal(both) == nil)
        let joined = header(2) + longest + [0, 1, 0, 1] + label("c") + [0xc0, 12, 0, 1, 0, 1]
        #expect(refusal(joined) == .nameTooLong(at: 12 + 255 + 4))
    }

    @Test func `a name may need 48 pointers and no more`() {
        // The first name is the root; each other one is a pointer to the one before.
        func chain(_ count: Int) -> [UInt8] {
            var bytes = header(UInt8(count + 1)) + [0, 0, 1, 0, 1]
            var target = 12
            for _ in 0..<count {
                let here = bytes.count
                bytes += [0xc0 | UInt8(target >> 8), UInt8(target & 0xff), 0, 1, 0, 1]
                target = here
            }
            return bytes
        }
        #expect(refusal(chain(48)) == nil)
        #expect(refusal(chain(49)) == .tooManyPointers(at: chain(48).count))
    }

    @Test func `the longest message is read, a longer one is not`() {
        let name: [UInt8] = [0]
        let filler = header(0, 1) + name + rest(99, [UInt8](repeating: 0xff, count: 9000 - 12 - 11))
        #expect(filler.count == DNSMessage.limit)
        #expect(refusal(filler) == nil)
        #expect(refusal(filler + [0]) == .tooLong)
    }

    /// Each of them stands for a way to make a parser loop, jump, read or allocate beyond its bounds.
    @Test(
        arguments: [
            ("nothing", [], .truncated(at: 0)),
            ("half a header", [0, 0, 0x84, 0, 0, 0], .truncated(at: 6)),
            ("a question that is not there", header(1), .truncated(at: 12)),
            ("255 records that are not there", header(0, 255), .truncated(at: 12)),
            ("one record of two", header(0, 2) + [0] + rest(1, [1, 2, 3, 4]), .truncated(at: 27)),
            ("a record that no count promises", header() + [0] + rest(1, [1, 2, 3, 4]), .trailingBytes(at: 12)),
            ("a label of 0x40", header(1) + [0x40, 0, 0, 1, 0, 1], .badLabel(at: 12)),
            ("a label of 0x80", header(1) + [0x80, 0, 0, 1, 0, 1], .badLabel(at: 12)),
            ("a label of 0xbf behind another", header(1) + [1, 0x61, 0xbf, 0, 1, 0, 1], .badLabel(at: 14)),
            ("a label beyond the end", header(1) + [63, 0x61, 0, 0, 1, 0, 1], .truncated(at: 12)),
            ("a name without its zero", header(1) + [1, 0x61], .truncated(at: 12)),
            ("half a pointer", header(1) + [0xc0], .truncated(at: 12)),
            ("a pointer to itself", header(1) + [0xc0, 12, 0, 1, 0, 1], .badPointer(at: 12)),
            ("a pointer to its own label", header(1) + [1, 0x61, 0xc0, 12, 0, 1, 0, 1], .badPointer(at: 14)),
            ("a pointer forwards", header(1) + [0xc0, 18, 0, 1, 0, 1], .badPointer(at: 12)),
            ("a pointer beyond the end", header(1) + [0xff, 0xff, 0, 1, 0, 1], .badPointer(at: 12)),
            ("a pointer into the header", header(1) + [0xc0, 11, 0, 1, 0, 1], .badPointer(at: 12)),
            (
                "two pointers to each other",
                header(0, 2) + [0] + rest(12, [0xc0, 31]) + [1, 0x61, 0xc0, 23] + rest(1, [1, 2, 3, 4]),
                .badPointer(at: 23)
            ),
            (
                "a pointer back, and from there forwards",
                header(0, 1) + [0] + rest(99, [0xc0, 30], length: 2) + [0xc0, 23], .trailingBytes(at: 25)
            ),
            ("data beyond the end", header(0, 1) + [0] + rest(1, [1, 2, 3, 4], length: 5), .truncated(at: 12)),
            ("data of 65,535 bytes", header(0, 1) + [0] + rest(99, [], length: 65_535), .truncated(at: 12)),
            ("an IPv4 address of 5 bytes", header(0, 1) + [0] + rest(1, [1, 2, 3, 4, 5]), .badData(at: 23)),
            ("an IPv6 address of 4 bytes", header(0, 1) + [0] + rest(28, [1, 2, 3, 4]), .badData(at: 23)),
            ("an empty address", header(0, 1) + [0] + rest(1, []), .badData(at: 23)),
            ("a server without a name", header(0, 1) + [0] + rest(33, [0, 0, 0, 0, 0, 1]), .badData(at: 23)),
            (
                "a server's name that runs on", header(0, 1) + [0] + rest(33, [0, 0, 0, 0, 0, 1, 1]) + [0x61, 0],
                .badData(at: 12)
            ),
            ("a pointer record with more behind its name", header(0, 1) + [0] + rest(12, [0, 0]), .badData(at: 12)),
            ("a pointer record without data", header(0, 1) + [0] + rest(12, []), .truncated(at: 23)),
            ("a string longer than its record", header(0, 1) + [0] + rest(16, [2, 0x61]) + [0x61], .badData(at: 23)),
            ("a string of 255 of one", header(0, 1) + [0] + rest(16, [255]), .badData(at: 23)),
        ] as [(String, [UInt8], DNSError)])
    func `bad messages are refused for their reason`(_ what: String, _ bytes: [UInt8], _ reason: DNSError) {
        #expect(refusal(bytes) == reason, "\(what)")
    }

    @Test func `random bytes, and random changes, are no trap`() throws {
        var generator = Repeatable()
        let good = try Vectors.hex("dns/avahi-0.8-gateway.hex")
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            _ = refusal(bytes)
            _ = refusal((0..<60).map { _ in .random(in: 0...255, using: &generator) })
        }
    }
}
