// SPDX-License-Identifier: Apache-2.0

public import MartletDNS

/// One service of one host as DNS-SD tells it (RFC 6763).
public struct Announcement: Sendable {
    /// As `_martlet._udp.local`.
    public let type: DNSName
    /// The instance's own label, for people.
    public let label: [UInt8]
    public let port: UInt16
    /// The attributes of the TXT record, each as `key=value`.
    public var attributes: [[UInt8]]

    let instance: DNSName
    let host: DNSName

    /// Nil unless instance and host are labels of 1 to 63 bytes, and no attribute has more than 255.
    init?(_ label: [UInt8], of type: DNSName, host: [UInt8], port: UInt16, attributes: [[UInt8]]) {
        guard let instance = DNSName(label, below: type), let host = DNSName(host, below: DNSName("local")),
            attributes.allSatisfy({ $0.count <= 255 })
        else { return nil }
        self.type = type
        self.label = label
        self.port = port
        self.attributes = attributes
        self.instance = instance
        self.host = host
    }

    /// A server that others look for, on the host of this name below `local`, which is its label, too. Nil unless the name
    /// has 1 to 63 letters, digits and hyphens, and the path begins with a slash and has at most 128 visible characters.
    public init?(_ kind: ServiceKind, host: [UInt8], port: UInt16, path: [UInt8]? = nil) {
        guard host.allSatisfy({ Self.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }),
            path.map({ $0.isPath && $0.count <= 128 }) ?? true
        else { return nil }
        self.init(
            host, of: kind.type, host: host, port: port, attributes: path.map { [Self.attribute("path", $0)] } ?? [])
    }

    static func attribute(_ key: StaticString, _ value: [UInt8]) -> [UInt8] {
        key.withUTF8Buffer { [UInt8]($0) } + [UInt8(ascii: "=")] + value
    }

    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: false
        }
    }

    static let allTypes = DNSName("_services._dns-sd._udp.local")

    /// The records of one set, of a host with these addresses. `timeToLive` nil: as it should be.
    func records(_ set: RecordSets, addresses: [[UInt8]], timeToLive: UInt32? = nil) -> [DNSRecord] {
        let time = timeToLive ?? set.timeToLive
        switch set {
        case .types: return [DNSRecord(Self.allTypes, timeToLive: time, .pointer(type))]
        case .instances: return [DNSRecord(type, timeToLive: time, .pointer(instance))]
        case .service:
            let service = DNSService(priority: 0, weight: 0, port: port, target: host)
            return [DNSRecord(instance, timeToLive: time, .service(service))]
        case .text:
            var data: [UInt8] = []
            for attribute in attributes {
                data.append(UInt8(truncatingIfNeeded: attribute.count))
                data += attribute
            }
            // No attribute is one that is empty (RFC 6763 section 6.1).
            return [DNSRecord(instance, timeToLive: time, .text(data.isEmpty ? [0] : data))]
        default:
            let size = set == .ipv4 ? 4 : 16
            return addresses.filter { $0.count == size }.map { DNSRecord(host, timeToLive: time, .address($0)) }
        }
    }
}
