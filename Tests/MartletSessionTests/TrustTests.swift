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

extension [UInt8] {
    fileprivate init(_ digest: Digest) { self = digest.bytes.indices.map { digest.bytes[$0] } }
}

@Suite struct TrustTests {
    /// A document that names these controllers, `version` signed by the device's root.
    private func document(
        _ device: TestDevice, version: UInt64, _ controllers: [TestController]
    ) throws -> [UInt8] {
        try device.trust.message(
            device.trust.document(version: version, controllers, commands: [bytes("set-interval")]))
    }

    @Test func `a document over the network comes into force, is told in a birth, and survives a power cut`() throws {
        let device = try resumed()
        #expect(device.engine.gate.trustVersion == 1)
        #expect(device.deliver(try document(device, version: 2, [device.gateway, device.operator]), as: .trust))
        #expect(device.engine.gate.trustVersion == 2 && device.newestBirth?.trustVersion == 2)
        try device.cutPower(.losesAll)
        #expect(device.engine.gate.trustVersion == 2)
    }

    @Test("CMD-01 a key that a document no longer names commands nothing from then on")
    func revoked() throws {
        let device = try resumed()
        #expect(device.deliver(try document(device, version: 2, [device.gateway]), as: .trust))
        device.acknowledgeAll()
        #expect(try device.resume())
        try device.send()
        #expect(device.owner.commands.isEmpty && device.engine.gate.refusals[.unknownKey] == 1)
    }

    @Test("CMD-01 what waits for its handler when its key is revoked, or the device is suspended, does not begin")
    func revokedWhileWaiting() throws {
        let device = try resumed()
        try device.send()
        try device.send([.integer(5)])
        // One of them goes on.
        #expect(device.deliver(try document(device, version: 2, [device.gateway, device.operator]), as: .trust))
        #expect(device.owner.withdrawn.isEmpty)
        #expect(device.deliver(try document(device, version: 3, [device.gateway]), as: .trust))
        #expect(device.owner.withdrawn == device.owner.commands.map { $0.key })
        device.finish(0, .done)
        device.finish(1, .outOfPolicy)
        device.acknowledgeAll()
        #expect(device.receipts.map { $0.outcome } == [.done, .outOfPolicy])

        var next = device.trust.document(
            version: 4, [device.gateway, device.operator], commands: ["set-interval", "suspend"].map(bytes))
        next.policy[0].rules.append(TrustDocument.Rule(command: bytes("activate"), whileSuspended: true))
        #expect(device.deliver(try device.trust.message(next), as: .trust))
        device.acknowledgeAll()
        #expect(try device.resume())
        try device.send()
        let command = Command(name: bytes("suspend"))
        #expect(device.deliver(try device.operator.command(command, device.challenge), as: .command))
        #expect(device.run.state.isSuspended)
        #expect(device.owner.commands.count == 3)
        #expect(device.owner.withdrawn.last == device.owner.commands[2].key)
    }

    @Test func `after a new document there are no commands until a gateway of it resumes the run`() throws {
        let device = try resumed()
        #expect(device.deliver(try document(device, version: 2, [device.gateway, device.operator]), as: .trust))
        device.acknowledgeAll()
        try device.send()
        device.acknowledgeAll()
        #expect(device.owner.commands.isEmpty && device.receipts.last?.outcome == .notReady)
        #expect(try device.resume())
        try device.send()
        #expect(device.owner.commands.count == 1)
    }

    @Test(
        "CMD-08 a document of another version than the next one changes nothing",
        arguments: [1, 3, 1 << 40] as [UInt64])
    func otherVersion(_ version: UInt64) throws {
        let device = try resumed()
        let other = try document(device, version: version, [device.gateway])
        #expect(device.deliver(other, as: .trust))
        #expect(device.engine.gate.trustVersion == 1 && device.engine.gate.refusals[.wrongVersion] == 1)
        try device.send()
        #expect(device.owner.commands.count == 1)
    }

