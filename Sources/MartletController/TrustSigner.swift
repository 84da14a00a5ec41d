// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
public import MartletEnvelope
public import MartletMessages
public import MartletOpenSSL

/// Signs trust documents with root keys: the one place that says who may command devices. Not safe for concurrent use.
public final class TrustSigner {
    private let sealers: [EnvelopeSealer]

    /// `issuer`: a URN that says who signs; devices go by the key. `keys`: 1 to 4 root keys, all different.
    public init(issuer: [UInt8], keys: [PrivateKey]) throws(SigningError) {
        var sealers: [EnvelopeSealer] = []
        for key in keys {
            let sealer = try EnvelopeSealer(issuer: issuer, key: key)
            if sealers.contains(where: { $0.keyID == sealer.keyID }) { throw .badDocument }
            sealers.append(sealer)
        }
        if !(1...TrustDocument.maximumRoots).contains(sealers.count) { throw .badDocument }
        self.sealers = sealers
    }

    /// The message for the trust topic: `document` signed by every key.
    ///
    /// A device takes it if it has the version before, and if enough roots of that version and of this one signed.
    ///
    /// - Parameters:
    ///   - device: the URN of the one device that it is for; nil: every device that has these roots.
    ///   - time: seconds since 1970, only with `challenge`: the clock of a device with this challenge, which may be far
    ///     ahead by mistake, may go back to it.
    public func sign(
        _ document: TrustDocument, for device: [UInt8]? = nil, time: UInt64? = nil, challenge: Bytes16? = nil
    ) throws(SigningError) -> [UInt8] {
        if let device, !PartyName.isValid(device.span) { throw .badName }
        guard let payload = try? document.encoded() else { throw .badDocument }
        var claims = Claims(purpose: .trust)
        claims.issuedAt = time
        claims.nonce = challenge
        // The head of an array of so many.
        var message: [UInt8] = [0x80 | UInt8(truncatingIfNeeded: sealers.count)]
        for sealer in sealers {
            do throws(EnvelopeError) {
                _ = try sealer.seal(
                    claims, audience: device, contentType: ContentFormat.cbor, payload: payload.span, into: &message)
            } catch {
                throw .envelope(error)
            }
        }
        if message.count > Envelope.maximumSize { throw .envelope(.tooLarge(limit: Envelope.maximumSize)) }
        return message
    }

    /// A public key, as a document lists it.
    public static func entry(_ key: PublicKey) throws(SigningError) -> TrustDocument.Key {
        do throws(OpenSSLError) { return TrustDocument.Key(key.spki, hashing: try OpenSSLHashing()) } catch {
            throw .openSSL(error)
        }
    }

    /// Reads the document of a message that this or another signer made; its signatures are not checked.
    public static func document(of message: Span<UInt8>) throws(SigningError) -> TrustDocument {
        let hashing: OpenSSLHashing
        do throws(OpenSSLError) { hashing = try OpenSSLHashing() } catch { throw .openSSL(error) }
        guard let parts = TrustMessage(decoding: message),
            let document = try? TrustDocument(decoding: message.extracting(parts.payload), hashing: hashing)
        else { throw .badDocument }
        return document
    }
}
