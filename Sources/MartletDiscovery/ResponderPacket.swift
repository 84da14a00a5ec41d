// SPDX-License-Identifier: Apache-2.0

/// A packet that a responder wants to be sent.
public struct ResponderPacket: Sendable {
    public let bytes: [UInt8]
    public let interface: UInt32
    public let isIPv6: Bool
    /// nil: to the multicast group.
    public let receiver: PacketSender?
}

/// Where a packet came from.
public struct PacketSender: Sendable {
    /// 4 or 16 bytes.
    public let address: [UInt8]
    public let port: UInt16
    public let interface: UInt32
    /// Whether the address lies in a network of this host's interfaces, and is not this host's own.
    public let isOnLink: Bool

    public var isIPv6: Bool { address.count == 16 }

    public init(address: [UInt8], port: UInt16, interface: UInt32, isOnLink: Bool) {
        self.address = address
        self.port = port
        self.interface = interface
        self.isOnLink = isOnLink
    }
}
