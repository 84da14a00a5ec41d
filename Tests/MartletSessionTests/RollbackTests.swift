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

/// A device whose disk was replaced by an older copy, before a command that may be run again ended.
private struct RolledBack {
    let device: TestDevice
    /// What the back end has.
    let heads: LaneHeads
    let journal: ChainHead?
    /// The highest run that it was told.
    let run: UInt64
    let document: [UInt8]

    /// `keepsHeads`: whether the back end tells the heads of lanes.
    init(keepsHeads: Bool = true) throws {
        let declaration = try #require(
            CommandDeclaration(name: bytes("set-interval"), parameters: [.integer(1...3600)], isIdempotent: true))
        device = try resumed { $0.commands = [declaration] }
        try device.send()
        let old = device.disk.image
        device.finish()
        document = try device.trust.message(
            device.trust.document(version: 2, [device.gateway, device.operator], commands: [declaration.name]))
        for _ in 0..<4 {
            try device.restart()
            device.connect()
            #expect(try device.resume())
            #expect(device.report(1))
            device.acknowledgeAll()
        }
        var heads = LaneHeads()
        if keepsHeads { heads[.normal] = device.engine.lane.head }
        self.heads = heads
        let newest = try #require(device.newestBirth)
        (journal, run) = (newest.journal, newest.run)
        device.disk.restore(old)
        try device.restart()
        device.connect()
        device.acknowledgeAll()
        #expect(try #require(device.newestBirth).run < run)
    }

    /// The back end answers the newest birth.
    func resume(time: UInt64? = nil, leastTrustVersion: UInt64 = 0) throws {
        let birth = try #require(device.newestBirth)
        let resume = Resume(
            time: time ?? UInt64(clamping: device.now.system / 1000), journal: journal,
            leastTrustVersion: leastTrustVersion, heads: heads)
        _ = device.deliver(try device.gateway.resume(resume, birth.challenge), as: .resume)
    }
}

@Suite struct RollbackTests {
    @Test("CMD-06 the run of a rolled-back device is raised when the disk takes it, and no birth says so before")
    func failingDisk() throws {
        let world = try RolledBack()
        let device = world.device
        let before = device.engine.run
        device.disk.isFull(true)
        try world.resume()
        device.acknowledgeAll()
        device.disconnect()
        device.connect()
        device.acknowledgeAll()
        device.wait(Engine.flushRetry)
        #expect(device.births.allSatisfy { $0.run == before })
        device.disk.isFull(false)
        device.wait(Engine.flushRetry)
        let raised = try #require(device.newestBirth).run
        #expect(raised > world.run && device.owner.commands.isEmpty)
        try device.cutPower(.losesAll)
        #expect(device.engine.run == raised + 1)
    }

    @Test(
        "CMD-06 wherever the power goes, the run of a rolled-back device gets above all, and nothing runs again",
        arguments: [false, true])
    func powerCuts(_ keepsHeads: Bool) throws {
        var (raisedAtOnce, raisedLater) = (0, 0)
        for cut in [SimulatedDisk.Cut.keepsAll, .losesAll] {
            for step in 0..<24 {
                let world = try RolledBack(keepsHeads: keepsHeads)
                let device = world.device
                device.disk.cutAfter = device.disk.steps + step
                try world.resume()
                let told = device.births.map(\.run)
                #expect(device.owner.commands.isEmpty)
                try device.cutPower(cut)
                if device.engine.run > world.run { raisedAtOnce += 1 } else { raisedLater += 1 }
                #expect(device.engine.run > told.max() ?? 0, "step \(step)")
                device.connect()
                device.acknowledgeAll()
                try world.resume()
                device.acknowledgeAll()
                #expect(try #require(device.newestBirth).run > world.run, "step \(step)")
                #expect(device.owner.commands.isEmpty, "step \(step)")
                try device.send()
                #expect(device.owner.commands.count == 1, "step \(step)")
                #expect(device.report(1))
                let last = try #require(device.sent(.telemetry).last).envelope.claims.sequence
                #expect(last ?? 0 > world.heads[.normal]?.sequence ?? 0)
            }
        }
        #expect(raisedAtOnce > 0 && raisedLater > 0)
    }

    @Test(
        "CMD-05 a rolled-back device that waits for a newer trust document runs nothing again when it is there",
        arguments: [false, true])
    func olderDocument(_ isCut: Bool) throws {
        let world = try RolledBack()
        let device = world.device
        try world.resume(leastTrustVersion: 2)
        #expect(!device.engine.isResumed)
        device.acknowledgeAll()
        var outcomes = device.receipts.map(\.outcome)
        if isCut {
            try device.cutPower(.losesAll)
            device.connect()
            device.acknowledgeAll()
            outcomes += device.receipts.map(\.outcome)
        }
        #expect(device.deliver(world.document, as: .trust))
        device.acknowledgeAll()
        try world.resume(leastTrustVersion: 2)
        device.acknowledgeAll()
        #expect(device.engine.isResumed && device.owner.commands.isEmpty && Set(outcomes) == [.interrupted])
    }

    @Test("AUD-02 after a rollback the log goes on after what the back end has seen, with the entry that says so")
    func auditLog() throws {
        let world = try RolledBack()
        let seen = try #require(world.journal)
        try world.resume()
        world.device.engine.flush(world.device.now)
        let entries = try #require(world.device.run.state.untold(count: 64, size: 15_000))
            .map { try AuditEntry(decoding: $0.span) }
        let place = try #require(entries.firstIndex { $0.index > seen.sequence })
        #expect(entries[place].index == seen.sequence + 1 && entries[place].previous == seen.digest)
        let after = entries[place...].compactMap(\.kind)
        #expect(after.starts(with: [.rolledBack, .rolledBack, .ended]) && after.contains(.started))
        #expect(entries[..<place].allSatisfy { $0.kind != .rolledBack && $0.kind != .ended })
    }

    @Test("CMD-06 the run is raised by the lower bound of time, if the back end's is not believed")
    func withoutTime() throws {
        let device = try connected { $0.clock = ManualClock(system: 0) }
        var heads = LaneHeads()
        heads[.normal] = ChainHead(sequence: device.engine.lane.next, digest: digest(1))
        #expect(try device.resume(time: 1, heads: heads))
        #expect(device.engine.clock.state(device.now) != .trusted)
        #expect(device.engine.run == UInt64(device.settings.buildTime / 1000) << 20)
    }

    @Test("CMD-06 after damage the first resume of a run raises it above what an earlier raise can have made of it")
    func damaged() throws {
        let world = try RolledBack()
        let device = world.device
        try world.resume()
        let raised = device.engine.run
        #expect(raised > 1 << 40)
        device.disk.restore([(name: device.disk.image[0].name, bytes: [1, 2, 3])])
        try device.restart()
        device.connect()
        device.acknowledgeAll()
        #expect(device.run.state.damage > 0 && device.engine.run < raised)
        device.settings.clock.advance(1000)
        #expect(try device.resume())
        let next = try #require(device.newestBirth).run
        #expect(next > raised)
        #expect(try device.resume() && device.engine.run == next)
        try device.cutPower(.losesAll)
        device.connect()
        #expect(try device.resume() && device.engine.run == next + 1)
    }
}
