// SPDX-License-Identifier: Apache-2.0

import MartletJournal
import MartletTestKit
import Testing

/// What a program does between two power cuts.
struct Scenario: CustomTestStringConvertible, Sendable {
    var name: String
    var commits: Int
    /// Bytes of each record beside its number.
    var filling = 0
    var size = 4096
    var history = 8192
    /// Commits of an earlier run.
    var before = 0

    var testDescription: String { name }

    static let append = Scenario(name: "append", commits: 10)
    static let all = [
        append,
        Scenario(name: "append, several sectors", commits: 3, filling: 1200, size: 8192),
        Scenario(name: "commit with rotation", commits: 9, filling: 700, history: 1 << 20),
        Scenario(name: "snapshot after a restart", commits: 1, filling: 900, before: 4),
        Scenario(name: "removal of history", commits: 12, filling: 1500, history: 6000),
    ]
}

/// A broken twin: what stands between journal and disk, or how the disk is, so that promises are not kept.
struct Twin: Sendable {
    var storage: @Sendable (SimulatedDisk) -> any Storage = { $0 }
    var keys: @Sendable (TestSegmentKeys) -> any SegmentKeys = { $0 }
    var disk: @Sendable (SimulatedDisk) -> Void = { _ in }
}

/// A program that runs again and again on one disk, and keeps account of what it was promised.
final class Run {
    let disk: SimulatedDisk
    let keys: TestSegmentKeys
    private let scenario: Scenario
    private let twin: Twin
    private let storage: any Storage
    private(set) var acknowledged: [Int] = []
    /// Commits that threw since the last one that did not: one of them may turn up.
    private var doubtful: [Int] = []
    private var next = 1
    /// The first promise that was broken.
    private(set) var wrong: String?

    init(_ scenario: Scenario, seed: UInt64, twin: Twin = Twin()) throws {
        self.scenario = scenario
        self.twin = twin
        disk = SimulatedDisk(seed: seed)
        keys = try TestSegmentKeys(seed: seed)
        twin.disk(disk)
        storage = twin.storage(disk)
    }

    func journal() -> Journal {
        Journal(storage, twin.keys(keys), size: scenario.size, history: scenario.history)
    }

    /// Recovers, compares that with what was promised, and commits. An error of the disk ends it, unless it goes on.
    func session(commits: Int, goesOn: Bool = false) throws {
        let owner: Owner
        do {
            owner = try Owner(journal(), filling: scenario.filling)
        } catch is Garbage {
            return fail("a record that nobody wrote")
        } catch {
            if !disk.isOff && disk.fault == nil { fail("\(error)") }
            return
        }
        compare(owner)
        for _ in 0..<commits {
            doubtful.append(next)
            next += 1
            do throws(JournalError) {
                try owner.commit(next - 1)
                acknowledged.append(next - 1)
                doubtful = []
            } catch {
                if !goesOn { return }
            }
        }
    }

    private func compare(_ owner: Owner) {
        let extra = owner.numbers.dropFirst(acknowledged.count)
        if !owner.numbers.starts(with: acknowledged) || extra.count > 1 || !extra.allSatisfy(doubtful.contains) {
            fail("found \(owner.numbers), acknowledged \(acknowledged), in doubt \(doubtful)")
        }
        if owner.damage > 0 { fail("damage: \(owner.damage)") }
        // It was read from the medium: from now on it must stay.
        acknowledged = owner.numbers
        doubtful = []
    }

    private func fail(_ what: String) { wrong = wrong ?? what }

    /// Recovers twice from the same disk.
    func finish() throws {
        try session(commits: 0)
        let numbers = acknowledged
        try session(commits: 0)
        if acknowledged != numbers { fail("recovered \(numbers), then \(acknowledged)") }
        if disk.image.count > 66 { fail("\(disk.image.count) files") }
        if keys.reusedNonces > 0 { fail("a nonce was used twice") }
    }
}

/// Runs a scenario with the power cut at a step, nil for nowhere, and at a step of the restart. Gives what was broken,
/// and how many steps the scenario and the restart had.
func run(
    _ scenario: Scenario, cut: Int?, loss: SimulatedDisk.Cut, second: Int? = nil, seed: UInt64, twin: Twin = Twin()
) throws -> (wrong: String?, steps: Int, restartSteps: Int) {
    let run = try Run(scenario, seed: seed, twin: twin)
    try run.session(commits: scenario.before)
    let start = run.disk.steps
    run.disk.cutAfter = cut.map { start + $0 }
    try run.session(commits: scenario.commits)
    let restart = run.disk.steps
    run.disk.restart(loss)
    run.disk.cutAfter = second.map { restart + $0 }
    try run.session(commits: 2)
    let end = run.disk.steps
    run.disk.restart(loss)
    try run.finish()
    return (run.wrong, restart - start, end - restart)
}
