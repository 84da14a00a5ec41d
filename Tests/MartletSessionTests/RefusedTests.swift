// SPDX-License-Identifier: Apache-2.0

import MartletAudit
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletState
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

/// What the broker will never take is told by smaller messages.
@Suite struct RefusedTests {
    /// How the broker says so.
    enum Refusal: CaseIterable { case limit, reasonCode }

    private func note(_ count: Int, _ device: TestDevice) {
        for index in 0..<count {
            let time = AuditTime(run: 1, boot: 1, seconds: nil, clock: .untrusted)
            device.run.state.note(.connection, [.number(1), .number(UInt64(index))], time)
        }
    }

    private func checkpoints(_ messages: [TestDevice.Signed]) throws -> [Checkpoint] {
        try messages.filter { $0.leaf == .signed(.checkpoint) }.map { try Checkpoint(decoding: $0.payload.span) }
    }

    /// Takes what the device sends, but for checkpoints that `isTaken` is false for; returns the others.
    private func take(
        from device: TestDevice, for time: UInt64, _ isTaken: (Checkpoint) -> Bool
    ) throws -> [Checkpoint] {
        var taken: [TestDevice.Signed] = []
        let end = device.now.boot + time
        device.wait(0)
        while true {
            while let next = device.link.unacknowledged.first {
                let message = device.open(next)
                let isRefused = try checkpoints(message.map { [$0] } ?? []).contains { !isTaken($0) }
                if let message, !isRefused { taken.append(message) }
                #expect(device.acknowledge(isRefused ? 0x99 : 0))
                device.wait(0)
            }
            guard let due = device.engine.due, due <= end else { return try checkpoints(taken) }
            #expect(device.waitUntilDue())
        }
    }

    private func verdicts(_ checkpoints: [Checkpoint], _ device: TestDevice) -> [AuditVerdict] {
        var walk = AuditWalk()
        return checkpoints.map {
            walk.take($0.entries, upTo: $0.head, hashing: device.trust.root.hashing).verdict
        }
    }

    @Test("AUD-03 a checkpoint that is refused is told in smaller ones, without a hole", arguments: Refusal.allCases)
    func smallerCheckpoints(_ refusal: Refusal) throws {
        let device = try connected()
        note(60, device)
        if refusal == .limit { device.link.maximumSize = 1500 }
        #expect(try device.resume())
        let taken = try take(from: device, for: 60_000) { refusal == .limit || $0.entries.count <= 10 }
        #expect(verdicts(taken, device).allSatisfy { $0 == .linked })
        #expect(taken.reduce(0) { $0 + $1.entries.count } > 60 && device.run.state.untoldCount == 0)
        // The limit holds for the connection, and for no other.
        note(20, device)
        let rest = try take(from: device, for: 60_000) { _ in true }
        #expect(rest.count > 1 && rest.allSatisfy { $0.entries.count < 20 })
        device.link.maximumSize = .max
        device.disconnect()
        note(20, device)
        device.connect()
        #expect(try device.resume())
        #expect(try take(from: device, for: 60_000) { _ in true }.first?.entries.count ?? 0 > 20)
    }

    @Test func `AUD-03 entries that the broker does not take alone are named, and the others are told`() throws {
        let device = try connected()
        note(20, device)
        #expect(try device.resume())
        let taken = try take(from: device, for: 3 * Engine.checkpointPause) { checkpoint in
            !(10...11).contains { index in
                checkpoint.entries.contains { (try? AuditEntry(decoding: $0.span).index) == index }
            }
        }
        let verdicts = verdicts(taken, device)
        #expect(verdicts.filter { $0 != .linked } == [.hole(first: 10, last: 11), .givenUp(first: 10, last: 11)])
        #expect(device.run.state.untoldCount == 0)
    }

    @Test func `a broker that takes no checkpoint is asked every ten minutes, and gets everything else`() throws {
        let device = try connected()
        note(60, device)
        #expect(try device.resume())
        #expect(try take(from: device, for: 600_000) { _ in false }.isEmpty)
        let before = device.sent(.checkpoint).count
        #expect(device.report(1))
        #expect(try take(from: device, for: 6 * Engine.checkpointPause) { _ in false }.isEmpty)
        #expect(device.sent(.checkpoint).count == before + 6 && device.spool.count == 0)
    }

    @Test("a receipt that is too large with its results is told without them", arguments: Refusal.allCases)
    func receiptWithoutResults(_ refusal: Refusal) throws {
        let device = try resumed()
        if refusal == .limit { device.link.maximumSize = 600 }
        try device.send()
        device.finish(0, .done, results: [.text([UInt8](repeating: 0x61, count: 1000))])
        if refusal == .reasonCode {
            #expect(device.receipts.map(\.results.count) == [1])
            #expect(device.acknowledge(0x95))
        }
        let receipt = try #require(device.receipts.last)
        #expect(receipt.outcome == .done && receipt.results.isEmpty)
        // One that is refused without results is given up.
        #expect(device.acknowledge(0x95))
        device.wait(0)
        #expect(device.waitingLeaves.isEmpty && !device.engine.hasSomethingToSend)
    }
}
