// SPDX-License-Identifier: Apache-2.0

import MartletDNS
@testable import MartletDiscovery
import TestSupport
import Testing

@Suite struct AnswerTests {
    @Test(arguments: ["avahi-0.8", "zeroconf-0.154.0"])
    func `a captured answer gives the whole service`(_ origin: String) throws {
        var browser = ServiceBrowser(ServiceKind.allCases, id: 0x1234, now: 0)
        for kind in ["registrar", "gateway"] {
            let packet = try Vectors.hex("dns/\(origin)-\(kind).hex")
            let isUsed = try browser.receive(packet.span, port: 5353, isOnLink: true, interface: 2, now: 0)
            #expect(isUsed)
        }
        let services = browser.services
        #expect(services.map(\.kind) == [.gateway, .registrar])
        #expect(services.map(\.port) == [8883, 8443])
        #expect(services.allSatisfy { $0.addresses.map(\.bytes.count) == [4, 16] })
        let isAvahi = origin.hasPrefix("avahi")
        #expect(services.map { text($0.host) } == Array(repeating: isAvahi ? "pantry.local" : "honest.local", count: 2))
        #expect(
            services.map { $0.path.map { text($0) } } == [
                nil, isAvahi ? "/.well-known/est/kitchen" : "/.well-known/est/devices",
            ])
    }

    @Test func `the order of records in a message does not matter`() throws {
        let records = gateway("one") + [.pointer("r", to: Record.registrars)]
        var forwards = Bench()
        try forwards.receive(records)
        var backwards = Bench()
        try backwards.receive(records.reversed())
        #expect(forwards.summary == ["gateway one host.local:8883 0 0 [\"[10, 0, 0, 2]%0\"] -"])
        #expect(backwards.summary == forwards.summary)
    }

    @Test func `answers that come again, by another way or in another case, add nothing`() throws {
        var bench = Bench()
        try bench.receive(gateway("one"))
        let once = bench.summary
        try bench.receive(gateway("one"), interface: 7)
        #expect(bench.summary == once)
        try bench.receive(gateway("ONE", "HOST.LOCAL"))
        #expect(bench.summary.map { $0.lowercased() } == once)
    }

    @Test func `services are sorted by kind, priority, weight, name, host and port`() throws {
        var bench = Bench()
        try bench.receive([
            .pointer("r", to: Record.registrars), .server("r", "a.local", of: Record.registrars),
            .pointer("z"), .server("z", "a.local", priority: 1),
            .pointer("d"), .server("d", "b.local", priority: 2), .server("d", "a.local", port: 9, priority: 2),
            .server("d", "a.local", port: 8, priority: 2),
            .pointer("c"), .server("c", "a.local", priority: 2),
            .pointer("e"), .server("e", "a.local", priority: 2, weight: 5),
        ])
        #expect(bench.instances == ["z", "e", "c", "d", "d", "d", "r"])
        #expect(
            bench.browser.services.map { "\(text($0.host)):\($0.port)" }[3...5] == [
                "a.local:8", "a.local:9", "b.local:8883",
            ])
    }

    @Test func `a goodbye removes a service, a server, an address or a path`() throws {
        var bench = Bench()
        let more: [Record] = [
            .server("one", "other.local"), .attributes("one", "path=/a"), .address("host.local", [10, 0, 0, 3]),
        ]
        try bench.receive(gateway("one") + gateway("two") + more)
        #expect(bench.summary.count == 3)
        try bench.receive([.server("one", "other.local", ttl: 0)])
        try bench.receive([.address("host.local", [10, 0, 0, 2], ttl: 0)])
        #expect(
            bench.summary == [
                "gateway one host.local:8883 0 0 [\"[10, 0, 0, 3]%0\"] /a",
                "gateway two host.local:8883 0 0 [\"[10, 0, 0, 3]%0\"] -",
            ])
        try bench.receive([.attributes("one", "path=/a", ttl: 0)])
        #expect(bench.browser.services.allSatisfy { $0.path == nil })
        try bench.receive([.pointer("one", ttl: 0)])
        #expect(bench.instances == ["two"])
        #expect(try bench.receive([.pointer("one", ttl: 0)]) == false)
        #expect(try bench.receive([.server("two", "elsewhere.local", ttl: 0)]) == false)
        #expect(bench.instances == ["two"])
    }

    @Test func `only a path in visible ASCII is one`() throws {
        for (string, path) in [
            ("path=/est", "/est"), ("path=est", nil), ("path=", nil), ("path", nil), ("path=/a b", nil),
            ("path=/\u{1b}[2J", nil), ("path=/é", nil),
        ] as [(String, String?)] {
            var bench = Bench()
            try bench.receive(gateway("one") + [.attributes("one", string)])
            #expect(bench.browser.services.map { $0.path.map { text($0) } } == [path], "\(string)")
        }
    }

    @Test func `a link-local address has an interface, and addresses no other host has are left out`() throws {
        var bench = Bench()
        let linkLocal: [UInt8] = [0xfe, 0x80] + [UInt8](repeating: 0, count: 13) + [1]
        try bench.receive(gateway("one") + [.address("host.local", linkLocal)], interface: 3)
        try bench.receive([.address("host.local", linkLocal)], interface: 4)
        let found = bench.summary
        #expect(bench.browser.services.first?.addresses.map(\.interface) == [0, 3, 4])
        for bytes in [
            [0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 251], [255, 255, 255, 255],
            [UInt8](repeating: 0, count: 16), [UInt8](repeating: 0, count: 15) + [1],
            [0xff, 2] + [UInt8](repeating: 0, count: 13) + [0xfb],
        ] {
            #expect(try bench.receive([.address("host.local", bytes)]) == false)
        }
        #expect(bench.summary == found)
    }
}

