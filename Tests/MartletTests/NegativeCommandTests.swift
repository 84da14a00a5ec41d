// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletPosix
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct NegativeCommandTests {
    @Test("CMD-01 what must not be obeyed is not, and is counted or answered by its own code: by real messages")
    func table() throws {
        let bench = try Bench(operatorKind: .p256)
        let backEnd = try #require(bench.backEnd)
        var earlier: [UInt8] = []
        for row in negativeCommands {
            let calls = Mutex(0)
            bench.log.with { $0 = [] }
            backEnd.state.with { $0.messages = [] }
            // A run for each, so that its budgets are full and its first refusal is told at once.
            let device = try bench.device()
            defer { device.stop() }
            try device.onCommand("set-interval", .integer(1...3600)) { _ in
                calls.withLock { $0 += 1 }
                return .done
            }
            try bench.startResumed(device)
            try device.report("temperature", 1)
            let forger = try Forger(bench, earlierChallenge: earlier)
            earlier = forger.challenge
            let message = try row.message(forger)
            let obeyed = calls.withLock { $0 }
            let answers = backEnd.state.with { backEnd.receipts($0).count }

            backEnd.publish(topic: row.topic, message)
            // The positive control: the broker delivers it after the other.
            let control = forger.parts()
            _ = try forger.obeyed(control)
            #expect(calls.withLock { $0 } == obeyed + 1, "\(row.why): it was obeyed")

            let receipts = backEnd.state.with { Array(backEnd.receipts($0).dropFirst(answers)) }
            var expected: [Outcome] = [.done]
            if case .answered(let outcome) = row.verdict { expected.insert(outcome, at: 0) }
            #expect(receipts.map(\.outcome) == expected, "\(row.why)")
            for receipt in receipts {
                #expect((receipt.outcome == .stale) == (receipt.challenge != nil), "\(row.why)")
            }
            if case .dropped(let refusal) = row.verdict {
                let values = try backEnd.event(.refusals).values
                #expect(values == [Event.Value(code: UInt64(refusal.rawValue), number: 1)], "\(row.why)")
                try bench.waitForLog("command refused: \(refusal.text)")
            } else {
                #expect(device.status.refusedMessages == 0, "\(row.why)")
            }
        }
        #expect(backEnd.state.with { $0.refused }.isEmpty)
    }

    @Test("CMD-01 the table is long enough, and reaches every code that a single message can have")
    func coverage() {
        #expect(negativeCommands.count >= 25)
        // The others are for what the broker kept, for floods, for servers that wait for trusted time, and for trust
        // documents.
        let others: [Refusal] = [
            .retained, .overBudget, .provisionalLink, .wrongVersion, .belowThreshold, .badDocument,
        ]
        for refusal in Refusal.allCases where !others.contains(refusal) {
            #expect(negativeCommands.contains { $0.verdict == .dropped(refusal) }, "\(refusal)")
        }
    }
}
