// SPDX-License-Identifier: Apache-2.0

/// One data item head, as `CBORReader.next()` meets it. Containers and tags announce children that follow.
public enum CBORItem: Equatable, Sendable {
    case unsigned(UInt64)
    /// The integer -1 - n, which may be below `Int64.min`.
    case negative(UInt64)
    /// Where the content of a byte string lies in the input.
    case bytes(Range<Int>)
    /// Where the content of a text string lies in the input; it is valid UTF-8.
    case text(Range<Int>)
    /// The number of elements that follow.
    case array(Int)
    /// The number of key and value pairs that follow.
    case map(Int)
    /// The tag of the one item that follows.
    case tag(UInt64)
    case bool(Bool)
    case null
    case undefined
    /// A simple value without a meaning here: 0 to 19, or 32 to 255.
    case simple(UInt8)
    case float(Double)
}
