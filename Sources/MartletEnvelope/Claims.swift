// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE

/// What a message is for. Its name is part of what is signed, so no message can pass for one of another purpose.
public enum Purpose: UInt8, CaseIterable, Sendable {
    case birth = 1
    case telemetry = 2
    case gap = 3
    case event = 4
    case reported = 5
    case receipt = 6
    case checkpoint = 7
    case decommission = 8
    case command = 16
    case approval = 17
    case desired = 18
    case trust = 19
    case resume = 20

    /// The external_aad of COSE: a verifier takes it from where a message arrived, never from the message.
    public var context: StaticString {
        switch self {
        case .birth: "martlet/1/birth"
        case .telemetry: "martlet/1/telemetry"
        case .gap: "martlet/1/gap"
        case .event: "martlet/1/event"
        case .reported: "martlet/1/reported"
        case .receipt: "martlet/1/receipt"
        case .checkpoint: "martlet/1/checkpoint"
        case .decommission: "martlet/1/decommission"
        case .command: "martlet/1/command"
        case .approval: "martlet/1/approval"
        case .desired: "martlet/1/desired"
        case .trust: "martlet/1/trust"
        case .resume: "martlet/1/resume"
        }
    }
}

/// A stream of telemetry with its own sequence and hash chain.
public enum Lane: UInt8, CaseIterable, Sendable {
    case alarm = 0
    case normal = 1
    case bulk = 2
}

/// How much the device's time is worth.
public enum ClockState: UInt8, Sendable {
    /// The wall clock is earlier than is possible; no absolute time is stated.
    case untrusted = 0
    /// Possible, but nobody has confirmed it.
    case bounded = 1
    /// Confirmed by an authenticated source since the program began.
    case trusted = 2
}

/// A place in a boot: what still orders and dates messages when the clock is wrong.
public struct BootTime: Hashable, Sendable {
    /// The kernel's id of the boot.
    public var id: Bytes16
    /// CLOCK_BOOTTIME in milliseconds.
    public var milliseconds: UInt64

    public init(id: Bytes16, milliseconds: UInt64) {
        self.id = id
        self.milliseconds = milliseconds
    }
}

/// The end of a chain: the last sequence number and the hash of its Sig_structure.
public struct ChainHead: Hashable, Sendable {
    public var sequence: UInt64
    public var digest: Digest

    public init(sequence: UInt64, digest: Digest) {
        self.sequence = sequence
        self.digest = digest
    }
}

/// The claims of an envelope, names aside.
public struct Claims: Equatable, Sendable {
    public var purpose: Purpose
    public var lane: Lane?
    /// Of a lane, or of a controller's commands.
    public var sequence: UInt64?
    /// The lane's previous envelope.
    public var previous: ChainHead?
    public var clock: ClockState?
    public var boot: BootTime?
    /// Unix seconds.
    public var expires: UInt64?
    /// Unix seconds.
    public var notBefore: UInt64?
    /// Unix seconds; absent while the clock is untrusted.
    public var issuedAt: UInt64?
    /// The id of a command, given by its controller.
    public var id: Bytes16?
    /// A challenge of the device, echoed.
    public var nonce: Bytes16?
    /// Seconds since boot.
    public var uptime: UInt64?

    public init(purpose: Purpose) { self.purpose = purpose }
}

/// Labels of the claims (IANA CWT registry), and the private one that holds an array
/// [purpose, lane, sequence, previous, clock, boot].
enum ClaimLabel {
    static let issuer: Int64 = 1
    static let audience: Int64 = 3
    static let expires: Int64 = 4
    static let notBefore: Int64 = 5
    static let issuedAt: Int64 = 6
    static let id: Int64 = 7
    static let nonce: Int64 = 10
    static let uptime: Int64 = 261
    static let martlet: Int64 = -65537
}

/// Content formats (RFC 7252 section 12.3) of payloads.
public enum ContentFormat {
    /// application/cbor
    public static let cbor: UInt64 = 60
    /// application/senml+cbor
    public static let senML: UInt64 = 112
}
