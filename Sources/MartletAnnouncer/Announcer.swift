// SPDX-License-Identifier: Apache-2.0

public import MartletDiscovery
import MartletDNS
import MartletPosix

/// Lets services of this machine be found on its networks (multicast DNS, DNS-SD): by avahi-daemon where that runs, as a
/// file in /etc/avahi/services says, otherwise by itself, with UDP port 5353, which it then shares with nobody.
///
/// One thread at a time. Times are milliseconds of the boot clock.
public struct Announcer {
    private enum Way {
        case avahi(Waiter)
        case own(MulticastSocket)
    }

    /// Milliseconds from one look at the networks to the next.
    private static let pace: UInt64 = 2000

    private let way: Way
    private let file: AvahiServiceFile
    private let reaches: ([UInt8]) -> Bool
    private var services: [Announcement]
    private var responders: [Responder] = []
    private var nextLook: UInt64 = 0
    private var buffer = [UInt8](repeating: 0, count: DNSMessage.limit)

    /// Begins; `step` has to be called again and again from then on, and `end` at last.
    ///
    /// - Parameters:
    ///   - services: all with the same label.
    ///   - file: the name of avahi's file, without slash and ending. One that an earlier run left is removed.
    ///   - reaches: whether the services can be reached by an address of this machine, of 4 or 16 bytes: others are not
    ///     told. avahi-daemon tells those that it is configured to tell.
    public init(
        _ services: [Announcement], file name: [UInt8], reaches: @escaping ([UInt8]) -> Bool = { _ in true }
    ) throws(AnnouncerError) {
        self.services = services
        self.reaches = reaches
        file = AvahiServiceFile(name)
        let socket: MulticastSocket?
        do throws(PosixError) { socket = try MulticastSocket(.answering) } catch {
            guard error.isTaken else { throw .network(error) }
            guard AvahiServiceFile.isAvahiRunning else { throw .portTaken }
            socket = nil
        }
        if let socket {
            way = .own(socket)
            try file.remove()
            do throws(PosixError) {
                let seed = try randomUInt16()
                responders = services.map { Responder($0, seed: seed) }
            } catch { throw .network(error) }
        } else {
            do throws(PosixError) { way = .avahi(try Waiter()) } catch { throw .network(error) }
            try file.write(services)
        }
    }

    /// Removes avahi's file, if an earlier run left it.
    public static func forget(file name: [UInt8]) throws(AnnouncerError) { try AvahiServiceFile(name).remove() }

    /// The file by which avahi-daemon announces the services; nil if they are announced from here.
    public var avahiFile: [UInt8]? {
        if case .avahi = way { Array(file.path.utf8) } else { nil }
    }

    /// Whether the names are ours, and everybody was told. avahi-daemon does not say.
    public var isAnnounced: Bool { !responders.isEmpty && responders.allSatisfy { $0.isAnnounced } }

    /// What the services tell from now on: those of the beginning, with other attributes. Not within two seconds of the
    /// beginning, nor of the last time.
    public mutating func set(_ services: [Announcement], now: UInt64) throws(AnnouncerError) {
        if zip(services, self.services).allSatisfy({ $0.attributes == $1.attributes }) { return }
        self.services = services
        if case .avahi = way { try file.write(services) }
        for index in responders.indices { responders[index].setAttributes(services[index].attributes, now: now) }
    }

    /// Does what is due, and returns when a packet came, a signal, or the time `until`.
    public mutating func step(until: UInt64) throws(AnnouncerError) {
        switch way {
        case .avahi(let waiter):
            let now = SystemClock.bootMilliseconds()
            if now < until { _ = waiter.wait(socket: -1, writing: false, milliseconds: until - now) }
        case .own(let socket):
            do throws(PosixError) { try answer(socket, until: until) } catch { throw .network(error) }
            for responder in responders {
                if let name = responder.conflict { throw .nameTaken(name.labels.first ?? []) }
            }
        }
    }

    /// Takes everything back.
    public mutating func end() throws(AnnouncerError) {
        switch way {
        case .avahi: try file.remove()
        case .own(let socket):
            for index in responders.indices { responders[index].end() }
            send(socket)
        }
    }

    // MARK: - By itself

    private mutating func answer(_ socket: MulticastSocket, until: UInt64) throws(PosixError) {
        var now = SystemClock.bootMilliseconds()
        if now >= nextLook {
            let links = try links(socket)
            for index in responders.indices { responders[index].setLinks(links, now: now) }
            nextLook = now + Self.pace
        }
        send(socket)
        now = SystemClock.bootMilliseconds()
        let due = responders.reduce(min(until, nextLook)) { min($0, $1.nextPacket) }
        if let arrival = try socket.receive(into: &buffer, milliseconds: due > now ? due - now : 0) {
            take(arrival, socket)
        }
    }

    private mutating func take(_ arrival: MulticastSocket.Arrival, _ socket: MulticastSocket) {
        // The port is nobody else's: what comes from it and from here is our own.
        let isOwn = arrival.isOwn && arrival.port == ServiceBrowser.port
        let sender = PacketSender(
            address: arrival.address, port: arrival.port, interface: arrival.interface,
            isOnLink: arrival.isOnLink && !isOwn)
        let now = SystemClock.bootMilliseconds()
        let bytes = buffer
        for index in responders.indices {
            let packet = bytes.span.extracting(first: arrival.count)
            // What is no DNS message is not for us, and an answer that gets lost is asked for again.
            guard let reply = try? responders[index].receive(packet, from: sender, now: now) else { continue }
            let answer = reply.bytes.span
            try? socket.send(answer, to: arrival.address, port: arrival.port, interface: arrival.interface)
        }
    }

    /// An interface that goes away meanwhile is gone with the next look.
    private mutating func send(_ socket: MulticastSocket) {
        for index in 0..<responders.count {
            while let packet = responders[index].packet(now: SystemClock.bootMilliseconds()) {
                let bytes = packet.bytes.span
                try? socket.send(bytes, interface: packet.interface, isIPv6: packet.isIPv6)
            }
        }
    }

    /// One for each interface and address family, where there is an address to tell.
    private func links(_ socket: MulticastSocket) throws(PosixError) -> [ResponderLink] {
        let networks = try socket.join()
        var links: [ResponderLink] = []
        for network in networks {
            let isIPv6 = network.address.count == 16
            if links.contains(where: { $0.interface == network.interface && $0.isIPv6 == isIPv6 }) { continue }
            let addresses = networks.filter { $0.interface == network.interface && reaches($0.address) }
            if addresses.isEmpty { continue }
            links.append(
                ResponderLink(
                    interface: network.interface, isIPv6: isIPv6, addresses: addresses.map { $0.address }))
        }
        return links
    }
}
