// SPDX-License-Identifier: Apache-2.0

import MartletJournal
import MartletTestKit
import Testing

@Suite struct PowerTests {
    /// Cuts a scenario at each of its steps. Gives how many cuts broke a promise, of how many.
    private func sweep(
        _ scenario: Scenario, seeds: ClosedRange<UInt64>, twin: Twin = Twin()
    ) throws -> (wrong: Int, cuts: Int, first: String?) {
        let steps = try run(scenario, cut: nil, loss: .keepsAll, seed: 0).steps
        var result = (wrong: 0, cuts: 0, first: nil as String?)
        for cut in 0...steps {
            for loss in SimulatedDisk.Cut.allCases {
                for seed in loss == .random ? seeds : 1...1 {
                    let wrong = try run(scenario, cut: cut, loss: loss, seed: seed, twin: twin).wrong
                    result.cuts += 1
                    guard let wrong else { continue }
                    result.wrong += 1
                    result.first = result.first ?? "cut \(cut), \(loss), seed \(seed): \(wrong)"
                }
            }
        }
        return result
    }

    @Test("PWR-01 after a power cut at any step, what was acknowledged is there, in order", arguments: Scenario.all)
    func singleCuts(_ scenario: Scenario) throws {
        let result = try sweep(scenario, seeds: 1...8)
        print("# PWR-01 \(scenario.name): \(result.cuts) cuts, seeds 1...8")
        #expect(result.wrong == 0, "\(result.first ?? "")")
        #expect(result.cuts > 100)
    }

    @Test("PWR-01 the same with a second power cut at any step of the restart")
    func doubleCuts() throws {
        let steps = try run(.append, cut: nil, loss: .keepsAll, seed: 0).steps
        var cuts = 0
        for first in 0...steps {
            for loss in SimulatedDisk.Cut.allCases {
                var second = 0
                var isCut = true
                while isCut {
                    let result = try run(.append, cut: first, loss: loss, second: second, seed: UInt64(cuts))
                    #expect(result.wrong == nil, "cuts \(first) and \(second), \(loss), seed \(cuts)")
                    isCut = result.restartSteps == second
                    second += 1
                    cuts += 1
                }
            }
        }
        print("# PWR-01 append: \(cuts) double cuts")
        #expect(cuts > 1000)
    }

    static let twins: [(String, Twin, Scenario)] = [
        ("a disk that does not sync", Twin(disk: { $0.syncsContent = false }), .append),
        ("a directory that is not synced", Twin(disk: { $0.syncsNames = false }), .append),
        (
            "old segments removed before the new one is durable", Twin(storage: { EagerRemoval($0) }),
            Scenario.all[2]
        ),
        ("frames without a tag", Twin(keys: { _ in Unauthenticated() }), Scenario.all[1]),
    ]

    @Test("PWR-01 power cuts at every start leave a bounded number of files")
    func crashLoop() throws {
        let scenario = Scenario(name: "crash loop", commits: 1, history: 20_000)
        for cut in 0..<12 {
            let run = try Run(scenario, seed: UInt64(cut))
            for _ in 0..<100 {
                run.disk.cutAfter = run.disk.steps + cut
                try run.session(commits: 1)
                run.disk.restart()
            }
            try run.finish()
            #expect(run.wrong == nil, "cut \(cut)")
            #expect(run.disk.image.count <= 66)
            #expect(run.disk.image.reduce(0) { $0 + $1.bytes.count } <= 20_000 + 3 * 4096)
        }
    }

    @Test func `history that power cuts kept from being trimmed pushes nothing out`() throws {
        let disk = SimulatedDisk(seed: 1)
        let keys = try TestSegmentKeys(seed: 1)
        for number in 1...8 {
            try Owner(Journal(disk, keys, history: 8192)).commit(number)
            disk.restart(.losesAll)
        }
        let journal = Journal(disk, keys, history: 8192)
        _ = try Found(journal)
        #expect(try journal.historyTexts().contains("number 1 "))
    }

    @Test(arguments: twins.indices)
    func `a broken twin is found out`(index: Int) throws {
        let (name, twin, scenario) = Self.twins[index]
        let result = try sweep(scenario, seeds: 1...2, twin: twin)
        print("# twin, \(name): \(result.wrong) of \(result.cuts) cuts broke a promise")
        #expect(result.wrong > 0, "\(name)")
    }
}

/// Removes all segments when a new one is made.
private final class EagerRemoval: Storage {
    private let disk: SimulatedDisk

    init(_ disk: SimulatedDisk) { self.disk = disk }

    func space() -> (free: UInt64, total: UInt64)? { disk.space() }

    func segments() throws(StorageError) -> [SegmentName] { try disk.segments() }

    func read(_ name: SegmentName, limit: Int) throws(StorageError) -> [UInt8] { try disk.read(name, limit: limit) }

    func create(_ name: SegmentName, size: Int) throws(StorageError) -> any SegmentFile {
        for old in try disk.segments() { try disk.remove(old) }
        return try disk.create(name, size: size)
    }

    func sync(_ name: SegmentName) throws(StorageError) { try disk.sync(name) }

    func trim(_ name: SegmentName, to size: Int) throws(StorageError) {}

    func remove(_ name: SegmentName) throws(StorageError) {}
}
