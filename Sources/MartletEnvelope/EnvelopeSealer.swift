// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR
public import MartletCOSE

/// Signs envelopes of one party with one key. Its buffers are allocated once. Not safe for concurrent use.
public final class EnvelopeSealer {
    public let keyID: KeyID
    private let signer: any Signer
    private let hashing: any Hashing
    private let issuer: [UInt8]
    private var header: [UInt8]
    /// What `header` begins with, up to the claim of the issuer, is still there from the message before, if that had the
    /// same content type, as many claims, and a chain or none as well.
    private var prefix = (contentType: UInt64(0), claims: 0, hasChain: false, count: 0)
    private var structure = Envelope.makeStructure()

    /// `issuer` must obey `PartyName`; `publicKey` is the DER SubjectPublicKeyInfo of `signer`.
    public init(issuer: [UInt8], publicKey: Span<UInt8>, signer: any Signer, hashing: any Hashing) {
        self.issuer = issuer
        self.signer = signer
        self.hashing = hashing
        keyID = KeyID(ofKey: hashing.sha256(publicKey))
        header = [UInt8](repeating: 0, count: Envelope.maximumSize)
    }

    /// Appends the signed envelope to `message` and gives its hash. Throws `tooLarge` beyond
    /// `Envelope.maximumSize`, `cose(.signingFailed)` if the key fails; nothing was appended then.
    public func seal(
        _ claims: Claims, audience: [UInt8]? = nil, contentType: UInt64, payload: Span<UInt8>,
        x5chain: [[UInt8]] = [], into message: inout [UInt8]
    ) throws(EnvelopeError) -> Digest {
        // Taken out for the time of the call, not copied.
        var header = [UInt8]()
        swap(&header, &self.header)
        defer { swap(&header, &self.header) }
        let headerSize = try write(claims, audience, contentType, x5chain, into: &header)
        if Sign1.size(protected: headerSize, payload: payload.count) > Envelope.maximumSize {
            throw .tooLarge(limit: Envelope.maximumSize)
        }
        let context = claims.purpose.context
        do throws(COSEError) {
            return try Sign1.append(
                to: &message, protected: header.span.extracting(first: headerSize), payload: payload,
                external: Span(_unsafeStart: context.utf8Start, count: context.utf8CodeUnitCount),
                by: signer, hashing: hashing, structure: &structure)
        } catch {
            throw .cose(error)
        }
    }

    private func write(
        _ claims: Claims, _ audience: [UInt8]?, _ contentType: UInt64, _ x5chain: [[UInt8]],
        into header: inout [UInt8]
    ) throws(EnvelopeError) -> Int {
        let (count, hasChain) = (claims.count + (audience == nil ? 1 : 2), !x5chain.isEmpty)
        if prefix.contentType != contentType || prefix.claims != count || prefix.hasChain != hasChain {
            prefix = (contentType, count, hasChain, writePrefix(contentType, count, hasChain, into: &header))
        }
        var writer = CBORWriter(header.mutableSpan, from: prefix.count)
        writer.claims(claims, audience: audience)
        if hasChain {
            writer.integer(COSEHeader.Label.x5chain)
            if x5chain.count > 1 { writer.array(x5chain.count) }
            for certificate in x5chain { writer.bytes(certificate.span) }
        }
        do { return try writer.finish() } catch { throw .tooLarge(limit: Envelope.maximumSize) }
    }

    private func writePrefix(
        _ contentType: UInt64, _ claims: Int, _ hasChain: Bool, into header: inout [UInt8]
    ) -> Int {
        let issuer = issuer
        var writer = CBORWriter(header.mutableSpan)
        writer.map(hasChain ? 5 : 4)
        writer.integer(COSEHeader.Label.algorithm)
        writer.integer(signer.algorithm.rawValue)
        writer.integer(COSEHeader.Label.contentType)
        writer.unsigned(contentType)
        writer.integer(COSEHeader.Label.keyID)
        writer.bytes(bigEndian: keyID.value)
        writer.integer(COSEHeader.Label.claims)
        writer.map(claims)
        writer.integer(ClaimLabel.issuer)
        writer.text(issuer.span)
        return writer.count
    }
}

extension Claims {
    /// How many there are, names aside.
    fileprivate var count: Int {
        var count = 1
        if expires != nil { count += 1 }
        if notBefore != nil { count += 1 }
        if issuedAt != nil { count += 1 }
        if id != nil { count += 1 }
        if nonce != nil { count += 1 }
        if uptime != nil { count += 1 }
        return count
    }
}

extension CBORWriter {
    /// The claims but for the issuer; keys in deterministic order.
    fileprivate mutating func claims(_ claims: Claims, audience: [UInt8]?) {
        if let audience {
            integer(ClaimLabel.audience)
            text(audience.span)
        }
        if let expires = claims.expires {
            integer(ClaimLabel.expires)
            unsigned(expires)
        }
        if let notBefore = claims.notBefore {
            integer(ClaimLabel.notBefore)
            unsigned(notBefore)
        }
        if let issuedAt = claims.issuedAt {
            integer(ClaimLabel.issuedAt)
            unsigned(issuedAt)
        }
        if let id = claims.id {
            integer(ClaimLabel.id)
            bytes(id.bytes.span)
        }
        if let nonce = claims.nonce {
            integer(ClaimLabel.nonce)
            bytes(nonce.bytes.span)
        }
        if let uptime = claims.uptime {
            integer(ClaimLabel.uptime)
            unsigned(uptime)
        }
        integer(ClaimLabel.martlet)
        array(6)
        unsigned(UInt64(claims.purpose.rawValue))
        optional(claims.lane.map { UInt64($0.rawValue) })
        optional(claims.sequence)
        if let previous = claims.previous { head(previous) } else { null() }
        optional(claims.clock.map { UInt64($0.rawValue) })
        if let boot = claims.boot {
            array(2)
            bytes(boot.id.bytes.span)
            unsigned(boot.milliseconds)
        } else {
            null()
        }
    }

    fileprivate mutating func bytes(bigEndian value: UInt64) {
        var copy = InlineArray<8, UInt8>(repeating: 0)
        for index in copy.indices { copy[index] = UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * index)) }
        bytes(copy.span)
    }

    public mutating func optional(_ value: UInt64?) {
        if let value { unsigned(value) } else { null() }
    }

    /// [sequence, hash]
    public mutating func head(_ head: ChainHead) {
        array(2)
        unsigned(head.sequence)
        bytes(head.digest.bytes.span)
    }
}
