// SPDX-License-Identifier: Apache-2.0

@testable import MartletDNS
@testable import MartletDiscovery
import TestSupport
import Testing

private let everything = [
    "12 \(Machine.type) 4500", "33 \(Machine.instance) 120", "16 \(Machine.instance) 4500", "1 \(Machine.host) 120",
    "28 \(Machine.host) 120",
]

@Suite struct ResponderTests {
    @Test func `it probes three times, a quarter of a second apart, and then announces itself twice`() throws {
        var machine = try Machine()
        let sent = machine.sent(until: 60_000)
        let times = sent.filter { $0.packet.interface == 3 }.map(\.time)
        #expect(times.count == 5 && times[0] < 5250)
        #expect(times.map { $0 - times[0] } == [0, 250, 500, 750, 1750])
        #expect(sent.count == 15 && sent.allSatisfy { $0.packet.receiver == nil })
        let probe = try read(sent[0].packet.bytes)
        #expect(probe.isQuery && probe.questions.allSatisfy { $0.wantsUnicast && $0.type == 255 })
        #expect(probe.questions.map { text($0.name) } == [Machine.instance, Machine.host])
        #expect(probe.answerCount == 0 && probe.records.count == 4)
        let announcements = try sent.suffix(6).map { try summary($0.packet.bytes) }
        #expect(announcements[0] == everything && announcements[3] == everything)
        #expect(announcements[2] == everything.dropLast())
    }

    @Test func `nothing is answered before the names are its own`() throws {
        var machine = try Machine()
        let reply = try machine.receive(query([(Machine.type, 12)], id: 7), port: 40_000)
        #expect(reply == nil)
        #expect(try machine.sent(until: 5740).allSatisfy { try read($0.packet.bytes).isQuery })
    }

    @Test(
        arguments: [
            (Machine.type, DNSType.pointer, everything),
            (Machine.type.uppercased(), DNSType.any, everything),
            (Machine.allTypes, DNSType.pointer, ["12 \(Machine.allTypes) 4500"]),
            (Machine.instance, DNSType.service, [everything[1], everything[3], everything[4]]),
            (Machine.instance, DNSType.text, [everything[2]]),
            (Machine.instance, DNSType.any, [everything[1], everything[2], everything[3], everything[4]]),
            (Machine.host, DNSType.address4, [everything[3], everything[4]]),
            (Machine.host, DNSType.address6, [everything[4], everything[3]]),
            (Machine.host, DNSType.any, [everything[3], everything[4]]),
        ] as [(String, UInt16, [String])])
    func `each name is answered with what belongs to it`(_ name: String, _ type: UInt16, _ records: [String]) throws {
        var machine = try Machine.announced()
        #expect(try machine.told(by: query([(name, type)])) == [records])
    }

    @Test(
        arguments: [
            (Machine.type, DNSType.text), (Machine.host, DNSType.text), (Machine.instance, DNSType.pointer),
            ("other._martlet._udp.local", DNSType.any), ("_http._tcp.local", DNSType.pointer), ("local", DNSType.any),
            ("pump-8.local", DNSType.address4), ("", DNSType.any), ("_udp.local", DNSType.any),
        ] as [(String, UInt16)])
    func `what is not its own is not answered`(_ name: String, _ type: UInt16) throws {
        var machine = try Machine.announced()
        #expect(try machine.told(by: query([(name, type)])) == [])
        let alone = try machine.receive(query([(name, type)], id: 3), port: 40_000)
        #expect(alone == nil)
    }

    @Test func `an interface is told its own addresses, and those without any are not told of`() throws {
        var machine = try Machine.announced()
        #expect(try machine.told(by: query([(Machine.host, DNSType.any)]), interface: 3) == [["1 \(Machine.host) 120"]])
        #expect(try machine.told(by: query([(Machine.host, DNSType.address6)]), interface: 3) == [])
        machine = try Machine.announced()
        try machine.receive(query([(Machine.host, DNSType.address4)]), interface: 3)
        let packet = try #require(machine.sent(until: 12_000).first?.packet)
        #expect(packet.interface == 3 && !packet.isIPv6)
        #expect(packet.bytes.suffix(4) == [192, 168, 0, 7])
    }

