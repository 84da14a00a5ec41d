// SPDX-License-Identifier: Apache-2.0

import MartletDNS
@testable import MartletDiscovery

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

func text(_ name: DNSName) -> String { name.labels.map(text).joined(separator: ".") }

/// Labels with dots between them.
func name(_ text: String) -> [UInt8] {
    text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
}

/// A record of an answer.
struct Record {
    var name: String
    var type: UInt16
    var data: [UInt8]
    var ttl: UInt8 = 10
    var recordClass: UInt16 = 1

    static let gateways = "_secure-mqtt._tcp.local"
    static let registrars = "_brski-registrar._tcp.local"

    static func pointer(_ instance: String, to type: String = gateways, ttl: UInt8 = 10) -> Record {
        Record(name: type, type: DNSType.pointer, data: MartletDiscoveryTests.name("\(instance).\(type)"), ttl: ttl)
    }

    static func server(
        _ instance: String, _ host: String, of type: String = gateways, port: UInt16 = 8883, priority: UInt8 = 0,
        weight: UInt8 = 0, ttl: UInt8 = 10
    ) -> Record {
        let numbers = [0, priority, 0, weight, UInt8(port >> 8), UInt8(port & 0xff)]
        return Record(
            name: "\(instance).\(type)", type: DNSType.service, data: numbers + MartletDiscoveryTests.name(host),
            ttl: ttl)
    }

    static func attributes(
        _ instance: String, _ string: String = "", of type: String = gateways, ttl: UInt8 = 10
    ) -> Record {
        Record(
            name: "\(instance).\(type)", type: DNSType.text, data: [UInt8(string.utf8.count)] + Array(string.utf8),
            ttl: ttl)
    }

    static func address(_ host: String, _ bytes: [UInt8], ttl: UInt8 = 10) -> Record {
        Record(name: host, type: bytes.count == 4 ? DNSType.address4 : DNSType.address6, data: bytes, ttl: ttl)
    }

    var bytes: [UInt8] {
        MartletDiscoveryTests.name(name) + [
            UInt8(type >> 8), UInt8(type & 0xff), UInt8(recordClass >> 8), UInt8(recordClass & 0xff), 0, 0, 0, ttl,
            UInt8(data.count >> 8), UInt8(data.count & 0xff),
        ] + data
    }
}

/// All of a gateway.
func gateway(_ instance: String, _ host: String = "host.local", _ address: UInt8 = 2, ttl: UInt8 = 10) -> [Record] {
    [
        .pointer(instance, ttl: ttl), .server(instance, host, ttl: ttl), .attributes(instance, ttl: ttl),
        .address(host, [10, 0, 0, address], ttl: ttl),
    ]
}

func answer(_ records: [Record], id: UInt16 = Bench.id, flags: UInt16 = 0x8400) -> [UInt8] {
    let count = UInt16(records.count)
    return [
        UInt8(id >> 8), UInt8(id & 0xff), UInt8(flags >> 8), UInt8(flags & 0xff), 0, 0, UInt8(count >> 8),
        UInt8(count & 0xff), 0, 0, 0, 0,
    ] + records.flatMap(\.bytes)
}

/// A browser and a clock of its own.
struct Bench {
    static let id: UInt16 = 0xbeef

    var browser: ServiceBrowser
    var now: UInt64

    init(now: UInt64 = 5_000) {
        self.now = now
        browser = ServiceBrowser(ServiceKind.allCases, id: Self.id, now: now)
    }

    @discardableResult
    mutating func receive(
        _ packet: [UInt8], port: UInt16 = 5353, isOnLink: Bool = true, interface: UInt32 = 3
    ) throws(DNSError) -> Bool {
        try browser.receive(packet.span, port: port, isOnLink: isOnLink, interface: interface, now: now)
    }

    @discardableResult
    mutating func receive(_ records: [Record], interface: UInt32 = 3) throws(DNSError) -> Bool {
        try receive(answer(records), interface: interface)
    }

    /// What is sent until `end`, and when.
    mutating func queries(until end: UInt64) throws(DNSError) -> [(time: UInt64, questions: [String])] {
        var sent: [(time: UInt64, questions: [String])] = []
        while browser.nextQuery <= end {
            now = max(now, browser.nextQuery)
            while let packet = browser.query(now: now) {
                let message = try DNSMessage(decoding: packet.span)
                sent.append((now, message.questions.map { "\($0.type) \(text($0.name))" }))
            }
        }
        now = max(now, end)
        return sent
    }

    var instances: [String] { browser.services.map { text($0.instance) } }

    /// All that is known, for comparison.
    var summary: [String] {
        browser.services.map { service in
            let addresses = service.addresses.map { "\($0.bytes)%\($0.interface)" }
            return
                "\(service.kind) \(text(service.instance)) \(text(service.host)):\(service.port) \(service.priority) "
                + "\(service.weight) \(addresses) \(service.path.map { text($0) } ?? "-")"
        }
    }
}
