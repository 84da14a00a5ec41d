// SPDX-License-Identifier: Apache-2.0

/// Why bytes are no DNS message. Offsets count from the beginning of the message.
public enum DNSError: Error, Equatable {
    /// More than `DNSMessage.limit` bytes.
    case tooLong
    /// The message ends inside what begins at `at`; also if a count or length promises more than there is.
    case truncated(at: Int)
    /// The label's first two bits are 01 or 10 (RFC 6891 section 5).
    case badLabel(at: Int)
    /// The compression pointer leads into the header, or not before the labels that it ends.
    case badPointer(at: Int)
    /// The name beginning at `at` needs more than `DNSName.pointerLimit` pointers.
    case tooManyPointers(at: Int)
    /// The name beginning at `at` is longer than 255 bytes.
    case nameTooLong(at: Int)
    /// The data of the record beginning at `at` does not have the length of its type, or that of its parts.
    case badData(at: Int)
    /// Bytes follow the last record.
    case trailingBytes(at: Int)
}
