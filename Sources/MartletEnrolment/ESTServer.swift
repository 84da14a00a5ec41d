// SPDX-License-Identifier: Apache-2.0

/// Where a registrar answers, and what it may be asked (RFC 7030 §3.2.2, §4).
public struct ESTServer: Hashable, Sendable {
    public enum Operation: Hashable, Sendable {
        /// The certificates of its authority (§4.1).
        case authorities
        /// What it wants to see in a request (§4.5).
        case attributes
        /// A first certificate (§4.2.1).
        case enrol
        /// The next certificate of the device that asks, which shows the one it has (§4.2.2).
        case renew

        var path: StaticString {
            switch self {
            case .authorities: "/cacerts"
            case .attributes: "/csrattrs"
            case .enrol: "/simpleenroll"
            case .renew: "/simplereenroll"
            }
        }
    }

    /// The most bytes of a label.
    public static let maximumLabelLength = 64

    public let address: ServerAddress
    /// Path segments between `/.well-known/est` and the operation, as `plant/line-1`; mostly empty.
    public let label: [UInt8]

    /// From `host:port/label`; port 443 if none is named. nil unless it is exactly that: at most two segments, of
    /// letters, digits and `._-`, none of them the name of an operation; perhaps a slash at the end.
    public init?(parsing text: Span<UInt8>) {
        let slash = text.indices.first { text[$0] == UInt8(ascii: "/") } ?? text.count
        guard let address = ServerAddress(parsing: text.extracting(0..<slash), port: 443) else { return nil }
        self.address = address
        var label = slash < text.count ? text.extracting((slash + 1)...) : text.extracting(0..<0)
        if !label.isEmpty, label[label.count - 1] == UInt8(ascii: "/") {
            label = label.extracting(..<(label.count - 1))
        }
        self.label = ServerAddress.copy(label)
        guard label.isEmpty || Self.isLabel(label) else { return nil }
    }

    /// `host:port/label`, as `init(parsing:)` reads it.
    public var text: [UInt8] { label.isEmpty ? address.text : address.text + [UInt8(ascii: "/")] + label }

    /// The URL of an operation.
    public func url(_ operation: Operation) -> [UInt8] {
        var url: [UInt8] = []
        append("https://", to: &url)
        url += address.text
        append("/.well-known/est", to: &url)
        if !label.isEmpty {
            url.append(UInt8(ascii: "/"))
            url += label
        }
        append(operation.path, to: &url)
        return url
    }

    private static func isLabel(_ label: Span<UInt8>) -> Bool {
        if label.count > maximumLabelLength { return false }
        var segments = 0
        var start = 0
        while start <= label.count {
            var end = start
            while end < label.count, label[end] != UInt8(ascii: "/") { end += 1 }
            guard isSegment(label.extracting(start..<end)) else { return false }
            segments += 1
            start = end + 1
        }
        return segments <= 2
    }

    /// Begins with a letter or digit, so that it is no `..`.
    private static func isSegment(_ segment: Span<UInt8>) -> Bool {
        for index in segment.indices {
            switch segment[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"):
                continue
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                if index == 0 { return false }
            default: return false
            }
        }
        if segment.isEmpty { return false }
        let operations: [Operation] = [.authorities, .attributes, .enrol, .renew]
        return operations.allSatisfy { operation in
            let path = operation.path
            if path.utf8CodeUnitCount != segment.count + 1 { return true }
            return !segment.indices.allSatisfy { segment[$0] == path.utf8Start[$0 + 1] }
        }
    }
}

func append(_ text: StaticString, to bytes: inout [UInt8]) {
    for index in 0..<text.utf8CodeUnitCount { bytes.append(text.utf8Start[index]) }
}
