// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Speaks with the groups of multicast DNS, 224.0.0.251 and ff02::fb, port 5353, on every usable interface. At most one
/// socket for each address family. One thread at a time.
///
/// For asking, it receives what is answered to it alone: it joins no group, and has a port of its own. For answering, it
/// has port 5353, which it shares with nobody, and is in the groups.
public final class MulticastSocket {
    public enum Purpose {
        case asking
        case answering
    }

    /// An address of this machine.
    public struct Network {
        public let interface: UInt32
        /// 4 or 16 bytes.
        public let address: [UInt8]
    }

    /// More networks than this one are not seen.
    private static let networkLimit = 64

    private let ipv4: Descriptor?
    private let ipv6: Descriptor?
    /// As they were when a packet was sent last.
    private var networks: [CPosix_network] = []
    /// Which family is asked first for its next packet, so that a flood on one does not hide the other.
    private var startsWithIPv6 = false

    /// A packet that arrived.
    public struct Arrival {
        /// Bytes in the buffer.
        public let count: Int
        /// The sender's: 4 or 16 bytes.
        public let address: [UInt8]
        public let port: UInt16
        /// Whether the sender's address lies in a network of this machine's interfaces (RFC 6762 section 11).
        public let isOnLink: Bool
        /// Whether it is an address of this machine.
        public let isOwn: Bool
        /// By which it came.
        public let interface: UInt32
    }

    /// A family that the kernel does not have is left out; without both it is an error. So it is, for answering, if
    /// somebody else has the port: `isTaken`.
    public init(_ purpose: Purpose) throws(PosixError) {
        let first = CPosix_multicast_socket(false, purpose == .answering)
        let second = CPosix_multicast_socket(true, purpose == .answering)
        ipv4 = first < 0 ? nil : Descriptor(first)
        ipv6 = second < 0 ? nil : Descriptor(second)
        if first < 0 && second < 0 || first == -EADDRINUSE { _ = try check(first, "socket") }
        if second == -EADDRINUSE { _ = try check(second, "socket") }
    }

    /// Joins the groups by every interface that is up and can multicast, and tells their addresses. To be called again
    /// when they may have changed.
    public func join() throws(PosixError) -> [Network] {
        try readNetworks()
        for index in networks.indices where isFirst(index) {
            let network = networks[index]
            guard let socket = network.is_ipv6 ? ipv6 : ipv4 else { continue }
            // One that has just gone is no error.
            _ = CPosix_multicast_join(socket.number, network.is_ipv6, network.interface)
        }
        return networks.map { network in
            Network(interface: network.interface, address: Self.address(network.address, network.is_ipv6))
        }
    }

    /// Sends to the group by one interface.
    public func send(_ packet: Span<UInt8>, interface: UInt32, isIPv6: Bool) throws(PosixError) {
        guard let socket = isIPv6 ? ipv6 : ipv4 else { return }
        let result = packet.withUnsafeBufferPointer {
            CPosix_multicast_send(socket.number, isIPv6, interface, $0.baseAddress, $0.count)
        }
        _ = try check(result, "sendto")
    }

    /// Sends to one who sent something.
    public func send(
        _ packet: Span<UInt8>, to address: [UInt8], port: UInt16, interface: UInt32
    ) throws(PosixError) {
        guard address.count == 4 || address.count == 16 else { return }
        let isIPv6 = address.count == 16
        guard let socket = isIPv6 ? ipv6 : ipv4 else { return }
        var peer = CPosix_peer()
        peer.interface = interface
        peer.is_ipv6 = isIPv6
        peer.port = port
        withUnsafeMutableBytes(of: &peer.address) { $0.copyBytes(from: address) }
        let result = packet.withUnsafeBufferPointer {
            CPosix_unicast_send(socket.number, &peer, $0.baseAddress, $0.count)
        }
        _ = try check(result, "sendto")
    }

    private static func address<Bytes>(_ bytes: Bytes, _ isIPv6: Bool) -> [UInt8] {
        withUnsafeBytes(of: bytes) { [UInt8]($0.prefix(isIPv6 ? 16 : 4)) }
    }

