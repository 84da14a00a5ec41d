// SPDX-License-Identifier: Apache-2.0

/// Why a message from the network was dropped before or at its signature. Such messages are not answered, since
/// nobody is known to have sent them; they are counted by code. Codes are part of the protocol.
public enum Refusal: UInt8, CaseIterable, Sendable {
    case tooLarge = 1
    /// Not a strictly encoded envelope.
    case malformed = 2
    /// The broker had kept it: it was not sent for now.
    case retained = 3
    /// No controller has this key, or no root.
    case unknownKey = 4
    /// The issuer is not the one that the key belongs to.
    case wrongIssuer = 5
    /// Meant for another device.
    case wrongAudience = 6
    /// Signed for another purpose, or not of the content format of a command.
    case wrongPurpose = 7
    /// Without sequence, id or challenge.
    case incomplete = 8
    /// Its sequence number was seen in this run, or is too old to tell.
    case replayed = 9
    case badSignature = 10
    /// More signatures to verify than the link's budget allows.
    case overBudget = 11
    /// The server's certificate could not be checked against trusted time yet.
    case provisionalLink = 12
    /// Not the version that follows the trust document in force, or another document of the same version.
    case wrongVersion = 13
    /// Fewer roots signed than the trust document, or the one in force, asks for.
    case belowThreshold = 14
    /// Not a trust document.
    case badDocument = 15

    /// For people.
    public var text: StaticString {
        switch self {
        case .tooLarge: "too large"
        case .malformed: "not an envelope"
        case .retained: "kept by the broker, not sent for now"
        case .unknownKey: "signed by an unknown key"
        case .wrongIssuer: "the issuer is not the key's"
        case .wrongAudience: "meant for another device"
        case .wrongPurpose: "signed for another purpose"
        case .incomplete: "without sequence, id or challenge"
        case .replayed: "replayed: its sequence number was already used"
        case .badSignature: "forged: the signature does not hold"
        case .overBudget: "too many messages to verify"
        case .provisionalLink: "the server's certificate waits for trusted time"
        case .wrongVersion: "not the version after the trust document in force"
        case .belowThreshold: "signed by too few roots, or not by the pinned one"
        case .badDocument: "not a trust document"
        }
    }
}

/// How many messages were dropped, by refusal.
public struct RefusalCounts: Sendable {
    private var counts = InlineArray<16, UInt64>(repeating: 0)

    public init() {}

    public subscript(refusal: Refusal) -> UInt64 { counts[Int(refusal.rawValue)] }

    mutating func count(_ refusal: Refusal) { counts[Int(refusal.rawValue)] &+= 1 }

    public var total: UInt64 {
        var sum: UInt64 = 0
        for index in counts.indices { sum &+= counts[index] }
        return sum
    }
}
