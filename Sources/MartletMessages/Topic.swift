// SPDX-License-Identifier: Apache-2.0

public import MartletEnvelope

/// MQTT topics: `<prefix>/<device>/<leaf>`. Each signed purpose has a leaf of its own, so that the place where a
/// message arrives tells its context.
public struct Topics: Sendable {
    public static let defaultPrefix: StaticString = "martlet/v1"

    /// `<prefix>/<device>/`
    private let stem: [UInt8]

    /// nil unless `prefix` is 1 to 64 bytes of levels `[A-Za-z0-9][A-Za-z0-9._-]*` and `device` obeys `DeviceID`.
    public init?(prefix: Span<UInt8>, device: Span<UInt8>) {
        guard Self.isValidPrefix(prefix), DeviceID.isValid(device) else { return nil }
        stem = [UInt8](copying: prefix) + [UInt8(ascii: "/")] + [UInt8](copying: device) + [UInt8(ascii: "/")]
    }

    public func topic(_ leaf: Leaf) -> [UInt8] { stem + leaf.bytes }

    /// The leaf of a topic of this device.
    public func leaf(of topic: Span<UInt8>) -> Leaf? {
        guard topic.count > stem.count, topic.extracting(first: stem.count).isEqual(to: stem.span) else { return nil }
        return Leaf(topic.extracting(droppingFirst: stem.count))
    }

    public static func isValidPrefix(_ prefix: Span<UInt8>) -> Bool {
        guard (1...64).contains(prefix.count) else { return false }
        var isLevelEmpty = true
        for index in prefix.indices {
            switch prefix[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"):
                isLevelEmpty = false
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                if isLevelEmpty { return false }
            case UInt8(ascii: "/"):
                if isLevelEmpty { return false }
                isLevelEmpty = true
            default: return false
            }
        }
        return !isLevelEmpty
    }

    /// Splits a topic below `prefix` into device and leaf; nil if it is none.
    public static func parse(_ topic: Span<UInt8>, prefix: Span<UInt8>) -> (device: Range<Int>, leaf: Leaf)? {
        guard topic.count > prefix.count, topic.extracting(first: prefix.count).isEqual(to: prefix),
            topic[prefix.count] == UInt8(ascii: "/")
        else { return nil }
        let start = prefix.count + 1
        var end = start
        while end < topic.count, topic[end] != UInt8(ascii: "/") { end += 1 }
        guard end < topic.count, DeviceID.isValid(topic.extracting(start..<end)),
            let leaf = Leaf(topic.extracting(droppingFirst: end + 1))
        else { return nil }
        return (start..<end, leaf)
    }
}

/// The last level of a topic.
public enum Leaf: Hashable, Sendable {
    /// An envelope of this purpose.
    case signed(Purpose)
    /// Online or offline, unsigned and advisory.
    case presence

    init?(_ bytes: Span<UInt8>) {
        if Leaf.presence.isNamed(bytes) {
            self = .presence
            return
        }
        for purpose in Purpose.allCases where Leaf.signed(purpose).isNamed(bytes) {
            self = .signed(purpose)
            return
        }
        return nil
    }

    private var name: UnsafeBufferPointer<UInt8> {
        switch self {
        case .presence:
            let name: StaticString = "presence"
            return UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        case .signed(let purpose):
            // The context is `martlet/1/` and the name.
            let context = purpose.context
            return UnsafeBufferPointer(start: context.utf8Start + 10, count: context.utf8CodeUnitCount - 10)
        }
    }

    var bytes: [UInt8] { [UInt8](name) }

    private func isNamed(_ bytes: Span<UInt8>) -> Bool {
        let name = self.name
        return name.count == bytes.count && bytes.isEqual(to: Span(_unsafeElements: name))
    }
}
