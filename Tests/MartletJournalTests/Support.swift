// SPDX-License-Identifier: Apache-2.0

import MartletJournal
import MartletTestKit

func text(_ string: String) -> [UInt8] { Array(string.utf8) }

func string(_ bytes: Span<UInt8>) -> String {
    String(decoding: bytes.withUnsafeBufferPointer { Array($0) }, as: UTF8.self)
}

extension Journal {
    /// A small journal on a simulated disk.
    convenience init(
        _ storage: any Storage, _ keys: any SegmentKeys, device: String = "device-1", stream: UInt8 = 1,
        size: Int = 4096, history: Int = 8192
    ) {
        self.init(
            storage: storage, keys: keys, device: text(device), stream: stream, segmentSize: size, historySize: history)
    }

    func historyTexts() throws(JournalError) -> [String] {
        var records: [String] = []
        try history { records.append(string($0)) }
        return records
    }
}

/// What a recovery delivered.
struct Found: Equatable {
    /// Records from the last snapshot on.
    var records: [String] = []
    var isEmpty = true
    var damage = 0

    init(records: [String], damage: Int = 0) {
        (self.records, self.isEmpty, self.damage) = (records, records.isEmpty, damage)
    }

    init(_ journal: Journal) throws(JournalError) {
        var records: [String] = []
        let recovery = try journal.recover { bytes, isFirst in
            if isFirst { records = [] }
            records.append(string(bytes))
        }
        (self.records, isEmpty, damage) = (records, recovery.isEmpty, recovery.damage)
    }
}

/// A record that nobody wrote.
struct Garbage: Error {}

/// What owns a journal: a list of numbers, all of which are its live state.
final class Owner {
    let journal: Journal
    /// In the order in which they were committed.
    private(set) var numbers: [Int] = []
    private(set) var damage = 0
    /// Bytes that each record is long beside its number.
    let filling: String

    /// Recovers.
    init(_ journal: Journal, filling: Int = 0) throws {
        self.journal = journal
        self.filling = String(repeating: "x", count: filling)
        let found = try Found(journal)
        damage = found.damage
        for record in found.records {
            let fields = record.split(separator: " ", omittingEmptySubsequences: false)
            if fields[0] == "state" {
                numbers = fields[1].split(separator: ",").compactMap { Int($0) }
            } else {
                guard fields.count == 3, fields[0] == "number", let number = Int(fields[1]), fields[2] == self.filling
                else { throw Garbage() }
                numbers.append(number)
            }
        }
    }

    /// Acknowledged when it returns.
    func commit(_ number: Int) throws(JournalError) {
        let state = "state " + numbers.map(String.init).joined(separator: ",")
        try journal.commit([text("number \(number) \(filling)")]) { [text(state)] }
        numbers.append(number)
    }
}
