// SPDX-License-Identifier: Apache-2.0

public import MartletDNS

/// Announces one service by multicast DNS (RFC 6762) and DNS-SD (RFC 6763), and answers for it.
///
/// Times, packets and the state of links go in, packets come out; times are milliseconds of one clock that never goes
/// back. It owns its names only if nobody else says so: otherwise there is a `conflict`, and it is silent. What comes in
/// is bounded in its effects: a packet has at most one answer of `DNSWriter.limit` bytes, to a sender on the link, and a
/// link gets the same record once a second (RFC 6762 section 6). Known answers of a query that needs several packets
/// (section 7.2) are those of its first.
public struct Responder {
    private enum Phase {
        /// How many probes were sent.
        case probing(Int)
        /// How many announcements were sent.
        case announcing(Int)
        case running
        case ended
    }

    /// The most answers to a sender alone within a second, and the most times that others may come before (RFC 6762
    /// section 8.2).
    private static let unicastLimit = 20
    private static let deferralLimit = 15

    private var service: Announcement
    private var links: [ResponderLink] = []
    private var phase = Phase.probing(0)
    /// When the phase goes on.
    private var next: UInt64 = .max
    private var queue: [ResponderPacket] = []
    private var random: UInt16
    private var deferrals = 0
    private var unicasts = (second: UInt64(0), count: 0)

    /// The name that somebody else has.
    public private(set) var conflict: DNSName?

    /// `seed`: any number. Nothing is sent before there are links.
    public init(_ service: Announcement, seed: UInt16) {
        self.service = service
        random = seed | 1
    }

    /// Whether its names are its own, and it has said so.
    public var isAnnounced: Bool {
        switch phase {
        case .probing: false
        case .announcing(let count): count > 0
        case .running, .ended: true
        }
    }

    /// The links as they are now. If they changed, the names are claimed anew.
    public mutating func setLinks(_ links: [ResponderLink], now: UInt64) {
        if case .ended = phase { return }
        if links.count == self.links.count, zip(links, self.links).allSatisfy({ $0.isSame($1) }) { return }
        self.links = links
        probe(at: links.isEmpty ? .max : now + delay(0..<250))
    }

    /// What its TXT record says from now on.
    public mutating func setAttributes(_ attributes: [[UInt8]], now: UInt64) {
        guard attributes != service.attributes else { return }
        service.attributes = attributes
        switch phase {
        case .announcing, .running:
            phase = .announcing(0)
            next = now
        case .probing, .ended: break
        }
    }

    /// When `packet` has something to send.
    public var nextPacket: UInt64 {
        queue.isEmpty ? links.reduce(next) { min($0, $1.due) } : 0
    }

    /// A packet to send; nil if none is due. There may be another one.
    public mutating func packet(now: UInt64) -> ResponderPacket? {
        if queue.isEmpty, now >= next { goOn(now: now) }
        if queue.isEmpty {
            for index in links.indices {
                let sets = links[index].takePending(now: now)
                if !sets.isEmpty { answer(sets, index, now: now) }
            }
        }
        return queue.isEmpty ? nil : queue.removeFirst()
    }

    /// Takes everything back: `packet` has the goodbyes, and then nothing any more.
    public mutating func end() {
        queue = []
        if isAnnounced, conflict == nil {
            for link in links {
                var writer = DNSWriter(.response)
                for set in RecordSets.all where set != .types {
                    let records = service.records(set, addresses: link.addresses, timeToLive: 0)
                    _ = writer.add(records, isUnique: RecordSets.unique.contains(set), .answer)
                }
                send(writer, link)
            }
        }
        phase = .ended
        next = .max
        for index in links.indices { links[index].due = .max }
    }

    /// Takes a packet, and gives the answer that is for its sender alone. An error, and nothing changes, if it is no DNS
    /// message.
    public mutating func receive(
        _ packet: Span<UInt8>, from sender: PacketSender, now: UInt64
    ) throws(DNSError) -> ResponderPacket? {
        let link = links.firstIndex { $0.interface == sender.interface && $0.isIPv6 == sender.isIPv6 }
        guard let link, sender.isOnLink, conflict == nil else { return nil }
        if case .ended = phase { return nil }
        let message = try DNSMessage(decoding: packet)
        if message.isAnswer {
            if sender.port == ServiceBrowser.port { takeResponse(message, now: now) }
            return nil
        }
        guard message.isQuery else { return nil }
        if case .probing = phase {
            takeProbe(message, links[link], now: now)
            return nil
        }
        return answer(message, from: sender, link, now: now)
    }

