// SPDX-License-Identifier: Apache-2.0

/// How a part of an audit log stands to what was seen of the log before.
public enum AuditVerdict: Equatable, Sendable {
    /// Its entries follow what was seen, or begin the log.
    case linked
    /// The first that is seen of this log, which is older; nothing is known of the entries before.
    case beginning
    /// A head alone, whose entries are still to come.
    case announced
    /// Nothing that was not seen before.
    case repeated
    /// It follows after entries that are missing.
    case hole(first: UInt64, last: UInt64)
    /// As linked, and an entry says that those of the last hole, or of one before this part, were given up.
    case givenUp(first: UInt64, last: UInt64)
    /// Another entry with this index was seen: the device's state was copied or restored, or its key is used elsewhere.
    case fork(index: UInt64)
    /// It ends, or a part of it does, below what was seen: the device's state was rolled back, or an old message came
    /// again. If the device says so itself in an entry of kind `rolledBack`, it was the former.
    case rolledBack
    /// It contradicts itself: the log was damaged or forged. The index is the first that is not as it must be; of
    /// several entries that were exchanged at the beginning it may be the last.
    case broken(index: UInt64, AuditFlaw)
}

/// What is wrong with an entry of a log.
public enum AuditFlaw: Equatable, Sendable {
    case notAnEntry(AuditError)
    /// There is none with this index.
    case missing
    /// An entry that does not belong there: another index, or the same one again.
    case outOfPlace
    /// It does not name the hash of the entry before.
    case unlinked
    /// Its hash is not the one that the entry after it, or the signed head, names.
    case changed
    /// It follows after the signed head.
    case beyondHead
}
