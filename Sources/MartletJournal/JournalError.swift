// SPDX-License-Identifier: Apache-2.0

/// Why the journal did not do what it was asked for.
public enum JournalError: Error, Equatable {
    /// The storage failed, in the present segment and in a new one.
    case storage(StorageError)
    /// There was no random salt, or the cipher failed.
    case noKeys
    /// The records, or the snapshot with them, do not fit into one segment.
    case tooLarge
    /// Nothing can be written or listed before `recover`, and that is called once.
    case outOfOrder
}
