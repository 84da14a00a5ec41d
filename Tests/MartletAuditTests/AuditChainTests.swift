// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletAudit
import MartletCOSE
import MartletEnvelope
import Testing

@Suite struct AuditChainTests {
    private let hashing: OpenSSLHashing

    init() throws { hashing = try OpenSSLHashing() }

    private func append(_ chain: inout AuditChain, _ value: AuditValue) throws -> [UInt8] {
        let bytes = chain.append(.started, [value], at: time, hashing: hashing)
        return try #require(bytes)
    }

    @Test func `entries count from 1, each with the hash of the one before`() throws {
        var chain = AuditChain()
        #expect(chain.head == nil)
        var previous = digest(0)
        for index in UInt64(1)...20 {
            let bytes = try append(&chain, .number(index))
            let entry = try AuditEntry(decoding: bytes.span)
            #expect(entry.index == index)
            #expect(entry.previous == previous)
            previous = hashing.sha256(bytes.span)
            #expect(chain.head == ChainHead(sequence: index, digest: previous))
        }
    }

    @Test func `a log goes on where it was left`() throws {
        var chain = AuditChain(after: ChainHead(sequence: 41, digest: digest(4)))
        let bytes = try append(&chain, .number(1))
        let entry = try AuditEntry(decoding: bytes.span)
        #expect(entry.index == 42)
        #expect(entry.previous == digest(4))
    }

    @Test func `what cannot be written changes nothing`() throws {
        var chain = AuditChain()
        let none = chain.append(.started, [], at: time, hashing: hashing)
        #expect(none == nil)
        #expect(chain.head == nil)
        var last = AuditChain(after: ChainHead(sequence: .max, digest: digest(4)))
        let more = last.append(.started, [.number(1)], at: time, hashing: hashing)
        #expect(more == nil)
        #expect(last.head?.sequence == .max)
    }

    @Test func `a log that was rolled back goes on above what the back end has seen, linked to it`() throws {
        var chain = AuditChain()
        _ = chain.append(.started, [.number(1)], at: time, hashing: hashing)
        let before = chain.head
        let isBehind = chain.skip(to: ChainHead(sequence: 1, digest: digest(9)))
        #expect(!isBehind)
        #expect(chain.head == before)
        let hasSkipped = chain.skip(to: ChainHead(sequence: 500, digest: digest(5)))
        #expect(hasSkipped)
        let bytes = try append(&chain, .number(1))
        let entry = try AuditEntry(decoding: bytes.span)
        #expect(entry.index == 501)
        #expect(entry.previous == digest(5))
    }
}
