// SPDX-License-Identifier: Apache-2.0

public import MartletDNS

/// What a device without a certificate tells of itself: no more than its id, its model and how far it is.
public struct AnnouncedDevice: Sendable {
    public enum State: Sendable {
        /// Nobody has begun to onboard it.
        case factory
        /// A request for its certificate may be under way.
        case pending

        public var text: StaticString {
            switch self {
            case .factory: "factory"
            case .pending: "pending"
            }
        }
    }

    /// No TCP, so `_udp` (RFC 6763 section 7).
    public static let type = DNSName("_martlet._udp.local")
    /// The most bytes of a model.
    public static let modelLimit = 64

    public let id: [UInt8]
    /// The attributes of the TXT record but for the state, each as `key=value`.
    private let attributes: [[UInt8]]
    public var state = State.factory

    /// Its instance.
    let instance: DNSName
    let host: DNSName

    /// Nil unless the id is one, of at most 63 bytes, and the model has 1 to `modelLimit` bytes of printable ASCII.
    public init?(id: [UInt8], model: [UInt8]?, version: StaticString) {
        guard let first = id.first, Self.isAlphanumeric(first), id.allSatisfy(Self.mayBeInID),
            let instance = DNSName(id, below: Self.type),
            let host = DNSName(id.map { Self.isAlphanumeric($0) ? $0 : UInt8(ascii: "-") }, below: DNSName("local"))
        else { return nil }
        self.id = id
        self.instance = instance
        self.host = host
        var attributes = [Self.attribute("id", id)]
        if let model {
            guard (1...Self.modelLimit).contains(model.count), model.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
                return nil
            }
            attributes.append(Self.attribute("model", model))
        }
        attributes.append(Self.attribute("version", version.withUTF8Buffer { [UInt8]($0) }))
        self.attributes = attributes
    }

    /// The attributes of its TXT record, each as `key=value`.
    public var strings: [[UInt8]] {
        attributes + [Self.attribute("state", state.text.withUTF8Buffer { [UInt8]($0) })]
    }

    private static func attribute(_ key: StaticString, _ value: [UInt8]) -> [UInt8] {
        key.withUTF8Buffer { [UInt8]($0) } + [UInt8(ascii: "=")] + value
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: false
        }
    }

    private static func mayBeInID(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}

extension AnnouncedDevice {
    static let allTypes = DNSName("_services._dns-sd._udp.local")

    /// The records of one set, of a host with these addresses. `timeToLive` nil: as it should be.
    func records(_ set: RecordSets, addresses: [[UInt8]], timeToLive: UInt32? = nil) -> [DNSRecord] {
        let time = timeToLive ?? set.timeToLive
        switch set {
        case .types: return [DNSRecord(Self.allTypes, timeToLive: time, .pointer(Self.type))]
        case .instances: return [DNSRecord(Self.type, timeToLive: time, .pointer(instance))]
        case .service:
            // Port 0: there is a device, and nothing to connect to (RFC 6763 section 8).
            let service = DNSService(priority: 0, weight: 0, port: 0, target: host)
            return [DNSRecord(instance, timeToLive: time, .service(service))]
        case .text:
            var data: [UInt8] = []
            for string in strings {
                data.append(UInt8(truncatingIfNeeded: string.count))
                data += string
            }
            return [DNSRecord(instance, timeToLive: time, .text(data))]
        default:
            let size = set == .ipv4 ? 4 : 16
            return addresses.filter { $0.count == size }.map { DNSRecord(host, timeToLive: time, .address($0)) }
        }
    }
}
