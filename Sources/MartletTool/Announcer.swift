// SPDX-License-Identifier: Apache-2.0

import CTool
import MartletDNS
import MartletDiscovery
import MartletEnrolment
import MartletPosix

/// One run of `martlet announce`.
struct Announcer {
    /// Milliseconds from one look at directory and networks to the next.
    private static let pace: UInt64 = 2000

    private let directory: [UInt8]
    private let end: UInt64
    private var device: AnnouncedDevice

    init(_ device: AnnouncedDevice, _ options: Announce.Options) {
        self.device = device
        directory = options.directory
        end = options.seconds.map { SystemClock.bootMilliseconds() + UInt64($0) * 1000 } ?? .max
    }

    mutating func run() throws(Failure) {
        CTool_catch_end()
        let file = AvahiServiceFile(device.id)
        guard let state = try state() else {
            // What a run left that was killed.
            try file.remove()
            return tell("onboarded", "the device has its certificate")
        }
        device.state = state
        let socket: MulticastSocket
        do throws(PosixError) { socket = try MulticastSocket(.answering) } catch {
            guard error.isTaken else { throw Failure(.system, "multicast DNS: ", error.text) }
            guard AvahiServiceFile.isAvahiRunning else {
                throw Failure(
                    .system, "another program answers multicast DNS here (it has UDP port 5353), and it is not ",
                    [UInt8]("avahi-daemon"), ": stop it, or let it announce the device")
            }
            return try run(file)
        }
        try file.remove()
        try run(socket)
    }

    /// Nil as soon as there is a certificate.
    private func state() throws(Failure) -> AnnouncedDevice.State? {
        if try isThere(DeviceFiles.credential) { return nil }
        return try isThere(DeviceFiles.pendingKey) ? .pending : .factory
    }

    private func isThere(_ name: String) throws(Failure) -> Bool {
        let path = directory + [UInt8(ascii: "/")] + Array(name.utf8)
        do throws(PosixError) { return try PublicFile.exists(String(decoding: path, as: UTF8.self)) } catch {
            throw Failure(path, error)
        }
    }

    // MARK: - By avahi-daemon

    private mutating func run(_ file: AvahiServiceFile) throws(Failure) {
        try file.write(device)
        tell("avahi", "avahi-daemon announces the device, as this file says:", file.path)
        let reason: Failure?
        do throws(Failure) {
            try waitForCertificate(file)
            reason = nil
        } catch { reason = error }
        try file.remove()
        if let reason { throw reason }
    }

    private mutating func waitForCertificate(_ file: AvahiServiceFile) throws(Failure) {
        let waiter: Waiter
        do throws(PosixError) { waiter = try Waiter() } catch { throw Failure(.system, "eventfd: ", error.text) }
        while !CTool_is_ending() {
            let now = SystemClock.bootMilliseconds()
            if now >= end { return tell("over", "the time is over") }
            // Before it looks: avahi-daemon tells a file from the one before by the second that it was written in.
            _ = waiter.wait(socket: -1, writing: false, milliseconds: min(Self.pace, end - now))
            guard let state = try state() else { return tell("onboarded", "the device has its certificate") }
            if state != device.state {
                device.state = state
                try file.write(device)
            }
        }
    }

    // MARK: - By itself

    private mutating func run(_ socket: MulticastSocket) throws(Failure) {
        let seed: UInt16
        do throws(PosixError) { seed = try randomUInt16() } catch { throw Failure(.system, "getrandom: ", error.text) }
        var responder = Responder(device, seed: seed)
        let reason: Failure?
        do throws(Failure) {
            try answer(&responder, socket)
            reason = nil
        } catch { reason = error }
        responder.end()
        send(&responder, socket)
        if let reason { throw reason }
    }

    private mutating func answer(_ responder: inout Responder, _ socket: MulticastSocket) throws(Failure) {
        var buffer = [UInt8](repeating: 0, count: DNSMessage.limit)
        var nextLook: UInt64 = 0
        var isTold = false
        while !CTool_is_ending() {
            var now = SystemClock.bootMilliseconds()
            if now >= end { return tell("over", "the time is over") }
            if now >= nextLook {
                guard let state = try state() else { return tell("onboarded", "the device has its certificate") }
                responder.setState(state, now: now)
                responder.setLinks(try links(socket), now: now)
                nextLook = now + Self.pace
            }
            send(&responder, socket)
            if let name = responder.conflict {
                throw Failure(
                    .system, "somebody else on this network has the name ", name.labels.first ?? [],
                    ": no two devices may have the same id")
            }
            if responder.isAnnounced, !isTold {
                tell("announced", "the device can be found as", device.id + [UInt8]("._martlet._udp.local"))
                isTold = true
            }
            now = SystemClock.bootMilliseconds()
            let until = min(nextLook, end, responder.nextPacket)
            do throws(PosixError) {
                let arrival = try socket.receive(into: &buffer, milliseconds: until > now ? until - now : 0)
                if let arrival { take(arrival, buffer, &responder, socket) }
            } catch { throw Failure(.system, "multicast DNS: ", error.text) }
        }
    }

    private func take(
        _ arrival: MulticastSocket.Arrival, _ buffer: [UInt8], _ responder: inout Responder, _ socket: MulticastSocket
    ) {
        let sender = PacketSender(
            address: arrival.address, port: arrival.port, interface: arrival.interface,
            isOnLink: arrival.isOnLink && !arrival.isOwn)
        let packet = buffer.span.extracting(first: arrival.count)
        // What is no DNS message is not for us, and an answer that gets lost is asked for again.
        guard let reply = try? responder.receive(packet, from: sender, now: SystemClock.bootMilliseconds()) else {
            return
        }
        let bytes = reply.bytes.span
        try? socket.send(bytes, to: arrival.address, port: arrival.port, interface: arrival.interface)
    }

    /// An interface that goes away meanwhile is gone with the next look.
    private func send(_ responder: inout Responder, _ socket: MulticastSocket) {
        while let packet = responder.packet(now: SystemClock.bootMilliseconds()) {
            let bytes = packet.bytes.span
            try? socket.send(bytes, interface: packet.interface, isIPv6: packet.isIPv6)
        }
    }

    /// One for each interface and address family.
    private func links(_ socket: MulticastSocket) throws(Failure) -> [ResponderLink] {
        let networks: [MulticastSocket.Network]
        do throws(PosixError) { networks = try socket.join() } catch {
            throw Failure(.system, "the network interfaces cannot be read: ", error.text)
        }
        var links: [ResponderLink] = []
        for network in networks {
            let isIPv6 = network.address.count == 16
            if links.contains(where: { $0.interface == network.interface && $0.isIPv6 == isIPv6 }) { continue }
            let addresses = networks.filter { $0.interface == network.interface }.map { $0.address }
            links.append(ResponderLink(interface: network.interface, isIPv6: isIPv6, addresses: addresses))
        }
        return links
    }

    private func tell(_ step: StaticString, _ text: StaticString, _ detail: [UInt8] = []) {
        Output.tell(step, text, detail, isJSON: false)
    }
}
