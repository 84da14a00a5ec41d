// SPDX-License-Identifier: Apache-2.0

public import MartletEnvelope
public import MartletMessages
public import MartletOpenSSL

/// Signs the answers to births with the back end's key. Not safe for concurrent use.
public final class ResumeSigner {
    private let sealer: EnvelopeSealer

    /// `issuer`: the URN under which devices know the key.
    public init(issuer: [UInt8], key: PrivateKey) throws(SigningError) {
        sealer = try EnvelopeSealer(issuer: issuer, key: key)
    }

    /// The message for the resume topic of the device with the URN `device`, bound to the challenge of its birth.
    /// The device takes its time from it, so `resume.time` must be right.
    public func sign(_ resume: Resume, for device: [UInt8], challenge: Bytes16) throws(SigningError) -> [UInt8] {
        guard PartyName.isValid(device.span) else { throw .badName }
        var claims = Claims(purpose: .resume)
        claims.issuedAt = resume.time
        claims.nonce = challenge
        var message: [UInt8] = []
        let payload = resume.encoded()
        do throws(EnvelopeError) {
            _ = try sealer.seal(
                claims, audience: device, contentType: ContentFormat.cbor, payload: payload.span, into: &message)
        } catch {
            throw .envelope(error)
        }
        return message
    }
}
