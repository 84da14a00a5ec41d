// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR

/// Why bytes are not an entry of the audit log.
public enum AuditError: Error, Equatable {
    /// More than `AuditEntry.maximumSize`.
    case tooLarge
    /// Not the CBOR that the protocol prescribes.
    case malformed(CBORError)
    /// Entries count from 1.
    case badIndex
    /// The first entry names a predecessor, or another one names none.
    case badPrevious
    /// A time with an untrusted clock, one beyond 2^40, or an unknown state of the clock.
    case badTime
    /// Not the values of its kind, which is known.
    case badValues
}
