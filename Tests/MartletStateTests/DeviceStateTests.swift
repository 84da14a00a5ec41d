// SPDX-License-Identifier: Apache-2.0

import MartletAudit
import MartletCommands
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletState
import MartletTestKit
import Testing

@Suite struct DeviceStateTests {
    @Test func `an entry that a failed commit left on the disk is not told beside the one that replaced it`() throws {
        let bench = try Bench()
        let state = try bench.start()
        state.note(.started, [.number(1)], time())
        #expect(state.flush())
        let mark = state.mark
        state.note(.clock, [.number(5)], time())
        // It is written, but no sync says so, and there is no room for a second try.
        bench.disk.fault = SimulatedDisk.Fault(bench.disk.operations + 2, .failed(5), isSticky: true)
        #expect(!state.flush())
        state.rollBack(to: mark)
        bench.disk.fault = nil
        state.note(.clock, [.number(6)], time())
        #expect(state.flush())
        bench.disk.restart(.keepsAll)
        let next = try bench.start()
        next.note(.started, [.number(2)], time())
        #expect(next.flush())
        let entries = try #require(next.untold(count: 64, size: 10_000))
        #expect(entries.compactMap { next.head(of: $0)?.sequence } == [1, 2, 3])
    }

    @Test func `a new disk holds nothing`() throws {
        let state = try Bench().start()
        #expect(state.damage == 0 && state.run == nil && state.trust.isEmpty && state.floor == nil)
        #expect(!state.isSuspended && state.ledger.entries.isEmpty && state.auditHead == nil && state.untoldCount == 0)
    }

    @Test func `what was flushed is there after a power cut, and nothing else`() throws {
        let bench = try Bench()
        let state = try bench.start()
        let first = run(5, next: 99)
        state.put(first)
        state.put(trust: [1, 2, 3])
        state.put(floor: 1_800_000_000_000)
        state.put(isSuspended: true)
        state.put(usage)
        state.note(.started, [.number(5)], time())
        #expect(state.flush() && !state.hasPending)
        let head = try #require(state.auditHead)
        state.put(run(6, next: 100))
        state.note(.clock, [.number(9)], time())
        #expect(state.hasPending && state.auditHead == head)
        bench.disk.restart(.keepsAll)
        let next = try bench.start()
        #expect(next.damage == 0 && next.run == first && next.trust == [1, 2, 3])
        #expect(next.floor == 1_800_000_000_000 && next.isSuspended && next.auditHead == head)
        #expect(next.untoldCount == 1 && next.usage == usage)
    }

