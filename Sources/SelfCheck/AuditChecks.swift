// SPDX-License-Identifier: Apache-2.0

import MartletAudit
import MartletCOSE
import MartletEnvelope

/// The audit log.
enum AuditChecks {
    static var all: [Check] {
        [
            Check("audit log: an entry of every kind is written and read, with numbers of all sizes", entries),
            Check("audit log: what was removed, changed, repeated or swapped in 40 entries is named", tampering),
            Check("audit log: a device that was rolled back goes on above", rollback),
        ]
    }

    private static let id = [UInt8](repeating: 0x1d, count: 16)
    private static let hash = [UInt8](repeating: 0xd1, count: 32)

    private static func values(_ number: UInt64) -> [(kind: AuditKind, values: [AuditValue])] {
        let n = AuditValue.number(number)
        return [
            (.started, [n]), (.accepted, [n, .bytes(id), .bytes(hash), .text(bytes("set-interval"))]),
            (.refused, [n, .bytes(id), .bytes(hash), n]), (.ended, [n, .bytes(id), .bytes(hash), n]),
            (.refusals, [n, n, n, n, n]), (.trusted, [n, .bytes(hash)]), (.clock, [n]), (.connection, [n, n]),
            (.rolledBack, [n, n]), (.damaged, [n]), (.lifecycle, [n]), (.givenUp, [n, n]),
        ]
    }

    private static func entries() throws(Failure) {
        for edge in edges where edge > 1 {
            let time = AuditTime(run: edge, boot: edge, seconds: edge <= 1 << 40 ? edge : nil, clock: .trusted)
            for (kind, values) in values(edge) {
                let previous = Digest(InlineArray(repeating: 0xee))
                let entry = AuditEntry(index: edge, previous: previous, kind: kind, time: time, values: values)
                let encoded = try require(entry.encoded(), "not written, kind", number: Int64(kind.rawValue))
                try require(encoded.count <= AuditEntry.maximumSize, "size")
                let decoded = try? AuditEntry(decoding: encoded.span)
                try require(decoded == entry, "not read, kind", number: Int64(kind.rawValue))
            }
        }
    }

    private struct Log {
        var chain = AuditChain()
        var entries: [[UInt8]] = []
        var heads: [ChainHead] = []

        init(_ count: Int) throws(Failure) {
            for number in 0..<count { try add(UInt64(number)) }
        }

        mutating func add(_ number: UInt64) throws(Failure) {
            let entry = AuditChecks.values(number)[entries.count % 11]
            let time = AuditTime(run: 1, boot: number, seconds: nil, clock: .untrusted)
            let hashing = try hashing()
            entries.append(try require(chain.append(entry.kind, entry.values, at: time, hashing: hashing), "append"))
            heads.append(try require(chain.head, "head"))
        }
    }

    private static func tampering() throws(Failure) {
        let (log, hashing) = (try Log(40), try hashing())
        func firstBad(_ entries: [[UInt8]]) -> Int {
            var walk = AuditWalk()
            let verdict = walk.take(entries, upTo: log.heads[39], hashing: hashing).verdict
            if case .broken(let index, _) = verdict { return Int(index) }
            return verdict == .linked ? 0 : -1
        }
        try require(firstBad(log.entries) == 0, "the log as it is")
        for place in 1..<40 {
            var entries = log.entries
            entries.remove(at: place)
            try require(firstBad(entries) == place + 1, "removed", number: Int64(place))
            entries = log.entries
            entries.insert(log.entries[place], at: place)
            try require(firstBad(entries) == place + 1, "repeated", number: Int64(place))
            entries = log.entries
            entries.swapAt(place, 39 - place / 2)
            try require(
                place == 39 - place / 2 || firstBad(entries) == min(place, 39 - place / 2) + 1, "swapped",
                number: Int64(place))
            for byte in log.entries[place].indices {
                entries = log.entries
                entries[place][byte] ^= 1 << UInt8(byte % 8)
                try require(firstBad(entries) == place + 1, "changed", number: Int64(place))
            }
        }
    }

    private static func rollback() throws(Failure) {
        let (log, hashing) = (try Log(20), try hashing())
        var copy = try Log(10)
        try copy.add(99)
        var walk = AuditWalk()
        let whole = walk.take(log.entries, upTo: log.heads[19], hashing: hashing).verdict
        try require(whole == .linked, "linked")
        try require(walk.announce(copy.heads[10]) == .fork(index: 11), "fork")
        try require(copy.chain.skip(to: log.heads[19]), "skip")
        try copy.add(100)
        let recovered = walk.take([copy.entries[11]], upTo: copy.heads[11], hashing: hashing).verdict
        try require(recovered == .linked, "linked above")
    }
}
