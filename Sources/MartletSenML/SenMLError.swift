// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR

/// Why bytes are not a SenML pack that Martlet accepts.
/// `at` is the offset of the field concerned, or of its record if the whole record is.
public enum SenMLError: Error, Equatable {
    /// Not deterministic CBOR, or a field of another type than RFC 8428 section 6 gives it. Decimal fractions are
    /// refused too.
    case cbor(CBORError)
    /// A pack without records.
    case emptyPack
    /// A version that is 0, above 10, or not that of the records before.
    case version(at: Int)
    /// A base name and name that together are missing, too long, or hold characters that section 4.5.1 forbids.
    case name(at: Int)
    /// A unit that is not 1 to 16 visible ASCII characters.
    case unit(at: Int)
    /// A number that is NaN or infinite, or becomes so when its base is added.
    case notFinite(at: Int)
    /// A record with neither a value nor a sum.
    case noValue(at: Int)
    /// A record with a second value.
    case secondValue(at: Int)
    /// A label that ends in _ and so must be understood, or that is neither an integer nor text.
    case label(at: Int)
}
