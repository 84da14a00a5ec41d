// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletEnvelope
public import MartletMessages

/// The other side of a device: signs commands as a controller, or resumes as a back end does.
public final class TestController {
    /// The claim `iss`.
    public let name: [UInt8]
    public let role: TestRole
    public let key: TestKey
    /// The claim `aud`: the device's URN.
    public var audience: [UInt8]
    /// The sequence number of the next command.
    public var sequence: UInt64 = 1
    /// The hash of the newest message.
    public private(set) var lastDigest: Digest?
    private let sealer: EnvelopeSealer
    private let random: SeededEntropy

    public init(name: [UInt8], role: TestRole, audience: [UInt8], seed: UInt64, hasRealKey: Bool = true)
        throws(TestKitError)
    {
        self.name = name
        self.role = role
        self.audience = audience
        key = try TestKey(seed: seed, isReal: hasRealKey)
        random = SeededEntropy(seed: seed &+ 1)
        sealer = key.sealer(name)
    }

    /// Complete claims of a new command that echoes `nonce`.
    public func commandClaims(_ nonce: Bytes16) -> Claims {
        var claims = Claims(purpose: .command)
        claims.sequence = sequence
        claims.id = random.bytes16()
        claims.nonce = nonce
        sequence += 1
        return claims
    }

    /// A signed command.
    public func command(_ command: Command, _ nonce: Bytes16) throws(TestKitError) -> [UInt8] {
        try self.command(command, commandClaims(nonce))
    }

    /// The same with claims of the test's own making.
    public func command(_ command: Command, _ claims: Claims) throws(TestKitError) -> [UInt8] {
        guard let payload = command.encoded() else { throw .message }
        return try seal(claims, payload)
    }

    /// A signed answer to a birth with the challenge `nonce`.
    public func resume(_ resume: Resume, _ nonce: Bytes16) throws(TestKitError) -> [UInt8] {
        var claims = Claims(purpose: .resume)
        claims.nonce = nonce
        return try seal(claims, resume.encoded())
    }

    /// Any signed message.
    public func seal(
        _ claims: Claims, _ payload: [UInt8], contentType: UInt64 = ContentFormat.cbor
    ) throws(TestKitError) -> [UInt8] {
        var message: [UInt8] = []
        do throws(EnvelopeError) {
            lastDigest = try sealer.seal(
                claims, audience: audience, contentType: contentType, payload: payload.span, into: &message)
        } catch {
            throw .envelope(error)
        }
        return message
    }
}
