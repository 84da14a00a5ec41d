// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR

/// Why bytes are not a COSE_Sign1 message that we accept.
public enum COSEError: Error, Equatable {
    /// Not deterministic CBOR, or not of the shape that RFC 9052 prescribes at this place.
    case malformed(CBORError)
    /// Tag 18 is missing where it is required, present where it is not, or is another tag.
    case wrongTag
    /// The payload travels elsewhere (nil): there is nothing here that was signed.
    case detachedPayload
    /// A signature of ES256 or EdDSA (Ed25519) has 64 bytes.
    case wrongSignatureLength
    /// Header parameter 1 is missing.
    case missingAlgorithm
    /// An algorithm other than ES256 (-7) and EdDSA (-8), or not that of the key.
    case unsupportedAlgorithm
    /// The parameter stands in both headers (RFC 9052 section 3).
    case duplicateParameter(Int64)
    /// `crit` names a parameter that must be understood; we understand none that needs naming.
    case criticalParameter
    /// A parameter with a value that its place does not allow; one of a wrong type is `malformed`.
    case badParameter(Int64)
    /// More bytes than the caller's limit.
    case tooLarge(limit: Int)
    /// The signature is not this key's over these bytes and this context.
    case badSignature
    /// The key could not sign.
    case signingFailed
}
