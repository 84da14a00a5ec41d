// SPDX-License-Identifier: Apache-2.0

internal import MartletDNS

/// A network that a responder answers on: an interface, by one address family.
public struct ResponderLink: Sendable {
    /// More of a family are not told: so an answer has room for all that belongs to it.
    static let addressLimit = 2

    public let interface: UInt32
    public let isIPv6: Bool
    /// The interface's addresses of both families, at most two of each.
    let addresses: [[UInt8]]

    /// What is to be sent, when, and what was sent when.
    var pending: RecordSets = []
    var due: UInt64 = .max
    /// Milliseconds that lie between two packets with the same record (RFC 6762 section 6).
    var gap = ResponderLink.usualGap
    private var lastSent: [UInt64?] = RecordSets.all.map { _ in nil }

    static let usualGap: UInt64 = 1000
    static let probeGap: UInt64 = 250

    /// `addresses`: all of the interface, IPv4 ones of 4 bytes, IPv6 ones of 16.
    public init(interface: UInt32, isIPv6: Bool, addresses: [[UInt8]]) {
        self.interface = interface
        self.isIPv6 = isIPv6
        self.addresses = [4, 16].flatMap { size in addresses.filter { $0.count == size }.prefix(Self.addressLimit) }
    }

    func isSame(_ other: ResponderLink) -> Bool {
        interface == other.interface && isIPv6 == other.isIPv6 && addresses == other.addresses
    }

    /// Puts answers off to `time`, or earlier if others are due before.
    mutating func schedule(_ sets: RecordSets, at time: UInt64, gap: UInt64) {
        pending.formUnion(sets)
        due = min(due, time)
        self.gap = min(self.gap, gap)
    }

    /// Those of `sets` that were not sent within `gap`.
    func sendable(_ sets: RecordSets, now: UInt64) -> RecordSets {
        var result: RecordSets = []
        for (index, set) in RecordSets.all.enumerated() where sets.contains(set) {
            if let last = lastSent[index], now < last + gap { continue }
            result.insert(set)
        }
        return result
    }

    /// Takes what can be sent now out of what waits; what was sent a moment ago goes on waiting.
    mutating func takePending(now: UInt64) -> RecordSets {
        guard now >= due else { return [] }
        let ready = sendable(pending, now: now)
        pending.subtract(ready)
        due = .max
        for (index, set) in RecordSets.all.enumerated() where pending.contains(set) {
            due = min(due, (lastSent[index] ?? now) + gap)
        }
        return ready
    }

    mutating func didSend(_ sets: RecordSets, now: UInt64) {
        for (index, set) in RecordSets.all.enumerated() where sets.contains(set) { lastSent[index] = now }
        if pending.isEmpty { gap = Self.usualGap }
    }

    /// Those that everybody was told within a quarter of their time to live (RFC 6762 section 5.4).
    func fresh(now: UInt64) -> RecordSets {
        var result: RecordSets = []
        for (index, set) in RecordSets.all.enumerated() {
            if let last = lastSent[index], now < last + UInt64(set.timeToLive) * 250 { result.insert(set) }
        }
        return result
    }
}
