// SPDX-License-Identifier: Apache-2.0

import MartletDNS
@testable import MartletDiscovery
import Testing

private let browse = ["12 \(Record.gateways)", "12 \(Record.registrars)"]

@Suite struct QueryTests {
    @Test func `both kinds are asked for after 0, 1, 3, 7 … seconds, at last once a minute`() throws {
        var bench = Bench(now: 5_000)
        let sent = try bench.queries(until: 5_000 + 300_000)
        #expect(sent.map { ($0.time - 5_000) / 1000 } == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
        #expect(sent.allSatisfy { $0.questions == browse })
    }

    @Test func `a query bears the id, and asks nothing but what it should`() throws {
        var bench = Bench()
        let query = bench.browser.query(now: bench.now)
        let packet = try #require(query)
        let message = try DNSMessage(decoding: packet.span)
        #expect(message.id == Bench.id && !message.isAnswer && message.records.isEmpty)
        #expect(packet[2] == 0 && packet[3] == 0)
        let another = bench.browser.query(now: bench.now)
        #expect(another == nil)
    }

    @Test func `what an answer left out is asked for, at increasing intervals, until it is there`() throws {
        var bench = Bench(now: 5_000)
        _ = try bench.queries(until: 5_000)
        try bench.receive([.pointer("one")])
        let missing = ["33 one.\(Record.gateways)", "16 one.\(Record.gateways)"]
        var sent = try bench.queries(until: 8_000).filter { $0.questions != browse }
        #expect(sent.map(\.time) == [5_100, 6_100])
        #expect(sent.allSatisfy { $0.questions == missing })
        try bench.receive([.server("one", "host.local"), .attributes("one")])
        sent = try bench.queries(until: 9_200).filter { $0.questions != browse }
        #expect(sent.map(\.questions) == [["1 host.local", "28 host.local"]])
        try bench.receive([.address("host.local", [10, 0, 0, 2])])
        sent = try bench.queries(until: 100_000).filter { $0.questions != browse }
        #expect(sent.isEmpty)
        #expect(bench.summary == ["gateway one host.local:8883 0 0 [\"[10, 0, 0, 2]%0\"] -"])
    }

    @Test func `nothing is asked for a service that said goodbye`() throws {
        var bench = Bench(now: 5_000)
        try bench.receive([.pointer("one"), .server("one", "host.local")])
        try bench.receive([.pointer("one", ttl: 0)])
        let sent = try bench.queries(until: 60_000).filter { $0.questions != browse }
        #expect(sent.isEmpty)
    }

    @Test func `however much is announced, at most two packets leave in a second`() throws {
        var bench = Bench(now: 5_000)
        var sent: [UInt64] = []
        for number in 0..<600 {
            try bench.receive([.pointer("i\(number % 91)", ttl: number % 3 == 2 ? 0 : 10)])
            for query in try bench.queries(until: 5_000 + UInt64(number) * 50) { sent.append(query.time) }
        }
        for start in sent { #expect(sent.filter { $0 >= start && $0 < start + 1000 }.count <= 2) }
        // One a second for what is missing: news does not put them off.
        #expect(sent.count > 25)
    }

    @Test func `names that nobody answers for do not keep others from being asked`() throws {
        var bench = Bench(now: 5_000)
        let long = String(repeating: "x", count: 55)
        try bench.receive((0..<60).map { .pointer("\(long)-\($0)") })
        try bench.receive([.pointer("wanted")])
        let sent = try bench.queries(until: 600_000).filter { $0.questions != browse }
        let first = sent.firstIndex { $0.questions.contains { $0.contains(" wanted.") } }
        #expect(try #require(first) < 12)
        #expect(sent.allSatisfy { !$0.questions.isEmpty })
    }
}
