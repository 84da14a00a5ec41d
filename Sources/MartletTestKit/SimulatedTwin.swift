// SPDX-License-Identifier: Apache-2.0

internal import MartletSession

/// A fault that a simulation puts into its device on purpose, to show that it would be found.
public enum SimulatedTwin: UInt8, CaseIterable, Sendable {
    /// A sync does nothing.
    case noSync
    /// The back end is told an outcome before it is durable.
    case earlyReceipt
    /// The challenge survives the program, as if it were kept on disk.
    case keptChallenge
    /// The challenge of a run never changes.
    case constantChallenge
    /// A command that was refused may come again.
    case unconsumedVerdict
    /// Readings are sent before they are durable.
    case earlyReadings
    /// Readings get their number and their signature each time they are sent.
    case lateSignature
    /// A segment of the spool goes before it is durable that its readings were given up.
    case lateGap
    /// What was used of the quotas is forgotten when the program ends.
    case forgetfulQuota

    public var name: StaticString {
        switch self {
        case .noSync: "no-sync"
        case .earlyReceipt: "early-receipt"
        case .keptChallenge: "kept-challenge"
        case .constantChallenge: "constant-challenge"
        case .unconsumedVerdict: "unconsumed-verdict"
        case .earlyReadings: "early-readings"
        case .lateSignature: "late-signature"
        case .lateGap: "late-gap"
        case .forgetfulQuota: "forgetful-quota"
        }
    }

    /// What the engine of the next run draws from; nil: real numbers.
    func entropy(seed: UInt64, life: Int) -> (any Entropy)? {
        switch self {
        case .keptChallenge: SeededEntropy(seed: seed)
        case .constantChallenge: ConstantEntropy(seed &+ UInt64(life))
        default: nil
        }
    }
}

/// Always the same number.
private final class ConstantEntropy: Entropy {
    private let value: UInt64

    init(_ value: UInt64) { self.value = value }

    func next() -> UInt64? { value }
}
