// SPDX-License-Identifier: Apache-2.0

import MartletJournal
import MartletTestKit
import Testing

@Suite struct SpoolPowerTests {
    private typealias Result = (wrong: String?, steps: Int, restartSteps: Int)

    /// Runs a scenario with the power cut at a step, nil for nowhere, and at a step of the restart.
    private func run(
        _ scenario: SpoolScenario, cut: Int?, loss: SimulatedDisk.Cut, second: Int? = nil, seed: UInt64,
        syncsContent: Bool = true
    ) throws -> Result {
        let run = try SpoolRun(seed: seed)
        run.disk.syncsContent = syncsContent
        run.session(scenario.before)
        let start = run.disk.steps
        run.disk.cutAfter = cut.map { start + $0 }
        run.session(scenario.body)
        let restart = run.disk.steps
        run.disk.restart(loss)
        run.disk.cutAfter = second.map { restart + $0 }
        run.session { (run) throws(JournalError) in
            run.send(2)
            run.append(2)
            try run.commit()
        }
        let end = run.disk.steps
        run.disk.restart(loss)
        run.finish()
        return (run.wrong, restart - start, end - restart)
    }

    private func sweep(
        _ scenario: SpoolScenario, syncsContent: Bool = true
    ) throws -> (wrong: Int, cuts: Int, first: String?) {
        let steps = try run(scenario, cut: nil, loss: .keepsAll, seed: 0).steps
        var result = (wrong: 0, cuts: 0, first: nil as String?)
        for cut in 0...steps {
            for loss in SimulatedDisk.Cut.allCases {
                for seed in loss == .random ? 1...4 : 1...1 as ClosedRange<UInt64> {
                    let wrong = try run(scenario, cut: cut, loss: loss, seed: seed, syncsContent: syncsContent).wrong
                    result.cuts += 1
                    guard let wrong else { continue }
                    result.wrong += 1
                    result.first = result.first ?? "cut \(cut), \(loss), seed \(seed): \(wrong)"
                }
            }
        }
        return result
    }

    @Test("PWR-01 after a power cut at any step, what was committed is sent, in order", arguments: SpoolScenario.all)
    func singleCuts(_ scenario: SpoolScenario) throws {
        let result = try sweep(scenario)
        print("# PWR-01 spool, \(scenario.name): \(result.cuts) cuts")
        #expect(result.wrong == 0, "\(result.wrong) cuts; \(result.first ?? "")")
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
        print("# PWR-01 spool, append: \(cuts) double cuts")
        #expect(cuts > 1000)
    }

    @Test func `a disk that does not sync is found out`() throws {
        let result = try sweep(.append, syncsContent: false)
        print("# twin, spool on a disk that does not sync: \(result.wrong) of \(result.cuts) cuts broke a promise")
        #expect(result.wrong > 0)
    }
}
