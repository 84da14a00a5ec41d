// SPDX-License-Identifier: Apache-2.0

@testable import MartletDNS
@testable import MartletDiscovery
import TestSupport
import Testing

/// Whom it answers alone, how often, and what others can do to it.
@Suite struct ResponderPeerTests {
    @Test func `a plain querier is answered alone, with its id and questions, at once and for ten seconds`() throws {
        var machine = try Machine.announced()
        let reply = try machine.receive(query([(Machine.type, 12), (Machine.host, 1)], id: 0xabcd), port: 40_000)
        let packet = try #require(reply)
        #expect(packet.receiver?.port == 40_000 && packet.receiver?.address == [10, 0, 0, 9])
        let message = try read(packet.bytes)
        #expect(message.id == 0xabcd && message.questions.map { text($0.name) } == [Machine.type, Machine.host])
        #expect(message.records.count == 5 && message.records.allSatisfy { $0.timeToLive == 10 })
        #expect(machine.sent(until: 20_000).isEmpty)
    }

    @Test func `who asks for an answer alone gets it if the others were told lately, otherwise all are told`() throws {
        var machine = try Machine.announced()
        let question = query([(Machine.instance, DNSType.service)], id: 9, unicast: true)
        let reply = try #require(try machine.receive(question))
        let message = try read(reply.bytes)
        #expect(message.id == 0 && message.questions.isEmpty && message.records.map(\.timeToLive) == [120, 120, 120])
        #expect(machine.sent(until: 30_000).isEmpty)
        // A quarter of 120 s.
        machine.now = 50_000
        let late = try machine.receive(question)
        #expect(late == nil && machine.sent(until: 50_000).count == 1)
    }

    @Test func `everybody is told the same at most once a second, whoever asks how often`() throws {
        var machine = try Machine.announced()
        var times: [UInt64] = []
        for _ in 0..<500 {
            try machine.receive(query([(Machine.type, 12), (Machine.instance, 255)]))
            times += machine.sent(until: machine.now + 10).filter { $0.packet.bytes.count > 0 }.map(\.time)
        }
        // Five seconds; what was asked for together may come apart.
        #expect(times.count <= 12)
        var seen: [String: UInt64] = [:]
        machine = try Machine.announced()
        for _ in 0..<500 {
            try machine.receive(query([(Machine.type, 12), (Machine.instance, 255), (Machine.host, 255)]))
            for (time, packet) in machine.sent(until: machine.now + 10) {
                for record in try summary(packet.bytes) {
                    let last = seen[record]
                    #expect(last.map { time - $0 >= 1000 } ?? true, "\(record)")
                    seen[record] = time
                }
            }
        }
        #expect(seen.count == 5)
    }