@Suite struct RefusalTests {
    /// Each leaves what is known as it is.
    @Test func `what does not belong to the query changes nothing`() throws {
        var bench = Bench()
        try bench.receive(gateway("one"))
        let before = bench.summary
        let evil = gateway("evil", "evil.local")
        #expect(try bench.receive(answer(evil), port: 5354) == false)
        #expect(try bench.receive(answer(evil), port: 0) == false)
        #expect(try bench.receive(answer(evil), isOnLink: false) == false)
        #expect(try bench.receive(answer(evil, id: 0)) == false)
        #expect(try bench.receive(answer(evil, id: Bench.id ^ 1)) == false)
        #expect(try bench.receive(answer(evil, flags: 0)) == false)
        #expect(try bench.receive(answer(evil, flags: 0x8403)) == false)
        #expect(try bench.receive(answer(evil, flags: 0xa000)) == false)
        #expect(try bench.receive(answer(gateway("one", ttl: 0), id: 0)) == false)
        #expect(bench.summary == before)
        #expect(bench.instances == ["one"])
    }

    @Test func `records that were not asked for are passed over`() throws {
        var bench = Bench()
        try bench.receive(gateway("one"))
        let before = bench.summary
        for records in [
            [.pointer("x", to: "_http._tcp.local"), .server("x", "evil.local", of: "_http._tcp.local")],
            [Record(name: Record.gateways, type: DNSType.pointer, data: name("x._http._tcp.local"))],
            [Record(name: Record.gateways, type: DNSType.pointer, data: name("a.b.\(Record.gateways)"))],
            [Record(name: Record.gateways, type: DNSType.pointer, data: name(Record.gateways))],
            [Record(name: Record.gateways, type: DNSType.pointer, data: [0])],
            [Record(name: Record.gateways, type: 99, data: name("x.\(Record.gateways)"))],
            [.server("unknown", "evil.local"), .attributes("unknown"), .address("evil.local", [10, 0, 0, 66])],
            [.server("one", ""), .server("one", "evil.local", port: 0)],
        ] as [[Record]] {
            #expect(try bench.receive(records) == false)
        }
        for var record in gateway("evil") {
            record.recordClass = 3
            #expect(try bench.receive([record]) == false)
        }
        #expect(bench.summary == before)
    }

    @Test func `a message that is bad anywhere changes nothing`() throws {
        let good = answer(gateway("one"))
        // Less than two bytes have no id.
        for count in good.indices.dropFirst(2) {
            var bench = Bench()
            #expect(throws: DNSError.self) { try bench.receive(Array(good[..<count])) }
            #expect(bench.summary.isEmpty)
        }
        var bench = Bench()
        #expect(throws: DNSError.trailingBytes(at: good.count)) { try bench.receive(good + [0]) }
        #expect(bench.summary.isEmpty)
    }

    @Test func `what is kept is bounded`() throws {
        var bench = Bench()
        for number in 0..<500 {
            try bench.receive(gateway("i\(number)", "h\(number).local"))
            try bench.receive([
                .server("i0", "x\(number).local"), .address("h0.local", [10, 1, 1, UInt8(number & 0xff)]),
            ])
        }
        let services = bench.browser.services
        #expect(Set(services.map { text($0.instance) }).count == ServiceBrowser.instanceLimit)
        #expect(services.count == ServiceBrowser.instanceLimit + 3)
        #expect(services.map(\.addresses.count).max() == ServiceBrowser.addressLimit)
    }
}
