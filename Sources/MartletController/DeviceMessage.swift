// SPDX-License-Identifier: Apache-2.0

public import MartletAudit
public import MartletCOSE
public import MartletEnvelope
public import MartletMessages

/// A message that its device has signed.
public struct DeviceMessage: Sendable {
    public enum Content: Sendable {
        case birth(Birth, BirthStanding)
        case telemetry([Reading], LaneVerdict)
        case gap(Gap)
        case event(Event)
        case receipt(Receipt)
        /// A part of the audit log: the entries that were not known yet, as far as they are entries at all.
        case checkpoint([AuditEntry], Checkpoint, AuditVerdict)
        /// The device gives up its credential for good.
        case decommission
    }

    /// The device id.
    public let device: [UInt8]
    /// The device's URN.
    public let issuer: [UInt8]
    public let claims: Claims
    /// SHA-256 of what was signed: the message's identity.
    public let digest: Digest
    public let content: Content
    /// How the head of the audit log in a birth stands to what was seen of the log; nil without one.
    public let journal: AuditVerdict?
    /// In a birth: the device goes on with another key than the one before; nil if it does not, or is new.
    public let keyChange: KeyChange?
    /// Verdicts on earlier envelopes that this message changed.
    public let changes: [LaneChange]
    /// Since this message it is known when this boot of the device was: earlier times that are `sinceBoot` of it can
    /// be resolved by `DeviceVerifier.wallClock`.
    public let datedBoot: Bytes16?
}

/// How a birth stands to those before it.
public enum BirthStanding: UInt8, Sendable {
    /// The first of this device.
    case first
    /// A later run, or in the same run a later connection or moment.
    case newer
    /// The newest one again, as the broker repeats what it retains.
    case repeated
    /// Not newer than one that was accepted: the device's state was rolled back, or an old birth is replayed; the
    /// birth alone cannot tell which. Nothing was taken from it: challenge and keys stay those of the newest one.
    ///
    /// Answering it with a `resume` is safe and right: a device that was rolled back then notices it, says so in a
    /// signed event and goes on above what the back end has seen; who replays gains nothing, because the answer is
    /// bound to a challenge that no device holds. `DeviceVerifier.forget` accepts the device as it is now.
    case older
}

/// How a device came by the key that it goes on with.
public enum KeyChange: Sendable {
    /// The key before said so (`EventKind.nextKey`): the device renewed its credential.
    case announced
    /// It did not. The device was onboarded anew, or somebody else got a certificate for its name.
    case unannounced
}
