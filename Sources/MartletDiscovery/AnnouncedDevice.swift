// SPDX-License-Identifier: Apache-2.0

internal import MartletDNS

/// What a device without a certificate tells of itself: no more than its id, its model and how far it is.
public struct AnnouncedDevice: Sendable {
    public enum State: Sendable {
        /// Nobody has begun to onboard it.
        case factory
        /// A request for its certificate may be under way.
        case pending

        var text: StaticString {
            switch self {
            case .factory: "factory"
            case .pending: "pending"
            }
        }
    }

    /// No TCP, so `_udp` (RFC 6763 section 7).
    static let type = DNSName("_martlet._udp.local")
    /// The most bytes of a model.
    public static let modelLimit = 64

    public let id: [UInt8]
    public var state = State.factory
    /// Without the state.
    private let common: Announcement

    /// Nil unless the id is one, of at most 63 bytes, and the model has 1 to `modelLimit` bytes of printable ASCII.
    public init?(id: [UInt8], model: [UInt8]?, version: StaticString) {
        guard let first = id.first, Announcement.isAlphanumeric(first), id.allSatisfy(Self.mayBeInID) else {
            return nil
        }
        var attributes = [Announcement.attribute("id", id)]
        if let model {
            guard (1...Self.modelLimit).contains(model.count), model.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
                return nil
            }
            attributes.append(Announcement.attribute("model", model))
        }
        attributes.append(Announcement.attribute("version", version.withUTF8Buffer { [UInt8]($0) }))
        let host = id.map { Announcement.isAlphanumeric($0) ? $0 : UInt8(ascii: "-") }
        // Port 0: there is a device, and nothing to connect to (RFC 6763 section 8).
        guard let common = Announcement(id, of: Self.type, host: host, port: 0, attributes: attributes) else {
            return nil
        }
        self.id = id
        self.common = common
    }

    public var announcement: Announcement {
        var result = common
        result.attributes.append(Announcement.attribute("state", state.text.withUTF8Buffer { [UInt8]($0) }))
        return result
    }

    private static func mayBeInID(_ byte: UInt8) -> Bool {
        Announcement.isAlphanumeric(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
            || byte == UInt8(ascii: "-")
    }
}
