// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not the CBOR that Martlet accepts, or why an item could not be written.
/// `at` is the offset of the first byte of the item concerned.
public enum CBORError: Error, Equatable {
    /// The input ends inside the item, or before the children that it declares.
    case truncated(at: Int)
    /// An integer, length or float that has a shorter form, or a NaN other than f97e00 (RFC 8949 section 4.2.1).
    case notShortest(at: Int)
    /// Indefinite-length items, and the break that ends them, are not deterministic.
    case indefiniteLength(at: Int)
    /// Additional information 28 to 30, 31 where it has no meaning, or a two-byte simple value below 32.
    case reserved(at: Int)
    /// More than 16 arrays, maps and tags are open at once.
    case tooDeep(at: Int)
    /// A map key that sorts before its predecessor, by the bytes of their encoding.
    case keyOrder(at: Int)
    /// A map key that occurs twice.
    case duplicateKey(at: Int)
    /// A text string that is not UTF-8.
    case notUTF8(at: Int)
    /// A well-formed item, but not of the type, length or count that was asked for.
    case unexpected(at: Int)
    /// Bytes follow the last item.
    case trailingBytes(at: Int)
    /// `finish` was called while an array, map or tag still waits for children.
    case unfinished(at: Int)
    /// The writer's buffer is too small for what was written.
    case noSpace
}
