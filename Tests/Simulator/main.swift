// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletCommands
import MartletMessages
import MartletTestKit

/// Simulates devices in any weather, one for each seed. Exits with 1 if something must not be that was.
struct Settings {
    var seeds: UInt64 = 1000
    var from: UInt64 = 0
    var twin: SimulatedTwin?
    var isVerbose = false

    static let usage = """
        usage: Simulator [--seeds N] [--from S] [--twin NAME] [--seed X] [--verbose]
          --twin   a fault that must be found: \(SimulatedTwin.allCases.map { "\($0.name)" }.joined(separator: ", "))
          --seed   one seed; with --verbose its story
        """

    init?(_ arguments: [String]) {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            if option == "--verbose" {
                isVerbose = true
                continue
            }
            guard let value = rest.popFirst() else { return nil }
            switch option {
            case "--seeds", "--from", "--seed":
                guard let number = UInt64(value) else { return nil }
                switch option {
                case "--seeds": seeds = number
                case "--from": from = number
                default: (from, seeds) = (number, 1)
                }
            case "--twin":
                guard let named = SimulatedTwin.allCases.first(where: { "\($0.name)" == value }) else { return nil }
                twin = named
            default: return nil
            }
        }
    }
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// What happened, and what never did.
func show(_ totals: SimulationTotals) -> [String] {
    var missing: [String] = []
    for event in SimulatedEvent.allCases {
        print("    \(totals[event]) \(event.name)")
        if totals[event] == 0 { missing.append("\(event.name)") }
    }
    for outcome in Outcome.allCases { print("    \(totals.outcomes[Int(outcome.rawValue)]) receipts: \(outcome.text)") }
    for refusal in Refusal.allCases { print("    \(totals.refusals[Int(refusal.rawValue)]) refused: \(refusal.text)") }
    return missing
}

func simulate(_ settings: Settings) -> Int32 {
    var totals = SimulationTotals()
    for seed in settings.from..<settings.from + settings.seeds {
        if seed % 1000 == 0, seed > settings.from {
            // Whatever comes, it is known how far this came.
            print("seeds below \(seed): nothing")
            fflush(nil)
        }
        do {
            let world = try SimulatedWorld(seed: seed, twin: settings.twin)
            try world.run(settings.isVerbose ? { print(text($0)) } : nil)
            totals.add(world.totals)
            guard let problem = world.problem else { continue }
            print("seed \(seed): \(text(problem))")
        } catch {
            print("seed \(seed): \(error)")
        }
        if settings.twin != nil {
            print("found after \(seed - settings.from + 1) seeds")
            return 0
        }
        print("again: Simulator --seed \(seed) --verbose")
        return 1
    }
    let missing = show(totals)
    if settings.twin != nil {
        print("the fault was not found")
        return 1
    }
    print("\(settings.seeds) seeds from \(settings.from): all is well")
    if settings.seeds < 1000 || missing.isEmpty { return 0 }
    print("but these never happened: \(missing.joined(separator: ", "))")
    return 1
}

guard let settings = Settings(Array(CommandLine.arguments.dropFirst())) else {
    print(Settings.usage)
    exit(2)
}
exit(simulate(settings))
