// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletCOSE

/// A received envelope, strictly decoded: COSE_Sign1 with tag 18, every header protected, the claims complete.
/// Until `verify` returns, nothing that it says is known to be true.
///
/// A class, because it is large: copies of it were a tenth of a program.
public final class Envelope: Sendable {
    /// The most bytes of an envelope.
    public static let maximumSize = 16 * 1024

    public let sign1: Sign1
    public let algorithm: COSEAlgorithm
    public let contentType: UInt64
    public let keyID: KeyID
    /// Where `iss` lies in the message; it obeys `PartyName`.
    public let issuer: Range<Int>
    /// Where `aud` lies; it obeys `PartyName`.
    public let audience: Range<Int>?
    public let claims: Claims
    /// DER certificates, leaf first.
    public let x5chain: [Range<Int>]

    public var payload: Range<Int> { sign1.payload }

    public init(decoding message: Span<UInt8>, limit: Int = maximumSize) throws(EnvelopeError) {
        if message.count > limit { throw .tooLarge(limit: limit) }
        let header: COSEHeader
        var reading = ClaimsReading()
        do throws(COSEError) {
            sign1 = try Sign1(decoding: message, tagging: .required)
            header = try COSEHeader(decoding: message, at: sign1.protected) { (count, reader) throws(CBORError) in
                try reading.read(message, count, &reader)
            }
        } catch {
            throw reading.wrongType ?? .cose(error)
        }
        if sign1.unprotected.count != 1 { throw .unprotectedHeader }
        if header.hasUnknown { throw .unknownParameter }
        guard let algorithm = header.algorithm else { throw .cose(.missingAlgorithm) }
        guard let contentType = header.contentType else { throw .missing(COSEHeader.Label.contentType) }
        guard let keyID = header.keyID else { throw .missing(COSEHeader.Label.keyID) }
        if keyID.count != 8 { throw .cose(.badParameter(COSEHeader.Label.keyID)) }
        if case nil = header.claims { throw .missing(COSEHeader.Label.claims) }
        self.algorithm = algorithm
        self.contentType = contentType
        let hint = message.extracting(keyID).bytes
        self.keyID = KeyID(UInt64(bigEndian: hint.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self)))
        x5chain = header.x5chain

        if let refusal = reading.refusal { throw refusal }
        guard let issuer = reading.issuer else { throw .missing(ClaimLabel.issuer) }
        if !reading.isComplete { throw .missing(ClaimLabel.martlet) }
        if !PartyName.isValid(message.extracting(issuer)) { throw .badClaim(ClaimLabel.issuer) }
        if let audience = reading.audience, !PartyName.isValid(message.extracting(audience)) {
            throw .badClaim(ClaimLabel.audience)
        }
        // Of the purposes only a birth introduces a key.
        if !x5chain.isEmpty && reading.claims.purpose != .birth { throw .cose(.badParameter(COSEHeader.Label.x5chain)) }
        self.issuer = issuer
        audience = reading.audience
        claims = reading.claims
    }

    /// Verifies that `key` signed this message for `purpose`, which the caller knows from where it arrived.
    /// Gives the message's hash.
    public func verify(
        _ message: Span<UInt8>, as purpose: Purpose, with key: any Verifier, hashing: any Hashing,
        structure: inout SigStructure
    ) throws(EnvelopeError) -> Digest {
        if claims.purpose != purpose { throw .wrongPurpose }
        if algorithm != key.algorithm { throw .cose(.unsupportedAlgorithm) }
        do throws(COSEError) {
            let context = purpose.context
            let external = Span(_unsafeStart: context.utf8Start, count: context.utf8CodeUnitCount)
            return try sign1.verifyBytes(
                message, external: external, with: key, hashing: hashing, structure: &structure)
        } catch {
            throw .cose(error)
        }
    }

    /// A buffer for `verify`.
    public static func makeStructure() -> SigStructure { SigStructure(limit: maximumSize + 32) }
}

/// The claims while they are read.
private struct ClaimsReading {
    var issuer: Range<Int>?
    var audience: Range<Int>?
    var claims = Claims(purpose: .birth)
    /// Whether the claim was there that says the purpose.
    var isComplete = false
    var refusal: EnvelopeError?
    /// Good CBOR was read, but not what the protocol prescribes.
    var wrongType: EnvelopeError?

    mutating func read(_ message: Span<UInt8>, _ count: Int, _ reader: inout CBORReader) throws(CBORError) {
        do throws(CBORError) {
            for _ in 0..<count { try readClaim(message, &reader) }
        } catch {
            if case .unexpected = error { wrongType = .claims(error) }
            throw error
        }
    }

    private mutating func readClaim(_ message: Span<UInt8>, _ reader: inout CBORReader) throws(CBORError) {
        switch try reader.integer() {
        case ClaimLabel.issuer: issuer = try reader.text()
        case ClaimLabel.audience: audience = try reader.text()
        case ClaimLabel.expires: claims.expires = try seconds(&reader)
        case ClaimLabel.notBefore: claims.notBefore = try seconds(&reader)
        case ClaimLabel.issuedAt: claims.issuedAt = try seconds(&reader)
        case ClaimLabel.id: claims.id = try reader.bytes16(message)
        case ClaimLabel.nonce: claims.nonce = try reader.bytes16(message)
        case ClaimLabel.uptime: claims.uptime = try reader.unsigned()
        case ClaimLabel.martlet: try readMartlet(message, &reader)
        default:
            refusal = .unknownClaim
            try reader.skip()
        }
    }

    /// A NumericDate: an integer, not before 1970 and far from overflow in any arithmetic.
    private func seconds(_ reader: inout CBORReader) throws(CBORError) -> UInt64 {
        let at = reader.offset
        let value = try reader.unsigned()
        if value > 1 << 40 { throw .unexpected(at: at) }
        return value
    }

    private mutating func readMartlet(
        _ message: Span<UInt8>, _ reader: inout CBORReader
    ) throws(CBORError) {
        isComplete = true
        try reader.array(exactly: 6)
        let purpose = Purpose(rawValue: UInt8(clamping: try reader.unsigned()))
        if let purpose { claims.purpose = purpose } else { refusal = .badClaim(ClaimLabel.martlet) }
        if try !reader.isNull() {
            claims.lane = Lane(rawValue: UInt8(clamping: try reader.unsigned()))
            if claims.lane == nil { refusal = .badClaim(ClaimLabel.martlet) }
        }
        if try !reader.isNull() { claims.sequence = try reader.unsigned() }
        if try !reader.isNull() { claims.previous = try reader.head(message) }
        if try !reader.isNull() {
            claims.clock = ClockState(rawValue: UInt8(clamping: try reader.unsigned()))
            if claims.clock == nil { refusal = .badClaim(ClaimLabel.martlet) }
        }
        if try !reader.isNull() {
            try reader.array(exactly: 2)
            claims.boot = BootTime(id: try reader.bytes16(message), milliseconds: try reader.unsigned())
        }
    }
}
