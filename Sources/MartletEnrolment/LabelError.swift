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

    /// In a few words, for people.
    public var text: StaticString {
        switch self {
        case .notALabel: "a label begins with martlet: and has 1024 bytes at most"
        case .badID: "the device's id has 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit"
        case .badPart: "what follows the id is ?key=value, more of them behind &"
        case .unknownKey: "it has a key other than est, mqtt, ca, root and token: is this program too old for it?"
        case .repeatedKey: "a key stands twice"
        case .badValue(.est): "est is host, host:port or host:port/path"
        case .badValue(.mqtt): "mqtt is host or host:port"
        case .badValue(.ca): "ca is 64 hex digits: the SHA-256 of the authority's certificate"
        case .badValue(.root): "root is 64 hex digits: the SHA-256 of a root's public key"
        case .badValue(.token): "token has 16 to 128 letters, digits, '-' and '_'"
        case .noRoot: "root is missing: without it the device would obey nobody"
        }
    }

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
