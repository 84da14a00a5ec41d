// SPDX-License-Identifier: Apache-2.0

@testable import MartletDNS
import Testing

@Suite struct NameTests {
    @Test func `a constant becomes labels behind their lengths`() {
        let name = DNSName("_secure-mqtt._tcp.local")
        #expect(name.wire == label("_secure-mqtt") + label("_tcp") + label("local") + [0])
        #expect(dotted(name) == "_secure-mqtt._tcp.local")
        #expect(!name.isRoot)
    }

    @Test func `the case of ASCII letters does not matter, that of other bytes does`() {
        #expect(DNSName("Gateway.LOCAL") == DNSName("gATEWAY.local"))
        #expect(DNSName("gateway.local") != DNSName("gateway.locam"))
        #expect(DNSName("a.local") != DNSName("b.local"))
        #expect(DNSName("a.local") != DNSName("a.local.a"))
        // 0x40 and 0x60, 0x5b and 0x7b lie next to the letters; c3 84 and c3 a4 are letters, not of ASCII.
        #expect(DNSName("@") != DNSName("`"))
        #expect(DNSName("[") != DNSName("{"))
        #expect(DNSName("Ä") != DNSName("ä"))
    }

    @Test func `the order does not follow the case, and tells different names apart`() {
        let names: [DNSName] = [DNSName("a"), DNSName("B"), DNSName("c"), DNSName("B.a")]
        #expect(names.sorted().map(dotted) == ["a", "B", "B.a", "c"])
        #expect(!(DNSName("A") < DNSName("a")) && !(DNSName("a") < DNSName("A")))
    }

    @Test func `only one label more is directly below`() {
        let parent = DNSName("_tcp.local")
        #expect(DNSName("X._TCP.local").label(below: parent).map(text) == "X")
        #expect(DNSName("a.b._tcp.local").label(below: parent) == nil)
        #expect(DNSName("_tcp.local").label(below: parent) == nil)
        #expect(DNSName("x._udp.local").label(below: parent) == nil)
        #expect(DNSName("").label(below: parent) == nil)
        // Its bytes end like the parent, its labels do not.
        let trick = DNSName(wire: [UInt8(1 + parent.wire.count - 1)] + [0x61] + parent.wire)
        #expect(trick.label(below: parent) == nil)
    }

    @Test func `names of any bytes give labels and no trap`() {
        #expect(DNSName(wire: [0]).isRoot)
        #expect(DNSName(wire: [0]).labels.isEmpty)
        #expect(DNSName(wire: []).labels.isEmpty)
        #expect(DNSName(wire: [5, 0x61]).labels.isEmpty)
    }
}

@Suite struct TextTests {
    private let strings = label("PATH=/a") + label("path=/b") + label("flag") + label("empty=") + label("=none") + [0]

    @Test func `the first of equal keys counts, whatever their case`() {
        #expect(DNSText.value(of: "path", in: strings).map(text) == "/a")
    }

    @Test func `a key with an empty value has one, a key without has none`() {
        #expect(DNSText.value(of: "empty", in: strings) == [])
        #expect(DNSText.value(of: "flag", in: strings) == nil)
        #expect(DNSText.value(of: "pat", in: strings) == nil)
        #expect(DNSText.value(of: "paths", in: strings) == nil)
        #expect(DNSText.value(of: "none", in: strings) == nil)
    }

    @Test func `strings cut anywhere give no trap`() {
        for end in strings.indices { _ = DNSText.value(of: "path", in: Array(strings[..<end])) }
        #expect(DNSText.value(of: "path", in: []) == nil)
        #expect(DNSText.value(of: "path", in: [0]) == nil)
    }
}