    @Test func `a snapshot carries everything into a new segment`() throws {
        let bench = try Bench()
        let state = try bench.start()
        state.put(run(5, next: 99))
        state.put(trust: [UInt8](repeating: 7, count: 900))
        state.put(floor: 5)
        state.put(usage)
        let entry = try #require(state.ledger.restored(key(1)))
        state.put(entry)
        #expect(state.flush())
        // Several segments later.
        for index in 0..<900 {
            state.note(.connection, [.number(1), .number(UInt64(index))], time())
            #expect(state.flush())
        }
        let head = state.auditHead
        bench.disk.restart(.losesAll)
        let next = try bench.start()
        #expect(next.damage == 0 && next.run == run(5, next: 99) && next.trust.count == 900)
        #expect(
            next.floor == 5 && next.usage == usage && next.auditHead == head
                && next.ledger.entries.map { $0.key } == [key(1)])
    }

    @Test func `what is taken back was never there`() throws {
        let bench = try Bench()
        let state = try bench.start()
        state.put(run(5, next: 99))
        state.note(.started, [.number(5)], time())
        let mark = state.mark
        state.put(run(5, next: 200))
        state.put(isSuspended: true)
        state.note(.clock, [.number(1)], time())
        state.rollBack(to: mark)
        #expect(state.run?.lanes[1].next == 99 && !state.isSuspended && state.auditEnd?.sequence == 1)
        #expect(state.flush())
        let next = try bench.start()
        #expect(next.run?.lanes[1].next == 99 && !next.isSuspended && next.auditHead?.sequence == 1)
    }

    @Test func `a flush that fails keeps everything for the next one`() throws {
        let bench = try Bench()
        let state = try bench.start()
        state.note(.started, [.number(5)], time())
        bench.disk.fault = SimulatedDisk.Fault(bench.disk.operations + 1, .full, isSticky: true)
        #expect(!state.flush() && state.hasPending && state.auditHead == nil)
        bench.disk.fault = nil
        #expect(state.flush() && state.auditHead?.sequence == 1)
        #expect(try bench.start().auditHead == state.auditHead)
    }

    @Test("IOE-02 while the disk is full audit entries are bounded, and those that were left out are counted")
    func bounded() throws {
        let bench = try Bench()
        let state = try bench.start()
        bench.disk.fault = SimulatedDisk.Fault(bench.disk.operations + 1, .full, isSticky: true)
        for index in 0..<1000 { state.note(.clock, [.number(UInt64(index))], time()) }
        #expect(!state.flush() && state.auditEnd?.sequence == 256)
        bench.disk.fault = nil
        #expect(state.flush())
        state.note(.clock, [.number(1)], time())
        #expect(state.flush() && state.auditHead?.sequence == 258)
        let entries = try #require(state.untold(count: 64, size: 15_000))
        let first = try #require(entries.first)
        #expect(try AuditEntry(decoding: first.span).index == 1)
    }

    @Test("AUD-03 entries that the back end does not have are told in order, also those that are on disk only")
    func untold() throws {
        let bench = try Bench()
        let state = try bench.start()
        for index in 0..<200 {
            state.note(.clock, [.number(UInt64(index))], time())
            if index % 10 == 9 { #expect(state.flush()) }
        }
        // What cannot be read now is not missing.
        bench.disk.fault = SimulatedDisk.Fault(bench.disk.operations + 1, .failed(5), isSticky: true)
        #expect(state.untold(count: 64, size: 3000) == nil)
        bench.disk.fault = nil
        var told: [UInt64] = []
        while true {
            let entries = try #require(state.untold(count: 64, size: 3000))
            if entries.isEmpty { break }
            for bytes in entries { told.append(try AuditEntry(decoding: bytes.span).index) }
            state.put(told: try #require(told.last))
        }
        #expect(told == [UInt64](1...200))
        #expect(state.flush())
        #expect(try bench.start().untoldCount == 0)
    }

    @Test("AUD-03 what gave way to newer entries before it was told is named")
    func givenUp() throws {
        let bench = try Bench()
        let state = try bench.start()
        for index in 0..<8000 {
            state.note(.connection, [.number(1), .number(UInt64(index))], time())
            if index % 40 == 39 { #expect(state.flush()) }
        }
        state.put(told: 10)
        let entries = try #require(state.untold(count: 64, size: 3000))
        let first = try #require(entries.first.flatMap { state.head(of: $0)?.sequence })
        #expect(first > 100)
        let missing = try #require(state.givenUp(before: entries))
        #expect(missing == (11, first - 1))
        state.put(told: first - 1)
        #expect(state.givenUp(before: entries) == nil)
        // What a rollback skips is not missing.
        state.put(told: 8000)
        state.skipAudit(to: ChainHead(sequence: 9000, digest: digest(5)))
        state.note(.rolledBack, [.number(0), .number(8000)], time())
        #expect(state.flush())
        let next = try #require(state.untold(count: 64, size: 3000))
        #expect(next.count == 1 && state.givenUp(before: next) == nil)
    }

    @Test("AUD-05 a device that was rolled back goes on above what the back end has seen, linked to it")
    func rolledBack() throws {
        let bench = try Bench()
        let state = try bench.start()
        state.note(.started, [.number(1)], time())
        let seen = ChainHead(sequence: 500, digest: digest(5))
        state.skipAudit(to: seen)
        state.note(.rolledBack, [.number(0), .number(1)], time())
        #expect(state.flush() && state.auditHead?.sequence == 501)
        // Also what it wrote before it knew.
        let entries = try #require(state.untold(count: 64, size: 3000))
        #expect(entries.count == 2)
        let bytes = try #require(entries.last)
        let entry = try AuditEntry(decoding: bytes.span)
        #expect(entry.index == 501 && entry.previous == seen.digest)
    }

    @Test("CMD-06 damage is told, and numbers of the audit log go on far above")
    func damaged() throws {
        let bench = try Bench()
        let state = try bench.start()
        for index in 0..<3 {
            state.note(.clock, [.number(UInt64(index))], time())
            #expect(state.flush())
        }
        var image = bench.disk.image
        let place = try #require(image[0].bytes.indices.last { image[0].bytes[$0] != 0 })
        image[0].bytes[place - 5] ^= 1
        bench.disk.restore(image)
        let next = try bench.start()
        #expect(next.damage == 1 && next.auditHead?.sequence == 2)
        next.note(.damaged, [.number(1)], time())
        #expect(next.auditEnd?.sequence == 2 + DeviceState.damageMargin + 1)
    }

    @Test(
        "AUD-03 what damage took from between two entries makes a hole, not a broken chain", arguments: [true, false])
    func tellsDamage(isNewest: Bool) throws {
        let bench = try Bench()
        var state = try bench.start()
        for index in 0..<3000 {
            state.note(.connection, [.number(1), .number(UInt64(index))], time())
            if index % 20 == 19 { #expect(state.flush()) }
        }
        let damaged = isNewest ? bench.disk.image.count - 1 : 1
        #expect(damaged > 1 || bench.disk.image.count > 2)
        var image = bench.disk.image
        let place = try #require(image[damaged].bytes.indices.last { image[damaged].bytes[$0] != 0 })
        for index in isNewest ? place - 5...place : 100...place { image[damaged].bytes[index] ^= 1 }
        bench.disk.restore(image)
        state = try bench.start()
        if isNewest { state.note(.damaged, [.number(1)], time()) }
        state.note(.started, [.number(2)], time())
        #expect(state.flush())
        var walk = AuditWalk()
        var verdicts: [AuditVerdict] = []
        while state.untoldCount > 0 {
            let entries = try #require(state.untold(count: 64, size: 15_000))
            let head = try #require(entries.last.flatMap { state.head(of: $0) })
            verdicts.append(walk.take(entries, upTo: head, hashing: bench.hashing).verdict)
            state.put(told: head.sequence)
        }
        let others = verdicts.filter { $0 != .linked }
        #expect(others.count == 1)
        guard case .hole(let first, _) = others.first, first % 64 != 1 else {
            Issue.record("\(others)")
            return
        }
    }
}

extension Ledger {
    /// An entry as it comes from the disk.
    fileprivate func restored(_ key: CommandKey) -> Entry? {
        let bytes: [UInt8] =
            [0x87, UInt8(key.controller.value), 0x50] + (0..<16).map { key.id.bytes[$0] } + [0x58, 0x20]
            + [UInt8](repeating: 3, count: 32) + [0xf4, 0x01, 0x40, 0x40]
        return recover(bytes.span) ? entries.last : nil
    }
}