    @Test func `the attributes tell id, model, version and how far it is`() throws {
        var machine = try Machine.announced()
        var device = try device()
        device.state = .pending
        machine.responder.setAttributes(device.announcement.attributes, now: machine.now)
        let sent = machine.sent(until: machine.now + 5000)
        #expect(sent.count == 6 && sent[3].time - sent[0].time == 1000)
        let records = try read(sent[0].packet.bytes).records
        let strings = records.compactMap { record -> [UInt8]? in
            if case .text(let strings) = record.data { strings } else { nil }
        }
        let expected = ["id=pump-7", "model=P1", "version=1.2.3", "state=pending"]
        #expect(strings == [expected.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }])
    }

    @Test func `a known answer is not told again, unless it is about to be forgotten or is another one`() throws {
        let known = Record.pointer("pump-7", to: Machine.type)
        func told(_ record: Record) throws -> Int {
            var machine = try Machine.announced()
            var packet = query([(Machine.type, DNSType.pointer)], known: [record])
            // The time to live has four bytes.
            let time = packet.count - record.data.count - 6
            packet.replaceSubrange(time..<(time + 4), with: [0, 0, 0x08, record.ttl])
            return try machine.told(by: packet).count
        }
        var fresh = known
        fresh.ttl = 0xca  // 2250
        #expect(try told(fresh) == 0)
        fresh.ttl = 0xc9
        #expect(try told(fresh) == 1)
        var other = Record.pointer("pump-8", to: Machine.type)
        other.ttl = 0xff
        #expect(try told(other) == 1)
    }

    @Test func `the goodbye takes everything back, on each link, and then it is silent`() throws {
        var machine = try Machine.announced()
        machine.responder.end()
        let sent = machine.sent(until: 60_000)
        #expect(sent.count == 3)
        #expect(
            try summary(sent[0].packet.bytes)
                == everything.map { $0.split(separator: " ").dropLast().joined(separator: " ") + " 0" })
        #expect(try machine.told(by: query([(Machine.type, DNSType.pointer)])) == [])
        var early = try Machine()
        _ = early.sent(until: 5300)
        early.responder.end()
        #expect(early.sent(until: 60_000).isEmpty)
    }

    @Test func `when links change it claims its names anew; without links it sends nothing`() throws {
        var machine = try Machine(links: [])
        #expect(machine.sent(until: 60_000).isEmpty)
        machine.responder.setLinks(Machine.links, now: machine.now)
        #expect(machine.sent(until: 120_000).count == 15)
        machine.responder.setLinks(Machine.links, now: machine.now)
        #expect(machine.sent(until: 180_000).isEmpty)
        machine.responder.setLinks(Array(Machine.links.dropLast()), now: machine.now)
        #expect(machine.sent(until: 240_000).count == 10)
    }

    @Test(
        arguments: [
            ("", nil), ("-a", nil), ("a b", nil), ("a/b", nil), ("a&b", nil), ("é", nil),
            (String(repeating: "a", count: 64), nil),
            (String(repeating: "a", count: 63), String(repeating: "a", count: 63)),
            ("a.B_c-1", "a-B-c-1"),
        ] as [(String, String?)])
    func `an id makes a label and a host name, or is none`(_ id: String, _ host: String?) {
        let device = AnnouncedDevice(id: Array(id.utf8), model: nil, version: "1")
        #expect(device?.announcement.host.labels.first.map { text($0) } == host)
    }

    @Test func `a model has 1 to 64 printable ASCII characters`() {
        for (model, isGood) in [
            ("A b<&>", true), ("", false), ("a\n", false), ("é", false), (String(repeating: "m", count: 64), true),
            (String(repeating: "m", count: 65), false),
        ] {
            let device = AnnouncedDevice(id: [0x61], model: Array(model.utf8), version: "1")
            #expect((device?.announcement.attributes.count == 4) == isGood, "\(model)")
        }
    }
}