    @Test func `a document that cannot be made durable is not acknowledged, and not in force`() throws {
        let device = try resumed()
        let next = try document(device, version: 2, [device.gateway])
        device.disk.isFull(true)
        #expect(!device.deliver(next, as: .trust))
        #expect(device.engine.gate.trustVersion == 1)
        device.disk.isFull(false)
        #expect(device.deliver(next, as: .trust))
        #expect(device.engine.gate.trustVersion == 2)
    }

    @Test(
        "CMD-08 another root in the configuration ends the stored document, unless that goes back to it",
        arguments: 0..<3)
    func otherRoot(_ why: Int) throws {
        let device = try resumed()
        #expect(device.deliver(try document(device, version: 2, [device.gateway, device.operator]), as: .trust))
        let old = device.trust
        device.trust = try TestTrust(deviceName: device.name, seed: 77)
        device.document = why == 2 ? try document(device, version: 1, [device.gateway]) : []
        if why == 1 {
            // The roots were replaced from afar; the configuration follows later.
            var next = old.document(version: 3, [device.gateway], commands: [])
            next.roots = device.trust.keys.map { $0.trusted }
            #expect(device.deliver(try old.message(next, by: old.keys + device.trust.keys), as: .trust))
        }
        for _ in 0..<2 {
            try device.cutPower(.losesAll)
            #expect(device.engine.gate.trustVersion == [0, 3, 1][why])
        }
        #expect(device.run.state.root == [UInt8](device.trust.root.digest))
        // The old roots have no say any longer, and the root before does not come back with its document.
        device.connect()
        let last = try old.message(old.document(version: 3, [device.gateway], commands: []))
        #expect(device.deliver(last, as: .trust))
        #expect(device.engine.gate.trustVersion == [0, 3, 1][why])
        if why == 0 {
            #expect(device.deliver(try document(device, version: 7, [device.gateway, device.operator]), as: .trust))
            #expect(device.engine.gate.trustVersion == 7)
        }
    }

