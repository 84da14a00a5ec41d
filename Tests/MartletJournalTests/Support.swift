// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletJournal

func text(_ string: String) -> [UInt8] { Array(string.utf8) }

/// What a recovery delivered.
struct Found: Equatable {
    /// Records since the last snapshot began, as text.
    var records: [String] = []
    var isEmpty = true
    var damage = 0

    init(records: [String], isEmpty: Bool? = nil, damage: Int = 0) {
        (self.records, self.isEmpty, self.damage) = (records, isEmpty ?? records.isEmpty, damage)
    }

    init(_ journal: Journal) throws(JournalError) {
        var records: [String] = []
        let recovery = try journal.recover { bytes, isFirst in
            if isFirst { records = [] }
            records.append(String(decoding: bytes.withUnsafeBufferPointer { Array($0) }, as: UTF8.self))
        }
        (self.records, isEmpty, damage) = (records, recovery.isEmpty, recovery.damage)
    }
}

extension Journal {
    func historyTexts() throws(JournalError) -> [String] {
        var records: [String] = []
        try history { bytes in
            records.append(String(decoding: bytes.withUnsafeBufferPointer { Array($0) }, as: UTF8.self))
        }
        return records
    }
}
