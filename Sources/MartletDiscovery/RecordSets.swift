// SPDX-License-Identifier: Apache-2.0

internal import MartletDNS

/// The sets of records by which a service is found.
struct RecordSets: OptionSet {
    let rawValue: UInt8

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// That this type of services exists (RFC 6763 section 9).
    static let types = RecordSets(rawValue: 1)
    /// That this instance exists.
    static let instances = RecordSets(rawValue: 2)
    static let service = RecordSets(rawValue: 4)
    static let text = RecordSets(rawValue: 8)
    static let ipv4 = RecordSets(rawValue: 16)
    static let ipv6 = RecordSets(rawValue: 32)

    static let addresses: RecordSets = [.ipv4, .ipv6]
    /// Those that nobody else may have: all but `types` and `instances`.
    static let unique: RecordSets = [.service, .text, .ipv4, .ipv6]
    static let all: [RecordSets] = [.types, .instances, .service, .text, .ipv4, .ipv6]

    /// Those that answer the question.
    init(_ question: DNSQuestion, _ service: Announcement) {
        rawValue = 0
        guard question.isInternet else { return }
        let isAny = question.type == DNSType.any
        if isAny || question.type == DNSType.pointer {
            if question.name == Announcement.allTypes { insert(.types) }
            if question.name == service.type { insert(.instances) }
        }
        if question.name == service.instance {
            if isAny || question.type == DNSType.service { insert(.service) }
            if isAny || question.type == DNSType.text { insert(.text) }
        }
        if question.name == service.host {
            if isAny || question.type == DNSType.address4 { insert(.ipv4) }
            if isAny || question.type == DNSType.address6 { insert(.ipv6) }
        }
    }

    /// What whoever asks for these is going to ask for next (RFC 6763 section 12).
    var additional: RecordSets {
        var more: RecordSets = []
        if contains(.instances) { more = [.service, .text, .ipv4, .ipv6] }
        if contains(.service) || contains(.ipv4) || contains(.ipv6) { more.formUnion(.addresses) }
        return more.subtracting(self)
    }

    /// Of one set. RFC 6762 section 10.
    var timeToLive: UInt32 { self == .service || self == .ipv4 || self == .ipv6 ? 120 : 4500 }
}