    /// Sends `packet` by every interface that is up and can multicast, once for each address family that it has an
    /// address of. An error if there is no such interface, or if each of them refused it.
    public func send(_ packet: Span<UInt8>) throws(PosixError) {
        try readNetworks()
        var isSent = false
        var refusal: Int32?
        for index in networks.indices {
            let network = networks[index]
            guard let socket = network.is_ipv6 ? ipv6 : ipv4, isFirst(index) else { continue }
            let result = packet.withUnsafeBufferPointer {
                CPosix_multicast_send(
                    socket.number, network.is_ipv6, network.interface, $0.baseAddress, $0.count)
            }
            if result < 0 { refusal = result } else { isSent = true }
        }
        if isSent { return }
        guard let refusal else { throw .noMulticastInterface }
        _ = try check(refusal, "sendto")
    }

    /// The next packet, in `buffer`; nil after `milliseconds`, or earlier if there was nothing but a packet that is
    /// longer than the buffer, which is dropped, or if a signal came.
    public func receive(into buffer: inout [UInt8], milliseconds: UInt64) throws(PosixError) -> Arrival? {
        var first: Int16 = 0
        var second: Int16 = 0
        _ = try check(
            CPosix_poll(
                ipv4?.number ?? -1, false, ipv6?.number ?? -1, &first, &second, Int32(clamping: milliseconds)),
            "poll")
        startsWithIPv6.toggle()
        for isIPv6 in [startsWithIPv6, !startsWithIPv6] {
            guard let socket = isIPv6 ? ipv6 : ipv4, (isIPv6 ? second : first) != 0 else { continue }
            var sender = CPosix_peer()
            let count = buffer.withUnsafeMutableBufferPointer {
                CPosix_multicast_receive(socket.number, $0.baseAddress, $0.count, &sender)
            }
            // An error is that of a packet sent earlier, or there was none after all.
            guard count >= 0, count <= Int64(buffer.count) else { continue }
            let isOnLink = networks.withUnsafeBufferPointer {
                CPosix_is_on_link(&sender, $0.baseAddress, Int32($0.count))
            }
            let isOwn = networks.withUnsafeBufferPointer {
                CPosix_is_own(&sender, $0.baseAddress, Int32($0.count))
            }
            return Arrival(
                count: Int(count), address: Self.address(sender.address, isIPv6), port: sender.port,
                isOnLink: isOnLink, isOwn: isOwn, interface: sender.interface)
        }
        return nil
    }

    private func readNetworks() throws(PosixError) {
        var list = [CPosix_network](repeating: CPosix_network(), count: Self.networkLimit)
        let count = try check(
            list.withUnsafeMutableBufferPointer { CPosix_networks($0.baseAddress, Int32(Self.networkLimit)) },
            "getifaddrs")
        list.removeLast(list.count - Int(count))
        networks = list
    }

    /// Whether no network before it has the same interface and family.
    private func isFirst(_ index: Int) -> Bool {
        !networks[..<index].contains {
            $0.interface == networks[index].interface && $0.is_ipv6 == networks[index].is_ipv6
        }
    }
}

/// The text of an IPv4 address of 4 bytes or an IPv6 address of 16, with the name of the interface behind which it lies
/// unless that is 0: `fe80::1%eth0`. Empty for anything else.
public func addressText(_ address: [UInt8], interface: UInt32) -> [UInt8] {
    guard address.count == 4 || address.count == 16 else { return [] }
    var text = [CChar](repeating: 0, count: Int(CPOSIX_ADDRESS_TEXT_SIZE))
    CPosix_address_text(address, address.count == 16, interface, &text)
    return text.withUnsafeBufferPointer { text in text.baseAddress.map { bytes($0) } ?? [] }
}

/// Two bytes of the operating system's randomness.
public func randomUInt16() throws(PosixError) -> UInt16 {
    var value: UInt16 = 0
    let result = withUnsafeMutableBytes(of: &value) {
        CPosix_random($0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count)
    }
    _ = try check(result, "getrandom")
    return value
}
