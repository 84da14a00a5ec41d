// SPDX-License-Identifier: Apache-2.0

import MartletJournal
import MartletMessages
import MartletTelemetry
import MartletTestKit
import Testing

/// A program that spools and sends, again and again on one disk, and keeps account of what it was promised.
final class SpoolRun {
    let disk: SimulatedDisk
    let keys: TestSegmentKeys
    private var spool: Spool?
    private var next: UInt64 = 1
    private var life: UInt8 = 0
    /// What `commit` returned for, in order.
    private(set) var durable: [SentEnvelope] = []
    /// What was appended since: it may turn up, in order, but not in part.
    private var doubtful: [SentEnvelope] = []
    /// What the back end has, or was told of.
    private var done: Set<UInt64> = []
    /// The first promise that was broken.
    private(set) var wrong: String?

    init(seed: UInt64, _ disk: SimulatedDisk? = nil) throws {
        self.disk = disk ?? SimulatedDisk(seed: seed)
        keys = try TestSegmentKeys(seed: seed)
    }

    private func fail(_ what: String) { wrong = wrong ?? what }

    private func open() throws(JournalError) -> Spool? {
        do throws(JournalError) {
            return try makeSpool(disk, keys: keys)
        } catch {
            if !disk.isOff && disk.fault == nil { fail("\(error)") }
            throw error
        }
    }

    /// Starts the program and runs `body`, until an error ends it.
    func session(_ body: (SpoolRun) throws(JournalError) -> Void) {
        spool = nil
        do throws(JournalError) {
            guard let spool = try open() else { return }
            // A sync that failed at the start: the lane goes on above all numbers, and what may be lost is told.
            if spool.damage > 0 && disk.fault == nil && !disk.isOff { fail("damage \(spool.damage)") }
            if spool.recovered == nil { spool.begin(at: 1, after: nil) }
            self.spool = spool
            life += 1
            adopt(before: spool.recovered?.next ?? 1)
            try body(self)
        } catch {}
    }

    /// What is doubtful and was found: from now on it must stay.
    private func adopt(before end: UInt64) {
        if let last = durable.last, last.sequence >= end { fail("begins at \(end), after \(last.sequence)") }
        durable += doubtful.filter { $0.sequence < end }
        doubtful = []
        next = max(end, 1)
    }

    func append(_ count: Int = 1, size: Int = 150) {
        for _ in 0..<count {
            let content = [life, UInt8(truncatingIfNeeded: next)] + [UInt8](repeating: 0x61, count: size)
            guard spool?.add(next, content) == true else { return }
            doubtful.append(SentEnvelope(sequence: next, bytes: content))
            next += 1
        }
    }

    func commit() throws(JournalError) {
        try spool?.commit(at: 0)
        durable += doubtful
        doubtful = []
    }

    /// Sends all there is, or as many as `limit`.
    func send(_ limit: Int = .max) {
        guard let spool else { return }
        var count = 0
        while count < limit,
            spool.sendNext({ (sequence, _, envelope) in
                let sent = SentEnvelope(sequence: sequence, bytes: [UInt8](copying: envelope))
                if !self.durable.contains(sent) { self.fail("sent \(sequence), which is not durable") }
                return true
            })
        { count += 1 }
        check(spool)
    }

    func release(_ sequence: UInt64) {
        done.insert(sequence)
        spool?.release(sequence)
    }

    /// Gives up the oldest segment, as if the record of it were durable at once. False if there is none.
    func giveUp() -> Bool {
        guard let spool, let gap = spool.oldest(.retention) else { return false }
        let lost = durable.filter { $0.sequence <= gap.last && !done.contains($0.sequence) }
        if lost.contains(where: { $0.sequence < gap.first }) { fail("told \(gap), not \(lost.map(\.sequence))") }
        for envelope in lost { done.insert(envelope.sequence) }
        return spool.dropOldest()
    }

    /// Restarts and compares what comes, twice from the same disk.
    func finish() {
        for _ in 0..<2 {
            session { (run) throws(JournalError) in run.compare() }
        }
        if keys.reusedNonces > 0 { fail("a nonce was used twice") }
    }

    private func compare() {
        guard let spool else { return }
        let sent = spool.deliver()
        check(spool)
        let needed = durable.firstIndex { !done.contains($0.sequence) } ?? durable.count
        if !sent.elementsEqual(durable.suffix(sent.count)) || sent.count < durable.count - needed {
            fail("sent \(sent.map(\.sequence)), durable \(durable.map(\.sequence)), done \(done.sorted())")
        }
        if spool.count != sent.count || spool.hasUnsent { fail("count \(spool.count) for \(sent.count)") }
    }

    private func check(_ spool: Spool) {
        let losses = spool.takeLosses()
        if !losses.isEmpty { fail("lost \(losses)") }
    }
}

/// What a program does between two power cuts.
struct SpoolScenario: CustomTestStringConvertible, Sendable {
    let name: String
    /// What an earlier run did.
    var before: @Sendable (SpoolRun) throws(JournalError) -> Void = { _ in }
    let body: @Sendable (SpoolRun) throws(JournalError) -> Void

    var testDescription: String { name }

    static let append = SpoolScenario(name: "append") { (run) throws(JournalError) in
        for _ in 0..<8 {
            run.append()
            try run.commit()
        }
    }

    static let all = [
        append,
        SpoolScenario(name: "group commit") { (run) throws(JournalError) in
            for _ in 0..<3 {
                run.append(5)
                try run.commit()
                run.send(3)
            }
        },
        SpoolScenario(name: "rotation of segments") { (run) throws(JournalError) in
            for _ in 0..<12 {
                run.append(size: 900)
                try run.commit()
            }
        },
        SpoolScenario(name: "release", before: fill) { (run) throws(JournalError) in
            run.send()
            for sequence in [2, 1, 3, 6, 5, 4, 7, 8, 9, 12] as [UInt64] {
                run.release(sequence)
                if sequence % 3 == 0 {
                    run.append(size: 300)
                    try run.commit()
                }
            }
        },
        SpoolScenario(name: "dropOldest", before: fill) { (run) throws(JournalError) in
            run.send(2)
            for _ in 0..<2 {
                _ = run.giveUp()
                run.append(2, size: 900)
                try run.commit()
            }
        },
    ]

    private static func fill(_ run: SpoolRun) throws(JournalError) {
        for _ in 0..<12 {
            run.append(size: 900)
            try run.commit()
        }
    }
}
