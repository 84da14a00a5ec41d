// SPDX-License-Identifier: Apache-2.0

import MartletMessages

/// The first byte of a record. Codes are part of the format.
enum RecordKind: UInt8 {
    /// `[floor or null, suspended, told, audit head or null]`
    case facts = 1
    /// `RunState`
    case run = 2
    /// `Ledger.Entry`
    case ledger = 3
    /// A trust document as it was received.
    case trust = 4
    /// An entry of the audit log.
    case entry = 5
    /// SHA-256 of the pinned root that the trust document goes back to.
    case root = 6
    /// `Usage`
    case usage = 7

    static func body(of record: [UInt8]) -> [UInt8] { [UInt8](copying: record.span.extracting(droppingFirst: 1)) }

    func record(_ body: [UInt8]) -> [UInt8] {
        var record = [UInt8](capacity: 1 + body.count) { $0.append(rawValue) }
        record.append(copying: body.span)
        return record
    }
}
