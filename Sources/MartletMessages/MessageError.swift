// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR

/// Why a payload is not what its purpose prescribes.
public enum MessageError: Error, Equatable {
    /// Not the CBOR that the protocol prescribes.
    case malformed(CBORError)
    /// A member of the map that must be there is not.
    case missing(UInt64)
    /// A member that the protocol does not have.
    case unknown(UInt64)
    /// A member with a value that it cannot have.
    case badValue(UInt64)
}
