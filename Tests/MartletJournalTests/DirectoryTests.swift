// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletAdapters
import MartletJournal
import MartletPosix
import Testing

@Suite final class DirectoryTests {
    let path = FileManager.default.temporaryDirectory.appending(path: "martlet-journal-\(UUID().uuidString)").path
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func journal(_ size: Int = 4096, history: Int = 262_144) throws -> Journal {
        let directory = try PrivateDirectory(creating: path)
        let master = try MasterKey.open(directory)
        let keys = try OpenSSLSegmentKeys(master: master.span)
        return Journal(
            storage: DirectoryStorage(directory), keys: keys, device: text("device-1"), stream: 1, segmentSize: size,
            historySize: history)
    }

    func files() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }

    @Test func `what was committed is there in the next run, and only the live part of it`() throws {
        var journal = try journal()
        #expect(try Found(journal) == Found(records: []))
        for number in 1...200 {
            try journal.commit([text("record \(number)"), []]) { [text("state \(number - 1)")] }
        }
        journal = try self.journal()
        let found = try Found(journal)
        #expect(found.damage == 0 && found.records.count < 200)
        #expect(found.records[0].hasPrefix("state "))
        #expect(found.records.suffix(2) == ["record 200", ""])
        let history = try journal.historyTexts().filter { $0.hasPrefix("record") }
        #expect(history == (1...200).map { "record \($0)" })
    }
}
