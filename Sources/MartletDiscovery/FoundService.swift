// SPDX-License-Identifier: Apache-2.0

public import MartletDNS

/// What is looked for.
public enum ServiceKind: Sendable, CaseIterable {
    /// A gateway: MQTT over TLS.
    case gateway
    /// A registrar, where a device enrols (RFC 8995 section 8.6).
    case registrar

    /// What its instances are named below.
    public var type: DNSName {
        switch self {
        case .gateway: DNSName("_secure-mqtt._tcp.local")
        case .registrar: DNSName("_brski-registrar._tcp.local")
        }
    }
}

/// A service as somebody on the network announced it.
///
/// **Untrusted.** Anybody on the network can announce anything, under any name, and can hide what others announce. A
/// found service grants nothing: it is a proposal for a person or for a program that has other means to know whom it
/// talks to, such as a trust anchor and a configured name. All names hold bytes of the sender's choice.
public struct FoundService: Sendable {
    public let kind: ServiceKind
    /// The instance's name, 1 to 63 bytes; meant for people.
    public let instance: [UInt8]
    public let host: DNSName
    public let port: UInt16
    /// Lower ones first.
    public let priority: UInt16
    /// Higher ones first.
    public let weight: UInt16
    /// Empty if nobody told; at most `ServiceBrowser.addressLimit`, sorted, IPv4 first.
    public let addresses: [FoundAddress]
    /// The path of its EST service, which begins with a slash, in visible ASCII; nil if none was told.
    public let path: [UInt8]?
}

public struct FoundAddress: Sendable {
    /// 4 bytes for IPv4, 16 for IPv6.
    public let bytes: [UInt8]
    /// The interface behind which a link-local address lies; 0 for others.
    public let interface: UInt32

    /// Nil for addresses that another host cannot have: unspecified, loopback, multicast, broadcast.
    init?(_ bytes: [UInt8], interface: UInt32) {
        let isLinkLocal: Bool
        switch bytes.count {
        case 4:
            guard bytes[0] != 0, bytes[0] != 127, bytes[0] < 224 else { return nil }
            isLinkLocal = false
        case 16:
            guard bytes[0] != 0xff, !bytes[..<15].allSatisfy({ $0 == 0 }) else { return nil }
            isLinkLocal = bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80
        default: return nil
        }
        self.bytes = bytes
        self.interface = isLinkLocal ? interface : 0
    }

    func isSame(_ other: FoundAddress) -> Bool { bytes == other.bytes && interface == other.interface }

    func precedes(_ other: FoundAddress) -> Bool {
        if bytes.count != other.bytes.count { return bytes.count < other.bytes.count }
        for index in bytes.indices where bytes[index] != other.bytes[index] { return bytes[index] < other.bytes[index] }
        return interface < other.interface
    }
}
