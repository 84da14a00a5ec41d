// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR
public import MartletCOSE

/// Why bytes are not a Martlet envelope.
public enum EnvelopeError: Error, Equatable {
    /// Not a COSE_Sign1 that we accept, or its signature does not hold.
    case cose(COSEError)
    /// The claims are not the CBOR that the protocol prescribes.
    case claims(CBORError)
    /// The unprotected header is not empty: all of it could be changed on the way.
    case unprotectedHeader
    /// A header parameter that the protocol does not have.
    case unknownParameter
    /// A header parameter or claim that must be there is not.
    case missing(Int64)
    /// A claim that the protocol does not have.
    case unknownClaim
    /// A claim with a value that it cannot have.
    case badClaim(Int64)
    /// The purpose is not the one that belongs to the place where the message arrived.
    case wrongPurpose
    /// More bytes than the limit of an envelope.
    case tooLarge(limit: Int)
}
