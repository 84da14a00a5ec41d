// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
internal import MartletEnvelope
internal import MartletMessages

/// A trust document that asks to be put into force. Until `verify` returns, nothing that it says is known to be true.
struct TrustCandidate {
    let document: TrustDocument
    /// SHA-256 of the payload.
    let digest: Digest
    private let message: TrustMessage

    init(decoding bytes: Span<UInt8>, _ root: TrustRoot) throws(Refusal) {
        if bytes.count > Envelope.maximumSize { throw .tooLarge }
        guard let message = TrustMessage(decoding: bytes) else { throw .malformed }
        for index in message.envelopes.indices {
            let envelope = message.envelopes[index]
            if envelope.claims.purpose != .trust || envelope.contentType != ContentFormat.cbor { throw .wrongPurpose }
            let part = bytes.extracting(message.ranges[index])
            if let audience = envelope.audience, !root.deviceName.isEqual(to: part.extracting(audience)) {
                throw .wrongAudience
            }
        }
        let payload = bytes.extracting(message.payload)
        guard let document = try? TrustDocument(decoding: payload, hashing: root.hashing) else { throw .badDocument }
        self.document = document
        self.message = message
        digest = root.hashing.sha256(payload)
    }

    /// Checks, without a signature, that those who claim to have signed are roots, and enough: the threshold of the
    /// document in force and that of this one; of a first document, the pinned root.
    func checkSigners(after policy: TrustPolicy?, _ root: TrustRoot) throws(Refusal) {
        if let before = policy?.document {
            if document.version != before.version + 1 { throw .wrongVersion }
            if count(before.roots) < before.threshold { throw .belowThreshold }
        } else {
            if count(root.pinned(in: document)) == 0 { throw .belowThreshold }
        }
        if count(document.roots) < document.threshold { throw .belowThreshold }
        if count(roots(after: policy)) < message.envelopes.count { throw .unknownKey }
    }

    /// How many envelopes are by one of these keys, as they say.
    private func count(_ keys: [TrustDocument.Key]) -> Int {
        var count = 0
        for envelope in message.envelopes where keys.contains(where: { $0.id == envelope.keyID }) { count += 1 }
        return count
    }

    /// The roots of the document in force and those of this one.
    private func roots(after policy: TrustPolicy?) -> [TrustDocument.Key] {
        let before = policy?.document.roots ?? []
        return before + document.roots.filter { !before.contains($0) }
    }

    /// Checks every signature.
    func verify(
        _ bytes: Span<UInt8>, after policy: TrustPolicy?, _ root: TrustRoot, _ structure: inout SigStructure
    ) throws(Refusal) {
        let roots = roots(after: policy)
        for index in message.envelopes.indices {
            let envelope = message.envelopes[index]
            let part = bytes.extracting(message.ranges[index])
            // If an old and a new root have one kid, nobody can sign for both: neither is counted for the other.
            for key in roots where key.id == envelope.keyID {
                let verifier = try root.verifier(of: key)
                do throws(EnvelopeError) {
                    _ = try envelope.verify(
                        part, as: .trust, with: verifier, hashing: root.hashing, structure: &structure)
                } catch {
                    throw .badSignature
                }
            }
        }
    }

    /// The time that every signer states with a current challenge of the device; the latest of them. nil if one of them
    /// states none: so many roots must vouch for time as for the document.
    func time(_ moment: GateMoment) -> UInt64? {
        var time: UInt64 = 0
        for envelope in message.envelopes {
            guard let nonce = envelope.claims.nonce, moment.accepts(nonce), let issuedAt = envelope.claims.issuedAt
            else { return nil }
            time = max(time, issuedAt)
        }
        return time
    }
}
