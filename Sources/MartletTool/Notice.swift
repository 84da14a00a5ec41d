// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletAdapters
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletPosix
import MartletSession

/// What the tool sends in the name of a device.
enum Notice {
    /// Sends an event; as below.
    static func send(_ event: Event, signedBy key: PrivateKey, over way: any BackEndConnection) throws(Failure) {
        guard let payload = event.encoded() else { throw Failure(.system, "the event has too many values") }
        try send(.event, payload, signedBy: key, over: way)
    }

    /// Sends a message, signed by `key`, and returns when it was taken. The connection may be that of
    /// another key of the same device: its new one, which the old one announces.
    static func send(
        _ purpose: Purpose, _ payload: [UInt8], signedBy key: PrivateKey, over way: any BackEndConnection
    ) throws(Failure) {
        let clock = DeviceClock(buildTime: MartletVersion.buildTime)
        let now = TimeSample.now()
        var claims = Claims(purpose: purpose)
        claims.clock = clock.state(now)
        if clock.wallClock(now) != nil { claims.issuedAt = UInt64(clamping: now.system / 1000) }
        claims.boot = SystemClock.bootID().map { BootTime(id: Bytes16($0), milliseconds: now.boot) }
        let publicKey = key.publicKey.spki
        let sealer = EnvelopeSealer(
            issuer: way.issuer, publicKey: publicKey.span, signer: KeySigner(key),
            hashing: try OpenSSLHashing.make())
        var envelope: [UInt8] = []
        do throws(EnvelopeError) {
            _ = try sealer.seal(claims, contentType: ContentFormat.cbor, payload: payload.span, into: &envelope)
        } catch { throw Failure(.system, "the message could not be signed") }
        try way.publish(.signed(purpose), envelope, retained: false)
    }
}
