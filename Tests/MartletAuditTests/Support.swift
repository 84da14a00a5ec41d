// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletAudit
import MartletCOSE
import MartletEnvelope
import TestSupport

func digest(_ byte: UInt8) -> Digest { Digest(InlineArray(repeating: byte)) }

let time = AuditTime(run: 7, boot: 30_000, seconds: 1_795_262_400, clock: .trusted)

let id = [UInt8](repeating: 0x1d, count: 16)
let hash = [UInt8](repeating: 0xd1, count: 32)
let text32 = [UInt8](repeating: 0x61, count: 32)

/// The values of each kind, the shortest and the longest.
let values: [(kind: AuditKind, values: [AuditValue])] = [
    (.started, [.number(0)]),
    (.accepted, [.number(.max), .bytes(id), .bytes(hash), .text(text32)]),
    (.accepted, [.number(.max), .bytes(id), .bytes(hash), .text([0x61])]),
    (.refused, [.number(1), .bytes(id), .bytes(hash), .number(16)]),
    (.ended, [.number(1), .bytes(id), .bytes(hash), .number(0)]),
    (.refusals, [.number(5)]),
    (.refusals, [.number(10), .number(1)]),
    (.refusals, [AuditValue](repeating: .number(.max), count: 9)),
    (.trusted, [.number(3), .bytes(hash)]),
    (.clock, [.number(1_795_262_400)]),
    (.connection, [.number(1), .number(12)]),
    (.rolledBack, [.number(0), .number(17)]),
    (.damaged, [.number(1)]),
    (.lifecycle, [.number(0)]),
    (.givenUp, [.number(3), .number(9)]),
]

/// A log as a device writes it: its entries, and the heads after each.
struct Log {
    private let hashing: OpenSSLHashing
    var chain = AuditChain()
    var entries: [[UInt8]] = []
    var heads: [ChainHead] = []

    /// `seed` tells devices apart.
    init(_ count: Int = 0, seed: UInt64 = 0) throws {
        hashing = try OpenSSLHashing()
        for index in 0..<count { try add(values[index % values.count], run: seed) }
    }

    mutating func add(_ entry: (kind: AuditKind, values: [AuditValue]), run: UInt64 = 0) throws {
        let time = AuditTime(run: run, boot: UInt64(entries.count), seconds: nil, clock: .untrusted)
        guard let bytes = chain.append(entry.kind, entry.values, at: time, hashing: hashing), let head = chain.head
        else { throw TestFailure("the entry was not written") }
        entries.append(bytes)
        heads.append(head)
    }
}

struct TestFailure: Error {
    let what: String
    init(_ what: String) { self.what = what }
}
