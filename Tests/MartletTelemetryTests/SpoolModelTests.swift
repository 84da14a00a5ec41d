// SPDX-License-Identifier: Apache-2.0

import MartletMessages
import MartletTelemetry
import MartletTestKit
import Testing

/// What a spool is, as a plain list.
private struct Model {
    struct Entry {
        let envelope: SentEnvelope
        var isDurable = false
        var isSent = false
        var isDone = false
    }

    var entries: [Entry] = []
    var next: UInt64 = 1

    var count: Int { entries.count { !$0.isDone } }
    var hasUnsent: Bool { entries.contains { $0.isDurable && !$0.isSent && !$0.isDone } }
    var firstUnsent: Int? { entries.firstIndex { $0.isDurable && !$0.isSent && !$0.isDone } }

    /// What a link has; one of the oldest.
    func inFlight(_ random: SeededEntropy) -> Int? {
        let places = entries.indices.filter { entries[$0].isSent && !entries[$0].isDone }.prefix(6)
        return places.isEmpty ? nil : places[Int(random.below(UInt64(places.count)))]
    }

    /// After a restart: everything from some place on waits again. Nothing before it that was not done.
    mutating func restart(next: UInt64, waiting: Int) -> Bool {
        entries.removeAll { !$0.isDurable && $0.envelope.sequence >= next }
        self.next = max(next, 1)
        guard entries.count >= waiting else { return false }
        for place in entries.indices {
            let isWaiting = place >= entries.count - waiting
            if !isWaiting && !entries[place].isDone { return false }
            entries[place].isDurable = true
            entries[place].isSent = false
            entries[place].isDone = !isWaiting
        }
        return true
    }
}

@Suite struct SpoolModelTests {
    @Test("SPL-01 random calls, restarts and power cuts agree with a plain list", arguments: 0..<4)
    func model(number: Int) throws {
        let seed = announcedSeed("spool model \(number)") &+ UInt64(number)
        let random = SeededEntropy(seed: seed)
        let disk = SimulatedDisk(seed: seed)
        let keys = try TestSegmentKeys(seed: seed)
        let segment = number % 2 == 0 ? 4096 : 16_384
        let isCut = number < 2
        var spool = try makeSpool(disk, keys: keys, segment: segment)
        spool.begin(at: 1, after: nil)
        var model = Model()
        // Times of plenty, in which nothing is sent, so that it must be read back.
        var isOnline = true
        for step in 0..<2500 {
            if random.oneIn(100) { isOnline.toggle() }
            switch random.below(isOnline ? 16 : 9) {
            case 0..<5:
                let content = (0..<Int(random.below(700))).map { _ in UInt8(truncatingIfNeeded: step) }
                guard spool.add(model.next, content) else { continue }
                model.entries.append(Model.Entry(envelope: SentEnvelope(sequence: model.next, bytes: content)))
                model.next += 1
            case 5..<8:
                try spool.commit(at: 0)
                for place in model.entries.indices { model.entries[place].isDurable = true }
            case 8:
                try unlikely(step, random, &spool, &model) {
                    disk.restart(isCut ? .random : .keepsAll)
                    return try makeSpool(disk, keys: keys, segment: segment)
                }
            case 9..<13:
                let place = model.firstUnsent
                var sent: SentEnvelope?
                let isSent = spool.sendNext { (sequence, _, bytes) in
                    sent = SentEnvelope(sequence: sequence, bytes: [UInt8](copying: bytes))
                    return true
                }
                try #require(isSent == (place != nil), "step \(step)")
                try #require(sent == place.map { model.entries[$0].envelope }, "step \(step)")
                if let place { model.entries[place].isSent = true }
            case 13, 14:
                guard let place = model.inFlight(random) else { continue }
                spool.release(model.entries[place].envelope.sequence)
                model.entries[place].isDone = true
            default:
                guard let place = model.inFlight(random) else { continue }
                spool.restore(model.entries[place].envelope.sequence)
                model.entries[place].isSent = false
            }
            try #require(spool.count == model.count, "step \(step)")
            try #require(spool.hasUnsent == model.hasUnsent, "step \(step)")
            // A power cut may undo that files were cut off.
            if isCut { continue }
            let bytes = disk.image.reduce(0) { $0 + $1.bytes.count }
            try #require(bytes <= spool.size, "step \(step): \(bytes) bytes, said to be \(spool.size)")
        }
        #expect(spool.takeLosses().isEmpty)
        #expect(keys.reusedNonces == 0)
    }

    /// A restart, a jump, one that is given up, or the oldest segment given up.
    private func unlikely(
        _ step: Int, _ random: SeededEntropy, _ spool: inout Spool, _ model: inout Model, restart: () throws -> Spool
    ) throws {
        switch random.below(12) {
        case 0...2:
            spool = try restart()
            try #require(spool.damage == 0, "step \(step)")
            if spool.recovered == nil { spool.begin(at: 1, after: nil) }
            let isRight = model.restart(next: spool.recovered?.next ?? 1, waiting: spool.count)
            try #require(isRight, "step \(step)")
        case 3:
            model.next += random.below(5)
            spool.begin(at: model.next, after: nil)
        case 4...7:
            guard let place = model.inFlight(random) else { return }
            let dropped = try #require(spool.giveUp(model.entries[place].envelope.sequence), "step \(step)")
            #expect(dropped.readings == Int(dropped.first % 7))
            model.entries[place].isDone = true
        case 8:
            guard let gap = spool.oldest(.retention) else { return }
            let given = model.entries.indices.filter { model.entries[$0].envelope.sequence <= gap.last }
            try #require(given.allSatisfy { model.entries[$0].isDurable }, "step \(step)")
            try #require(
                given.allSatisfy { model.entries[$0].isDone || model.entries[$0].envelope.sequence >= gap.first },
                "step \(step)")
            let isDropped = spool.dropOldest()
            try #require(isDropped, "step \(step)")
            for place in given { model.entries[place].isDone = true }
        default: return
        }
    }
}
