// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletCOSE
import MartletController
import MartletMessages
import MartletPosix
import TestSupport
import Testing

/// Commands that come more than once by exchanges over HTTPS, which know neither retained messages nor DUP.
@Suite(.timeLimit(.minutes(3))) struct HTTPSRedeliveryTests {
    private let calls = Guarded(0)

    /// Started, and answered by the back end. It obeys `count`, and `set`, which may be carried out again. `first` happens
    /// as the first one begins.
    private func device(_ bench: HTTPSBench, _ first: @escaping @Sendable () -> Void = {}) throws -> Device {
        bench.log.with { $0 = [] }
        let (device, calls) = (try bench.device(), calls)
        for (name, isIdempotent) in [("count", false), ("set", true)] {
            try device.onCommand(name, isIdempotent: isIdempotent) { _ in
                let count = calls.with { calls in
                    calls += 1
                    return calls
                }
                if count == 1 { first() }
                return .done
            }
        }
        try bench.startResumed(device)
        return device
    }

    private func obeys(_ bench: HTTPSBench) throws {
        let before = calls.with { $0 }
        let command = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        #expect(calls.with { $0 } == before + 1)
    }

    // MARK: What is retained, with MQTT

    @Test("CMD-02 a command that is in every answer has one effect, over 100 answers and over 100 starts")
    func everyAnswer() throws {
        let bench = try HTTPSBench()
        var device = try device(bench)
        let command = try bench.backEnd.sign("count")
        bench.state.with { $0.repeated = [Exchange.Message(leaf: .signed(.command), bytes: command.message)] }
        for round in 1...100 {
            try device.report("temperature", Double(round))
            _ = try bench.backEnd.waitFor("reading \(round)") { bench.backEnd.readings($0).count >= round ? true : nil }
        }
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        #expect(bench.refusedMessages(device, atLeast: 99) >= 99)
        #expect(calls.with { $0 } == 1)
        for _ in 1...100 {
            device.stop(flushing: 0)
            device = try self.device(bench)
            try bench.waitForLog("command refused: ")
        }
        #expect(calls.with { $0 } == 1)
        let outcomes = Set(bench.backEnd.state.with { bench.backEnd.receipts($0) }.map(\.outcome))
        #expect(outcomes.isSubset(of: [.done, .stale, .notReady]), "\(outcomes)")
        bench.state.with { $0.repeated = [] }
        try obeys(bench)
        device.stop()
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
    }

    @Test("CMD-02 a command that waits for a device that starts later has no effect")
    func laterStart() throws {
        let bench = try HTTPSBench()
        try device(bench).stop()
        let command = try bench.backEnd.command("count")
        let device = try device(bench)
        let receipt = try bench.backEnd.receipt(for: command)
        #expect(receipt.outcome == .stale && receipt.challenge != nil)
        #expect(calls.with { $0 } == 0)
        try obeys(bench)
        device.stop()
    }

    // MARK: What is redelivered

    /// What is lost while a command comes by an exchange that is held.
    enum Loss: String, CaseIterable, Sendable {
        case answer = "the answer, before the device read it"
        case rest = "the answer, from the middle on"
        case confirmation = "the request that says that the answer was taken, with the receipt"
        case acknowledgement = "the answer to the receipt"
    }

    static let rows = Loss.allCases.flatMap { loss in ["count", "set"].map { (loss, $0) } }

    @Test(
        "CMD-03 a command comes again after a loss, has one effect, and its receipt comes until it is acknowledged",
        arguments: rows)
    func loss(_ loss: Loss, name: String) throws {
        let bench = try HTTPSBench(["wait = 50"], throughRelay: true)
        let relay = try #require(bench.relay)
        let state = bench.state
        let device = try device(bench) {
            switch loss {
            case .answer, .rest: break
            // The answer with the command has passed.
            case .confirmation: relay.limit = Proxy.Limit(fromClient: 0)
            case .acknowledgement: state.with { $0.losses = 3 }
            }
        }
        // Then the device has nothing to say for a day.
        _ = try bench.backEnd.waitFor("checkpoint") { $0.envelopes[.checkpoint] }
        _ = try bench.waitFor("held exchange") { $0.held > 0 ? true : nil }
        relay.forget()
        switch loss {
        case .answer: relay.limit = Proxy.Limit(fromBroker: 0)
        // The second record of the answer.
        case .rest: relay.limit = Proxy.Limit(fromBroker: 200)
        case .confirmation, .acknowledgement: break
        }
        let command = try bench.backEnd.command(name)
        try bench.waitForLog("not connected")
        if loss == .answer || loss == .rest { #expect(calls.with { $0 } == 0) }
        relay.limit = Proxy.Limit()
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        // Everything that the back end has was taken.
        _ = try bench.waitFor("empty queue") { $0.queue.isEmpty ? true : nil }
        #expect(calls.with { $0 } == 1)
        let receipts = bench.backEnd.state.with { $0.messages }.filter { message in
            if case .receipt(let receipt) = message.content { receipt.outcome == .done } else { false }
        }
        #expect(Set(receipts.map { $0.digest }).count == 1)
        if loss == .acknowledgement { #expect(receipts.count >= 2) }
        try obeys(bench)
        device.stop()
        #expect(device.status.waitingMessages == 0 && bench.backEnd.state.with { $0.refused }.isEmpty)
    }
}
