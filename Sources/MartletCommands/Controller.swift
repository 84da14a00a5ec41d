// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletEnvelope
internal import MartletReplayWindow

/// What a controller's key may do.
public enum Role: Sendable {
    /// Answers births (`resume`): tells the time and what the back end has seen.
    case gateway
    /// Sends commands.
    case operate
}

/// A key that the device's configuration names. A certificate authority is never a controller, nor is a device.
public final class Controller {
    /// The claim `iss` of its messages.
    public let name: [UInt8]
    public let role: Role
    public let keyID: KeyID
    public let key: any Verifier

    /// Sequence numbers of its commands in this run.
    var window = ReplayWindow()
    /// Verified commands.
    var rate: TokenBucket

    /// `publicKey`: the DER SubjectPublicKeyInfo of `key`.
    public init(name: [UInt8], role: Role, key: any Verifier, publicKey: Span<UInt8>, hashing: any Hashing) {
        self.name = name
        self.role = role
        self.key = key
        keyID = KeyID(ofKey: hashing.sha256(publicKey))
        rate = TokenBucket(rate: 10, burst: 20, now: 0)
    }
}
