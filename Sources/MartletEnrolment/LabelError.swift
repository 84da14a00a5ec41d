// SPDX-License-Identifier: Apache-2.0

/// Why a text is not the label of a device. Never shows a value: one of them is a secret.
public enum LabelError: Error, Hashable, Sendable {
    /// Does not begin with `martlet:`, or is longer than a label may be.
    case notALabel
    /// The device's id has bytes that an id must not have, or is longer than 64 bytes.
    case badID
    /// A part is not `key=value`.
    case badPart
    /// A key that this version does not know; it may change what the others mean.
    case unknownKey
    /// A key stands twice.
    case repeatedKey
    /// The value of this key is not what `EnrolmentLabel` says.
    case badValue(Key)
    /// There is no `root`: without it the device would obey nobody.
    case noRoot

    /// A key of a label.
    public enum Key: UInt8, Hashable, Sendable {
        case est, mqtt, ca, root, token

        public var name: StaticString {
            switch self {
            case .est: "est"
            case .mqtt: "mqtt"
            case .ca: "ca"
            case .root: "root"
            case .token: "token"
            }
        }
    }
}
