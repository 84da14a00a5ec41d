// SPDX-License-Identifier: Apache-2.0

import MartletDNS
import Testing

@testable import MartletDiscovery

/// What a server tells of itself.
@Suite struct AnnouncementTests {
    static let path = "/.well-known/est"

    private func announcement(_ kind: ServiceKind, host: String = "pantry", path: String? = nil) -> Announcement? {
        Announcement(kind, host: Array(host.utf8), port: 8443, path: path.map { Array($0.utf8) })
    }

    /// To a one-shot querier.
    private func answers(_ announcement: Announcement, to name: String) throws -> [FoundService] {
        var responder = Responder(announcement, seed: 1)
        responder.setLinks([ResponderLink(interface: 2, isIPv6: false, addresses: [[10, 0, 0, 7]])], now: 0)
        for now in stride(from: 0, to: 5000, by: 50) { while responder.packet(now: UInt64(now)) != nil {} }
        let sender = PacketSender(address: [10, 0, 0, 9], port: 40_000, interface: 2, isOnLink: true)
        let packet = query([(name, DNSType.pointer)], id: 7)
        guard let reply = try responder.receive(packet.span, from: sender, now: 5000) else { return [] }
        var browser = ServiceBrowser(ServiceKind.allCases, id: 7, now: 0)
        let bytes = reply.bytes
        let isUsed = try browser.receive(bytes.span, port: 5353, isOnLink: true, interface: 2, now: 0)
        #expect(isUsed)
        return browser.services
    }

    @Test func `who looks for gateways or registrars finds them, with port, address and path`() throws {
        for (kind, name, path) in [
            (.gateway, "_secure-mqtt._tcp.local", nil), (.registrar, "_brski-registrar._tcp.local", Self.path),
        ] as [(ServiceKind, String, String?)] {
            let announcement = try #require(self.announcement(kind, path: path))
            let found = try answers(announcement, to: name)
            let service = try #require(found.first)
            #expect(found.count == 1 && service.kind == kind && service.port == 8443)
            #expect(service.instance == Array("pantry".utf8) && text(service.host) == "pantry.local")
            #expect(service.addresses.map(\.bytes) == [[10, 0, 0, 7]])
            #expect(service.path == path.map { Array($0.utf8) })
        }
    }

    @Test func `each service answers for its own type alone`() throws {
        let announcement = try #require(self.announcement(.gateway))
        #expect(try answers(announcement, to: "_brski-registrar._tcp.local").isEmpty)
    }

    @Test(arguments: ["", "a b", "a.b", "a_b", "é", String(repeating: "a", count: 64)])
    func `a host's name is one label of letters, digits and hyphens`(_ host: String) {
        #expect(announcement(.gateway, host: host) == nil)
    }

    @Test(arguments: ["", "est", "/a b", "/é", "/" + String(repeating: "a", count: 128)])
    func `a path begins with a slash, and has at most 128 visible characters`(_ path: String) {
        #expect(announcement(.registrar, path: path) == nil)
        #expect(announcement(.registrar, path: "/" + String(repeating: "a", count: 127)) != nil)
    }

    @Test func `without attributes there is one that is empty`() throws {
        let records = try #require(announcement(.gateway)).records(.text, addresses: [])
        #expect(records.map(\.data.wire) == [[0]])
    }
}
