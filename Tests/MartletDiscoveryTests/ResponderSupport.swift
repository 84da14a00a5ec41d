// SPDX-License-Identifier: Apache-2.0

@testable import MartletDNS
@testable import MartletDiscovery

/// A responder on two interfaces, one of them with IPv6, and a clock of its own.
struct Machine {
    static let instance = "pump-7._martlet._udp.local"
    static let host = "pump-7.local"
    static let type = "_martlet._udp.local"
    static let allTypes = "_services._dns-sd._udp.local"
    static let address: [UInt8] = [10, 0, 0, 7]
    static let address6: [UInt8] = [0xfd, 0x77] + [UInt8](repeating: 0, count: 13) + [7]
    static let links = [
        ResponderLink(interface: 2, isIPv6: false, addresses: [address, address6]),
        ResponderLink(interface: 2, isIPv6: true, addresses: [address, address6]),
        ResponderLink(interface: 3, isIPv6: false, addresses: [[192, 168, 0, 7]]),
    ]

    var responder: Responder
    var now: UInt64 = 5000

    init(links: [ResponderLink] = links, seed: UInt16 = 1) throws {
        responder = Responder(try device().announcement, seed: seed)
        responder.setLinks(links, now: now)
    }

    /// One that has announced itself, more than a second ago.
    static func announced() throws -> Machine {
        var machine = try Machine()
        _ = machine.sent(until: 10_000)
        return machine
    }

    /// What is sent until `end`, and when.
    mutating func sent(until end: UInt64) -> [(time: UInt64, packet: ResponderPacket)] {
        var sent: [(UInt64, ResponderPacket)] = []
        while responder.nextPacket <= end {
            now = max(now, responder.nextPacket)
            while let packet = responder.packet(now: now) { sent.append((now, packet)) }
        }
        now = max(now, end)
        return sent
    }

    /// The answer to the sender alone.
    @discardableResult
    mutating func receive(
        _ packet: [UInt8], from address: [UInt8] = [10, 0, 0, 9], port: UInt16 = 5353, interface: UInt32 = 2,
        isOnLink: Bool = true
    ) throws(DNSError) -> ResponderPacket? {
        let sender = PacketSender(address: address, port: port, interface: interface, isOnLink: isOnLink)
        return try responder.receive(packet.span, from: sender, now: now)
    }

    /// What everybody is told within two seconds, as names of records, packet by packet.
    mutating func told(by packet: [UInt8], interface: UInt32 = 2) throws -> [[String]] {
        try receive(packet, interface: interface)
        return try sent(until: now + 2000).map { try summary($0.packet.bytes) }
    }
}

func device(_ id: String = "pump-7", model: String? = "P1") throws -> AnnouncedDevice {
    struct NoDevice: Error {}
    guard let device = AnnouncedDevice(id: Array(id.utf8), model: model.map { Array($0.utf8) }, version: "1.2.3") else {
        throw NoDevice()
    }
    return device
}

func read(_ packet: [UInt8]) throws -> DNSMessage { try DNSMessage(decoding: packet.span) }

/// Type, name and time to live of each record.
func summary(_ packet: [UInt8]) throws -> [String] {
    try read(packet).records.map { "\($0.data.type) \(text($0.name)) \($0.timeToLive)" }
}

/// A query for types of names, with known answers and what its sender is going to claim.
func query(
    _ questions: [(String, UInt16)], id: UInt16 = 0, unicast: Bool = false, known: [Record] = [],
    claims: [Record] = [], flags: UInt16 = 0
) -> [UInt8] {
    var bytes: [UInt8] = [
        UInt8(id >> 8), UInt8(id & 0xff), UInt8(flags >> 8), UInt8(flags & 0xff), 0, UInt8(questions.count), 0,
        UInt8(known.count), 0, UInt8(claims.count), 0, 0,
    ]
    for (name, type) in questions {
        bytes += MartletDiscoveryTests.name(name) + [UInt8(type >> 8), UInt8(type & 0xff), unicast ? 0x80 : 0, 1]
    }
    return bytes + known.flatMap(\.bytes) + claims.flatMap(\.bytes)
}