    // MARK: - Its own names

    private mutating func probe(at time: UInt64) {
        phase = .probing(0)
        next = time
        queue = []
        for index in links.indices {
            links[index].pending = []
            links[index].due = .max
        }
    }

    private mutating func goOn(now: UInt64) {
        switch phase {
        case .probing(let count) where count < 3:
            for link in links { sendProbe(link) }
            phase = .probing(count + 1)
            next = now + 250
        case .probing: announce(0, now: now)
        case .announcing(let count): announce(count, now: now)
        case .running, .ended: next = .max
        }
    }

    /// Twice, a second apart (RFC 6762 section 8.3).
    private mutating func announce(_ count: Int, now: UInt64) {
        for index in links.indices { answer([.instances, .service, .text, .ipv4, .ipv6], index, now: now) }
        phase = count == 0 ? .announcing(1) : .running
        next = count == 0 ? now + 1000 : .max
    }

    private mutating func sendProbe(_ link: ResponderLink) {
        var writer = DNSWriter(.probe)
        _ = writer.add(DNSQuestion(service.instance, DNSType.any, wantsUnicast: true))
        _ = writer.add(DNSQuestion(service.host, DNSType.any, wantsUnicast: true))
        for set in RecordSets.all where RecordSets.unique.contains(set) {
            _ = writer.add(service.records(set, addresses: link.addresses), isUnique: true, .authority)
        }
        send(writer, link)
    }

    /// Somebody else's records of our names. Once they are ours, they are asked for again, to see who has them.
    private mutating func takeResponse(_ message: DNSMessage, now: UInt64) {
        for record in message.records where record.isInternet && record.timeToLive > 0 {
            guard record.name == service.instance || record.name == service.host, !isOurs(record) else { continue }
            if case .probing = phase {
                conflict = record.name
                end()
                return
            }
            if case .other = record.data { continue }
            // Once for all of its records.
            return probe(at: now + 1000)
        }
    }

    private func isOurs(_ record: DNSRecord) -> Bool {
        let data = record.data.wire
        return links.contains { link in
            RecordSets.all.contains { set in
                service.records(set, addresses: link.addresses).contains {
                    $0.name == record.name && $0.data.type == record.data.type && $0.data.wire == data
                }
            }
        }
    }

    /// Somebody else is about to claim our names at the same moment: the greater records win (RFC 6762 section 8.2).
    private mutating func takeProbe(_ message: DNSMessage, _ link: ResponderLink, now: UInt64) {
        let theirs = message.records.dropFirst(message.answerCount).prefix(message.authorityCount)
        let ours = RecordSets.all.flatMap { service.records($0, addresses: link.addresses) }
        for name in [service.instance, service.host] {
            let claim = Self.claim(theirs, name)
            if claim.isEmpty || !Self.precedes(Self.claim(ours[...], name), claim) { continue }
            deferrals += 1
            if deferrals > Self.deferralLimit {
                conflict = name
                end()
            } else {
                probe(at: now + 1000)
            }
            return
        }
    }

    /// Class, type and data of the records of a name, sorted.
    private static func claim(_ records: ArraySlice<DNSRecord>, _ name: DNSName) -> [[UInt8]] {
        var result: [[UInt8]] = []
        for record in records where record.isInternet && record.name == name {
            let key = [UInt8(record.data.type >> 8), UInt8(record.data.type & 0xff)] + record.data.wire
            let place = result.firstIndex { key.lexicographicallyPrecedes($0) } ?? result.count
            result.insert(key, at: place)
        }
        return result
    }

    private static func precedes(_ one: [[UInt8]], _ other: [[UInt8]]) -> Bool {
        for index in 0..<min(one.count, other.count) where one[index] != other[index] {
            return one[index].lexicographicallyPrecedes(other[index])
        }
        return one.count < other.count
    }