    @Test("CMD-08 a device whose configuration has a new root says that it dropped the document of the old one")
    func otherRootIsTold() throws {
        let device = try resumed()
        device.trust = try TestTrust(deviceName: device.name, seed: 77)
        device.document = []
        try device.restart()
        #expect(device.hasLogged("another root is configured: the stored trust document was dropped"))
        device.engine.flush(device.now)
        let entries = try #require(device.run.state.untold(count: 64, size: 15_000)).map {
            try AuditEntry(decoding: $0.span)
        }
        let dropped = try #require(entries.last { $0.kind == .trusted })
        #expect(dropped.values == [.number(0), .bytes([UInt8](repeating: 0, count: 32))])
        try device.restart()
        #expect(!device.hasLogged("another root"))
    }

    @Test("CMD-08 a flood of forged documents delays a good one, and does not keep it away")
    func flood() throws {
        let device = try resumed()
        let good = try document(device, version: 2, [device.gateway, device.operator])
        var forged = good
        forged[forged.count - 1] ^= 1
        for second in 0..<60 as Range<UInt64> {
            for _ in 0..<20 { #expect(device.deliver(forged, as: .trust)) }
            #expect(device.deliver(good, as: .trust))
            #expect(device.engine.gate.trustVersion == 1, "second \(second)")
            device.acknowledgeAll()
            device.wait(1000)
        }
        // It asks, but not more than every ten seconds.
        #expect((5...7).contains(device.births.count - 2), "\(device.births.count)")
        for _ in 0..<20 { #expect(device.deliver(forged, as: .trust)) }
        device.acknowledgeAll()
        let (births, topics) = (device.births.count, device.link.subscriptions.count)
        device.wait(10_000)
        #expect(device.births.count == births + 1 && device.newestBirth?.trustVersion == 1)
        #expect(device.link.subscriptions.count == topics + 1)
        #expect(device.link.subscriptions.last == device.topics.topic(.signed(.trust)))
        #expect(device.deliver(good, as: .trust))
        #expect(device.engine.gate.trustVersion == 2)
        device.acknowledgeAll()
        let all = device.births.count
        device.wait(60_000)
        #expect(device.births.count == all)
    }

    @Test("CMD-08 a device with an older document than the back end knows takes no command until it has the newer one")
    func rolledBack() throws {
        let device = try connected()
        let resume = Resume(time: UInt64(clamping: device.now.system / 1000), leastTrustVersion: 2)
        let birth = try #require(device.newestBirth)
        #expect(device.deliver(try device.gateway.resume(resume, birth.challenge), as: .resume))
        device.acknowledgeAll()
        try device.send()
        device.acknowledgeAll()
        #expect(device.owner.commands.isEmpty && device.receipts.last?.outcome == .notReady)
        #expect(device.deliver(try document(device, version: 2, [device.gateway, device.operator]), as: .trust))
        device.acknowledgeAll()
        #expect(device.deliver(try device.gateway.resume(resume, birth.challenge), as: .resume))
        try device.send()
        #expect(device.owner.commands.count == 1)
    }

    @Test("CMD-05 while the acceptance cannot be made durable nothing happens; the second time that is the answer")
    func unrecorded() throws {
        let device = try resumed()
        let command = Command(name: bytes("set-interval"), arguments: [.integer(1)])
        let message = try device.operator.command(command, try device.challenge)
        device.disk.isFull(true)
        #expect(!device.deliver(message, as: .command))
        #expect(device.owner.commands.isEmpty && device.receipts.isEmpty)
        // The broker sends it again.
        #expect(device.deliver(message, as: .command))
        #expect(device.owner.commands.isEmpty && device.receipts.map { $0.outcome } == [.notRecorded])
        #expect(device.deliver(message, as: .command))
        #expect(device.engine.gate.refusals[.replayed] == 1)
        device.disk.isFull(false)
        try device.send()
        #expect(device.owner.commands.count == 1)
    }

    @Test("CMD-05 a receipt waits until its outcome is durable")
    func outcomeFirst() throws {
        let device = try resumed()
        try device.send()
        device.disk.isFull(true)
        device.finish()
        #expect(device.receipts.isEmpty)
        device.disk.isFull(false)
        device.wait(Engine.flushRetry)
        #expect(device.receipts.map { $0.outcome } == [.done])
    }

    @Test("CMD-05 an idempotent command that a power cut interrupted is run again, and not for ever")
    func again() throws {
        let declaration = try #require(
            CommandDeclaration(name: bytes("set-interval"), parameters: [.integer(1...3600)], isIdempotent: true))
        let device = try resumed { $0.commands = [declaration] }
        try device.send([.integer(7)])
        for _ in 0..<3 {
            try device.cutPower(.losesAll)
            device.connect()
            #expect(device.owner.commands.isEmpty)
            #expect(try device.resume())
            #expect(device.owner.commands.map { $0.arguments } == [[.integer(7)]])
        }
        try device.cutPower(.losesAll)
        device.connect()
        #expect(device.owner.commands.isEmpty && device.receipts.map { $0.outcome } == [.interrupted])
    }

    @Test(
        "CMD-05 what is for now only, what is no longer allowed, and what a rollback brought back is not run again",
        arguments: 0..<3)
    func notAgain(_ why: Int) throws {
        let declaration = try #require(
            CommandDeclaration(name: bytes("set-interval"), parameters: [.integer(1...3600)], isIdempotent: true))
        let device = try resumed { $0.commands = [declaration] }
        let command = Command(
            name: bytes("set-interval"), arguments: [.integer(7)], deadline: why == 0 ? 60 : nil)
        let message = try device.operator.command(command, try device.challenge)
        #expect(device.deliver(message, as: .command) && device.owner.commands.count == 1)
        if why == 1 { #expect(device.deliver(try document(device, version: 2, [device.gateway]), as: .trust)) }
        try device.cutPower(.losesAll)
        device.connect()
        device.acknowledgeAll()
        var heads = LaneHeads()
        if why == 2 { heads[.normal] = ChainHead(sequence: device.engine.lane.next + 5, digest: digest(1)) }
        #expect(try device.resume(heads: heads))
        device.acknowledgeAll()
        #expect(device.owner.commands.isEmpty && device.receipts.map { $0.outcome } == [.interrupted])
    }

    @Test("CLK-03 time far ahead at which the server's certificate has ended is not believed")
    func impossibleTime() throws {
        let device = try connected()
        let now = device.now.system / 1000
        device.link.serverValidity = now...(now + 31_536_000)
        #expect(try device.resume(time: UInt64(now + 10 * 31_536_000)))
        #expect(device.engine.clock.state(device.now) != .trusted)
        #expect(try device.resume(time: UInt64(now + 86_400 * 30)))
        #expect(device.engine.clock.state(device.now) == .trusted)
    }

    @Test("CMD-08 an older resume of this run does not make an older document enough again")
    func olderResume() throws {
        let device = try connected()
        let birth = try #require(device.newestBirth)
        let time = UInt64(clamping: device.now.system / 1000)
        for version in [1, 2, 1] as [UInt64] {
            let resume = Resume(time: time, leastTrustVersion: version)
            #expect(device.deliver(try device.gateway.resume(resume, birth.challenge), as: .resume))
        }
        #expect(!device.engine.isResumed)
    }

    @Test("AUD-02 entries reach the back end in a checkpoint after seconds, and once")
    func checkpoint() throws {
        let device = try resumed()
        let before = try device.sent(.checkpoint).map { try Checkpoint(decoding: $0.payload.span) }
        try device.send()
        device.finish()
        device.acknowledgeAll()
        device.wait(Engine.checkpointDelay)
        device.acknowledgeAll()
        let all = try device.sent(.checkpoint).map { try Checkpoint(decoding: $0.payload.span) }
        let last = try #require(all.last)
        #expect(all.count == before.count + 1)
        let kinds = try last.entries.map { try AuditEntry(decoding: $0.span).kind }
        #expect(kinds == [.accepted, .ended])
        device.wait(3_600_000)
        device.acknowledgeAll()
        #expect(device.sent(.checkpoint).count == all.count)
        device.wait(Engine.checkpointInterval)
        #expect(device.sent(.checkpoint).count == all.count + 1)
    }

    @Test("AUD-03 entries that gave way while nobody was told are named to the back end")
    func givenUp() throws {
        let device = try resumed()
        device.disconnect()
        for index in 0..<8000 {
            let time = AuditTime(run: 1, boot: 1, seconds: nil, clock: .untrusted)
            device.run.state.note(.connection, [.number(1), .number(UInt64(index))], time)
            if index % 40 == 39 { #expect(device.engine.flush(device.now)) }
        }
        device.connect()
        while device.engine.state.untoldCount > 0 {
            device.acknowledgeAll()
            device.wait(Engine.checkpointDelay)
        }
        var walk = AuditWalk()
        var verdicts: [AuditVerdict] = []
        for signed in device.sent(.checkpoint) {
            let checkpoint = try Checkpoint(decoding: signed.payload.span)
            verdicts.append(
                walk.take(checkpoint.entries, upTo: checkpoint.head, hashing: device.trust.root.hashing).verdict)
        }
        let places = verdicts.indices.filter { verdicts[$0] != .linked }
        try #require(places.count == 2)
        guard case .hole(let first, let last) = verdicts[places[0]] else {
            Issue.record("\(verdicts[places[0]])")
            return
        }
        #expect(verdicts[places[1]] == .givenUp(first: first, last: last) && last > first)
    }

    @Test func `a checkpoint that nobody listens to holds nothing back, and is made again later`() throws {
        let device = try connected()
        #expect(try device.resume())
        device.acknowledgeAll()
        device.wait(Engine.checkpointDelay)
        #expect(device.waitingLeaves == [.signed(.checkpoint)])
        #expect(device.acknowledge(0x10))
        #expect(device.report(1) && device.waitingLeaves == [.signed(.telemetry)])
        device.acknowledgeAll()
        #expect(device.engine.backlog == 0)
        device.wait(Engine.checkpointPause - 1)
        #expect(device.sent(.checkpoint).count == 1)
        device.wait(1)
        #expect(device.sent(.checkpoint).count == 2)
    }
}
