// SPDX-License-Identifier: Apache-2.0

public import MartletDNS

/// Looks for services by multicast DNS (RFC 6762) and DNS-SD (RFC 6763), as a one-shot querier: it asks from a port of
/// its own, and whoever answers does so to that port (RFC 6762 sections 5.1 and 6.7).
///
/// Times and packets go in, packets and services come out; times are milliseconds of one clock that never goes back.
/// Nothing that comes in is trusted, and what comes out grants nothing: see `FoundService`. Its memory is bounded, and
/// it sends at most two packets in a second, whatever comes in.
public struct ServiceBrowser {
    /// The most instances that are kept.
    public static let instanceLimit = 64
    /// The most addresses of a host.
    public static let addressLimit = 8
    /// Multicast DNS (RFC 6762 section 3).
    public static let port: UInt16 = 5353

    /// Queries after 0, 1, 3, 7 … seconds (RFC 6762 section 5.2: the first two a second apart, then at least twice as
    /// much from one to the next), at last once a minute.
    private struct Schedule {
        static let longest: UInt64 = 60_000

        private(set) var next: UInt64
        private var interval: UInt64 = 1000

        init(startingAt next: UInt64) { self.next = next }

        mutating func didSend(at now: UInt64) {
            next = now + interval
            interval = min(2 * interval, Self.longest)
        }
    }

    /// Answers to one query come one after the other.
    private static let gathering: UInt64 = 100

    private let id: UInt16
    private let kinds: [ServiceKind]
    private var cache: ServiceCache
    private var browsing: Schedule
    /// For what answers left out; nil if nothing is missing.
    private var completing: Schedule?
    private var lastCompletion: UInt64?
    /// The question to begin with, so that no name that nobody answers for keeps others from being asked.
    private var turn = 0

    /// `id` should be random: only answers that bear it count, so that whoever did not see the query cannot answer.
    public init(_ kinds: [ServiceKind], id: UInt16, now: UInt64) {
        self.id = id
        self.kinds = kinds
        cache = ServiceCache(kinds)
        browsing = Schedule(startingAt: now)
    }

    /// When `query` has something to send.
    public var nextQuery: UInt64 { min(browsing.next, completing?.next ?? .max) }

    /// A packet to send to the multicast groups on every interface; nil if none is due. There may be another one.
    public mutating func query(now: UInt64) -> [UInt8]? {
        if now >= browsing.next {
            browsing.didSend(at: now)
            var query = DNSQuery(id: id)
            for kind in kinds { _ = query.add(DNSQuestion(kind.type, DNSType.pointer)) }
            return query.bytes
        }
        guard let next = completing?.next, now >= next else { return nil }
        completing?.didSend(at: now)
        lastCompletion = now
        return completion()
    }

    /// As many of the questions as have room.
    private mutating func completion() -> [UInt8] {
        let questions = cache.missing
        var query = DNSQuery(id: id)
        for offset in questions.indices {
            if !query.add(questions[(turn + offset) % questions.count]) {
                turn = (turn + offset) % questions.count
                break
            }
        }
        return query.bytes
    }

    /// Takes a packet. `port`: the sender's. `isOnLink`: the sender's address lies on a link of this host (RFC 6762
    /// section 11). `interface`: the one that it came by, for link-local addresses.
    ///
    /// False, and nothing changes, unless it comes from the port of multicast DNS on this link, answers the query, and
    /// tells of what was asked. An error, and nothing changes, if it bears the id and is no DNS message.
    public mutating func receive(
        _ packet: Span<UInt8>, port: UInt16, isOnLink: Bool, interface: UInt32, now: UInt64
    ) throws(DNSError) -> Bool {
        guard port == Self.port, isOnLink, DNSMessage.id(of: packet) == id else { return false }
        let message = try DNSMessage(decoding: packet)
        guard message.isAnswer else { return false }
        let before = cache.missing.count
        guard cache.take(message.records, interface: interface) else { return false }
        let after = cache.missing.count
        if after == 0 {
            completing = nil
        } else if completing == nil || after > before {
            let earliest = lastCompletion.map { $0 + 1000 } ?? now
            // Never later than before, whatever else is announced meanwhile.
            let next = min(max(now + Self.gathering, earliest), completing?.next ?? .max)
            completing = Schedule(startingAt: next)
        }
        return true
    }

    /// What was found until now; sorted, so that the same announcements give the same order: gateways first, then by
    /// priority, weight, name, host and port. A service that falls silent without a goodbye stays.
    public var services: [FoundService] { cache.services }
}