    // MARK: - Answers

    private mutating func answer(
        _ message: DNSMessage, from sender: PacketSender, _ index: Int, now: UInt64
    ) -> ResponderPacket? {
        let known = message.records.prefix(message.answerCount)
        let isLegacy = sender.port != ServiceBrowser.port
        var alone: RecordSets = []
        var everybody: RecordSets = []
        for question in message.questions {
            let sets = unknown(RecordSets(question, service), known, links[index])
            if isLegacy || question.wantsUnicast { alone.formUnion(sets) } else { everybody.formUnion(sets) }
        }
        if !isLegacy {
            // What others may have forgotten is told to all of them.
            let fresh = links[index].fresh(now: now)
            everybody.formUnion(alone.subtracting(fresh))
            alone.formIntersection(fresh)
        }
        if !everybody.isEmpty {
            // What others may answer, too, comes a little later (RFC 6762 section 6).
            let isShared = !everybody.isSubset(of: .unique)
            let isProbe = message.authorityCount > 0
            links[index].schedule(
                everybody, at: isShared ? now + delay(20..<120) : now,
                gap: isProbe ? ResponderLink.probeGap : ResponderLink.usualGap)
        }
        guard !alone.isEmpty, mayAnswerAlone(now: now) else { return nil }
        var writer = DNSWriter(isLegacy ? .legacyResponse : .response, id: isLegacy ? message.id : 0)
        if isLegacy {
            for question in message.questions where !writer.add(question) { return nil }
        }
        _ = write(alone, alone.additional, links[index], &writer)
        return ResponderPacket(
            bytes: writer.bytes, interface: sender.interface, isIPv6: sender.isIPv6, receiver: sender)
    }

    /// Those that the querier does not know, or will have forgotten soon (RFC 6762 section 7.1).
    private func unknown(
        _ sets: RecordSets, _ known: ArraySlice<DNSRecord>, _ link: ResponderLink
    ) -> RecordSets {
        var result: RecordSets = []
        for set in RecordSets.all where sets.contains(set) {
            let isKnown = service.records(set, addresses: link.addresses).allSatisfy { record in
                known.contains {
                    $0.isInternet && $0.timeToLive >= set.timeToLive / 2 && $0.name == record.name
                        && $0.data.type == record.data.type && $0.data.wire == record.data.wire
                }
            }
            if !isKnown { result.insert(set) }
        }
        return result
    }

    private mutating func mayAnswerAlone(now: UInt64) -> Bool {
        if unicasts.second != now / 1000 { unicasts = (now / 1000, 0) }
        unicasts.count += 1
        return unicasts.count <= Self.unicastLimit
    }

    /// To everybody on the link.
    private mutating func answer(_ sets: RecordSets, _ index: Int, now: UInt64) {
        var writer = DNSWriter(.response)
        let more = links[index].sendable(sets.additional, now: now)
        let written = write(sets, more, links[index], &writer)
        links[index].didSend(written, now: now)
        send(writer, links[index])
    }

    /// What was written: a set without records counts.
    private func write(
        _ sets: RecordSets, _ more: RecordSets, _ link: ResponderLink, _ writer: inout DNSWriter
    ) -> RecordSets {
        var written: RecordSets = []
        for (part, section) in [(sets, DNSWriter.Section.answer), (more, .additional)] {
            for set in RecordSets.all where part.contains(set) {
                let records = service.records(set, addresses: link.addresses)
                if writer.add(records, isUnique: RecordSets.unique.contains(set), section) { written.insert(set) }
            }
        }
        return written
    }

    private mutating func send(_ writer: DNSWriter, _ link: ResponderLink) {
        queue.append(
            ResponderPacket(
                bytes: writer.bytes, interface: link.interface, isIPv6: link.isIPv6, receiver: nil))
    }

    /// So that not all answer at once; nobody has to be unable to guess it (xorshift).
    private mutating func delay(_ range: Range<UInt64>) -> UInt64 {
        random ^= random << 7
        random ^= random >> 9
        random ^= random << 8
        return range.lowerBound + UInt64(random) % UInt64(range.count)
    }
}
