// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletCOSE
import MartletController
import MartletMessages
import MartletPosix
import TestSupport
import Testing

/// A command that the broker delivers again since its PUBACK was lost, with every shape that a PUBLISH can have.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RedeliveryTests {
    struct Shape: CustomTestStringConvertible, Sendable {
        let dup: Int
        let id: String
        var testDescription: String { "DUP \(dup), \(id) packet id" }
    }

    static let shapes = [0, 1].flatMap { dup in ["same", "new"].map { Shape(dup: dup, id: $0) } }

    /// The relay passed the command twice, the second time in this shape.
    private func check(_ passed: [String], _ shape: Shape) throws {
        try #require(passed.count == 2)
        let id = try #require(passed[0].split(separator: "=").last.flatMap { Int($0) })
        #expect(passed[0] == "command dup=0 id=\(id) as dup=0 id=\(id)")
        // The broker itself repeats with DUP and the same id.
        let own = shape.id == "same" ? id : id + 30_000
        #expect(passed[1] == "command dup=1 id=\(id) as dup=\(shape.dup) id=\(own)")
    }

    @Test("CMD-03 a command whose PUBACK was lost with the connection is executed once", arguments: shapes)
    func lost(_ shape: Shape) throws {
        let bench = try Bench()
        let relay = try CommandRelay(bench)
        defer { relay.stop() }
        let calls = Guarded(0)
        let device = try bench.device()
        try device.onCommand("count") { _ in
            calls.with { $0 += 1 }
            return .done
        }
        try bench.startResumed(device)
        try relay.order("acks off")
        let command = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        try relay.order("as \(shape.dup) \(shape.id)")
        try relay.order("acks on")
        try relay.order("cut")
        try bench.waitForLog("command refused: replayed")
        try check(relay.passed(2), shape)
        #expect(calls.with { $0 } == 1)
        try relay.order("as is")
        let control = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: control).outcome == .done)
        #expect(calls.with { $0 } == 2)
        // A receipt that lost its own PUBACK with the connection comes again, as the same message.
        var seen: [Digest] = []
        let messages = bench.backEnd.state.with { $0.messages }.filter { message in
            defer { seen.append(message.digest) }
            return !seen.contains(message.digest)
        }
        let receipts = messages.compactMap { if case .receipt(let receipt) = $0.content { receipt } else { nil } }
        #expect(receipts.map(\.command) == [command.id, control.id])
        device.stop()
    }

    @Test("CMD-03 a command whose PUBACK was lost with the process is executed once in both runs", arguments: shapes)
    func killed(_ shape: Shape) throws {
        let bench = try Bench()
        let relay = try CommandRelay(bench)
        defer { relay.stop() }
        let first = try bench.process()
        defer { first.stop() }
        try first.waitForOutput("resumed this run", seconds: 30)
        try relay.order("acks off")
        let command = try bench.backEnd.command("count")
        try first.waitForOutput("obeyed", seconds: 30)
        first.stop()
        try relay.order("as \(shape.dup) \(shape.id)")
        try relay.order("acks on")
        let second = try bench.process()
        defer { second.stop() }
        try check(relay.passed(2), shape)
        // Its challenge ended with the process.
        let answer = try bench.backEnd.receipt { $0.command == command.id && $0.outcome != .done }
        #expect(answer.outcome == .stale && answer.challenge != nil)
        try second.waitForOutput("resumed this run", seconds: 30)
        let control = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: control).outcome == .done)
        #expect((first.output + second.output).components(separatedBy: "obeyed").count - 1 == 2)
    }
}