    @Test func `at most twenty answers a second go to single senders, none longer than 512 bytes`() throws {
        let device = try #require(
            AnnouncedDevice(
                id: [UInt8](repeating: 0x61, count: 63), model: [UInt8](repeating: 0x6d, count: 64),
                version: "100.100.100-rc.1"))
        var responder = Responder(device.announcement, seed: 5)
        let addresses = (1...9).flatMap { [[10, 0, 0, $0], [UInt8](repeating: $0, count: 16)] }
        responder.setLinks([ResponderLink(interface: 2, isIPv6: false, addresses: addresses)], now: 0)
        var now: UInt64 = 0
        while now < 5000 {
            while let packet = responder.packet(now: now) {
                #expect(packet.bytes.count <= 512)
                let records = try read(packet.bytes).records
                #expect(records.filter { if case .address = $0.data { true } else { false } }.count == 4)
            }
            now += 50
        }
        let sender = PacketSender(address: [10, 0, 0, 99], port: 999, interface: 2, isOnLink: true)
        var count = 0
        for _ in 0..<1000 {
            let packet = query([(Machine.type, 12)], id: 1)
            guard let reply = try responder.receive(packet.span, from: sender, now: now) else { continue }
            count += 1
            #expect(reply.bytes.count <= 512)
            #expect(try read(reply.bytes).records.count == 7)
        }
        #expect(count == 20)
    }

    @Test func `who is not on the link, or is this host itself, gets no answer and changes nothing`() throws {
        var machine = try Machine.announced()
        let question = query([(Machine.type, 12)], id: 1)
        for (interface, isOnLink, address) in [
            (2, false, [10, 0, 0, 9]), (7, true, [10, 0, 0, 9]), (3, true, [UInt8](repeating: 1, count: 16)),
        ] as [(UInt32, Bool, [UInt8])] {
            for port in [5353, 40_000] as [UInt16] {
                let reply = try machine.receive(
                    question, from: address, port: port, interface: interface, isOnLink: isOnLink)
                #expect(reply == nil)
                let other = answer([.address(Machine.host, [10, 0, 0, 66])])
                try machine.receive(other, from: address, port: port, interface: interface, isOnLink: isOnLink)
            }
        }
        #expect(machine.sent(until: 60_000).isEmpty)
    }

    @Test(
        arguments: [
            .server("pump-7", "other.local", of: Machine.type), .attributes("pump-7", "x", of: Machine.type),
            .address(Machine.host, [10, 0, 0, 66]), Record(name: Machine.host, type: 13, data: [0, 0]),
        ] as [Record])
    func `it gives way to whoever has its names`(_ record: Record) throws {
        var machine = try Machine()
        _ = machine.sent(until: 5300)
        try machine.receive(answer([record]))
        #expect(machine.responder.conflict.map { text($0) } == record.name)
        #expect(machine.sent(until: 60_000).isEmpty)
        // From another port it is no answer.
        machine = try Machine()
        try machine.receive(answer([record]), port: 5354)
        #expect(machine.responder.conflict == nil)
    }

    @Test func `its own records, and those that end, are no conflict`() throws {
        var machine = try Machine()
        try machine.receive(
            answer([.address(Machine.host, Machine.address6), .address(Machine.host, [192, 168, 0, 7])]))
        try machine.receive(answer([.address(Machine.host, [10, 0, 0, 66], ttl: 0)]))
        try machine.receive(answer([.pointer("pump-7", to: Machine.type)]))
        #expect(machine.responder.conflict == nil)
    }

    @Test func `once announced, it asks again whose a name is, and gives way only to an answer`() throws {
        let other = answer([.address(Machine.host, [10, 0, 0, 66]), .address(Machine.host, [10, 0, 0, 67])])
        var machine = try Machine.announced()
        try machine.receive(other)
        #expect(machine.responder.conflict == nil && !machine.responder.isAnnounced)
        #expect(machine.sent(until: 10_999).isEmpty)
        _ = machine.sent(until: 60_000)
        #expect(machine.responder.isAnnounced)
        machine = try Machine.announced()
        try machine.receive(other)
        _ = machine.sent(until: 11_100)
        try machine.receive(other)
        #expect(machine.responder.conflict.map { text($0) } == Machine.host)
    }

    @Test func `of two that probe at once the greater records win`() throws {
        func starts(_ claim: Record, times: Int = 1) throws -> (first: UInt64?, conflict: Bool) {
            var machine = try Machine()
            _ = machine.sent(until: 5300)
            for _ in 0..<times { try machine.receive(query([(claim.name, 255)], claims: [claim])) }
            return (machine.sent(until: 60_000).first?.time, machine.responder.conflict != nil)
        }
        #expect(try starts(.address(Machine.host, [10, 0, 0, 6])).first ?? 0 < 5600)
        #expect(try starts(.address(Machine.host, [10, 0, 0, 8])).first == 6300)
        // Ours is a text, whose first string has nine bytes, before a service.
        #expect(try starts(.attributes("pump-7", "ten-bytes.", of: Machine.type)).first == 6300)
        #expect(try starts(.attributes("pump-7", "", of: Machine.type)).first ?? 0 < 5600)
        #expect(try starts(.address("pump-8.local", [255, 0, 0, 8])).first ?? 0 < 5600)
        #expect(try starts(.address(Machine.host, [10, 0, 0, 8]), times: 15).conflict == false)
        #expect(try starts(.address(Machine.host, [10, 0, 0, 8]), times: 16).conflict)
    }

    @Test func `a probe for its names is answered within a quarter of a second`() throws {
        var machine = try Machine.announced()
        _ = try machine.told(by: query([(Machine.host, 1)]))
        let start = machine.now
        try machine.receive(query([(Machine.host, 255)]))
        _ = machine.sent(until: start + 1)
        try machine.receive(query([(Machine.host, 255)], claims: [.address(Machine.host, [10, 0, 0, 8])]))
        let sent = machine.sent(until: start + 5000)
        #expect(sent.map(\.time) == [start + 250])
    }

    @Test func `every prefix of a query is refused or ignored, and one more byte is an error`() throws {
        let good = query([(Machine.type, 12)], id: 5, known: [.pointer("x", to: Machine.type)])
        for count in good.indices {
            var machine = try Machine.announced()
            let reply = try? machine.receive(Array(good[..<count]), port: 40_000)
            #expect(reply == nil)
            #expect(machine.sent(until: 20_000).isEmpty)
        }
        var machine = try Machine.announced()
        #expect(throws: DNSError.self) { try machine.receive(good + [0], port: 40_000) }
        #expect(throws: DNSError.self) { try machine.receive(query([], flags: 0) + [0xc0, 12]) }
        let reply = try machine.receive(good, port: 40_000)
        #expect(reply != nil)
    }

    @Test(arguments: [0x8000, 0x7800, 0x0800, 0x0003, 0x8403] as [UInt16])
    func `what is no standard query is not answered`(_ flags: UInt16) throws {
        var machine = try Machine.announced()
        let reply = try machine.receive(query([(Machine.type, 12)], id: 5, flags: flags), port: 40_000)
        #expect(reply == nil && machine.sent(until: 20_000).isEmpty)
    }

    @Test func `a class that is not IN is not answered`() throws {
        var machine = try Machine.announced()
        var packet = query([(Machine.type, 12)], id: 5)
        packet[packet.count - 1] = 3
        #expect(try machine.receive(packet, port: 40_000) == nil)
        packet[packet.count - 1] = 255
        #expect(try machine.receive(packet, port: 40_000) != nil)
    }

    @Test func `random packets, and random changes of good ones, are no trap and bring no more than an answer each`()
        throws
    {
        var generator = SystemRandomNumberGenerator()
        var machine = try Machine.announced()
        let good = [
            query([(Machine.type, 12), (Machine.instance, 255)], id: 5, known: [.pointer("pump-7", to: Machine.type)]),
            query([(Machine.host, 255)], claims: [.address(Machine.host, [10, 0, 0, 8])]),
            answer([.address(Machine.host, [10, 0, 0, 66]), .server("pump-7", "x.local", of: Machine.type)]),
        ]
        for round in 0..<3000 {
            var packet =
                round % 4 == 3 ? (0..<80).map { _ in UInt8.random(in: 0...255, using: &generator) } : good[round % 4]
            for _ in 0..<Int.random(in: 0...3, using: &generator) {
                packet[Int.random(in: packet.indices, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            let reply = try? machine.receive(packet, port: round % 2 == 0 ? 5353 : 40_000)
            #expect((reply?.bytes.count ?? 0) <= DNSWriter.limit)
            let sent = machine.sent(until: machine.now + 20)
            #expect(sent.allSatisfy { $0.packet.bytes.count <= DNSWriter.limit })
            if machine.responder.conflict != nil { machine = try Machine.announced() }
        }
    }
}
