// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope
import MartletMessages
import Testing

@testable import MartletCommands

@Suite struct LedgerTests {
    private let digest = Digest(InlineArray(repeating: 3))

    private func key(_ value: UInt8) -> CommandKey { CommandKey(controller: KeyID(1 << 40), id: bytes16(value)) }

    private func restore(_ bytes: [UInt8], into ledger: Ledger = Ledger()) -> Bool { ledger.recover(bytes.span) }

    /// As a new program finds it.
    private func reread(_ ledger: Ledger) -> Ledger {
        let next = Ledger()
        for entry in ledger.entries { #expect(restore(ledger.encode(entry), into: next)) }
        return next
    }

    @Test func `an entry comes back as it was written, in each of its stages`() throws {
        let ledger = Ledger()
        _ = try #require(ledger.accept(key(1), digest: digest, command: [1, 2, 3]))
        _ = try #require(ledger.accept(key(2), digest: digest, command: []))
        _ = try #require(ledger.accept(key(3), digest: digest, command: []))
        _ = ledger.finish(key(2), .done, results: [.integer(5), .text(bytes("ok"))])
        _ = ledger.finish(key(3), .failed, results: [])
        ledger.endedAreDurable()
        #expect(ledger.takeRecorded()?.key == key(2) && ledger.acknowledge(key(2)) != nil)
        let next = reread(ledger)
        #expect(next.entries.map { $0.key } == [key(1), key(2), key(3)])
        // What was on its way when the program ended is told again.
        #expect(next.entries.map { $0.stage } == [.open, .acknowledged, .recorded])
        #expect(next.entries[0].command == [1, 2, 3] && next.entries[0].attempts == 1)
        #expect(next.entries[1].receipt == ledger.entries[1].receipt)
    }

    @Test func `every prefix of an entry, and one byte more, is none`() throws {
        let ledger = Ledger()
        _ = ledger.accept(key(1), digest: digest, command: [1, 2, 3])
        _ = ledger.finish(key(1), .done, results: [.integer(5)])
        let bytes = ledger.encode(ledger.entries[0])
        for count in bytes.indices { #expect(!restore([UInt8](bytes[..<count]))) }
        #expect(!restore(bytes + [0]))
        #expect(restore(bytes))
    }

    @Test func `a small command fits whatever those that run take`() throws {
        let ledger = Ledger()
        #expect(ledger.accept(key(1), digest: digest, command: [UInt8](repeating: 0, count: 16 * 1024)) != nil)
        #expect(ledger.accept(key(2), digest: digest, command: [UInt8](repeating: 0, count: 33)) == nil)
        #expect(ledger.accept(key(3), digest: digest, command: [UInt8](repeating: 0, count: 32)) != nil)
    }

    @Test func `a receipt is told when its outcome is durable, and again until it is acknowledged`() throws {
        let ledger = Ledger()
        _ = ledger.accept(key(1), digest: digest, command: [])
        #expect(ledger.finish(key(1), .done, results: []) != nil)
        #expect(!ledger.hasRecorded && ledger.takeRecorded() == nil)
        ledger.endedAreDurable()
        #expect(ledger.takeRecorded()?.key == key(1) && ledger.takeRecorded() == nil)
        ledger.untell(key(1))
        #expect(ledger.takeRecorded()?.key == key(1))
        #expect(ledger.acknowledge(key(1)) != nil && ledger.acknowledge(key(1)) == nil)
    }

    @Test func `what was not acknowledged is never forgotten: there is no room then`() throws {
        let ledger = Ledger()
        for index in 0..<UInt8(Ledger.capacity) {
            #expect(ledger.accept(key(index), digest: digest, command: []) != nil)
            _ = ledger.finish(key(index), .done, results: [])
        }
        ledger.endedAreDurable()
        #expect(ledger.accept(key(200), digest: digest, command: []) == nil)
        let oldest = try #require(ledger.takeRecorded())
        _ = ledger.acknowledge(oldest.key)
        #expect(ledger.accept(key(200), digest: digest, command: []) != nil)
        #expect(ledger.entry(oldest.key) == nil)
    }

    @Test func `results and repeatable commands have a bound together, and an outcome always has room`() throws {
        let ledger = Ledger()
        let command = [UInt8](repeating: 0, count: 10_000)
        #expect(ledger.accept(key(1), digest: digest, command: command) != nil)
        #expect(ledger.accept(key(2), digest: digest, command: command) == nil)
        #expect(ledger.accept(key(2), digest: digest, command: []) != nil)
        let results = [CommandValue](repeating: .data([UInt8](repeating: 1, count: 1000)), count: 8)
        let receipt = try #require(ledger.finish(key(2), .done, results: results)?.receipt)
        #expect(receipt.outcome == .done && receipt.results.isEmpty)
        let other = try #require(ledger.finish(key(1), .done, results: results)?.receipt)
        #expect(other.results.count == 8)
    }

    @Test func `results are forgotten for new ones, the command never`() throws {
        let ledger = Ledger()
        let results = [CommandValue](repeating: .data([UInt8](repeating: 1, count: 1000)), count: 8)
        for value in 1...4 as ClosedRange<UInt8> {
            #expect(ledger.accept(key(value), digest: digest, command: []) != nil)
            #expect(ledger.finish(key(value), .done, results: results)?.receipt?.results.count == 8)
            ledger.endedAreDurable()
            #expect(ledger.takeRecorded() != nil && ledger.acknowledge(key(value)) != nil)
        }
        #expect(ledger.entries.map { $0.key } == (1...4).map { key($0) })
        #expect(ledger.entries.map { $0.receipt?.results.count } == [0, 0, 8, 8])
    }

    @Test func `an acceptance that is withdrawn costs no other command its place`() throws {
        let ledger = Ledger()
        for index in 0..<UInt8(Ledger.capacity) {
            _ = ledger.accept(key(index), digest: digest, command: [])
            _ = ledger.finish(key(index), .done, results: [])
        }
        ledger.endedAreDurable()
        while let entry = ledger.takeRecorded() { _ = ledger.acknowledge(entry.key) }
        #expect(ledger.accept(key(200), digest: digest, command: []) != nil && ledger.entry(key(0)) == nil)
        ledger.withdraw(key(200))
        #expect(ledger.entry(key(0)) != nil && ledger.entries.count == Ledger.capacity)
    }

    @Test func `an entry on disk replaces the one with its key`() throws {
        let ledger = Ledger()
        _ = ledger.accept(key(1), digest: digest, command: [])
        let open = ledger.encode(ledger.entries[0])
        _ = ledger.finish(key(1), .done, results: [])
        let ended = ledger.encode(ledger.entries[0])
        let next = Ledger()
        #expect(restore(open, into: next) && restore(ended, into: next))
        #expect(next.entries.count == 1 && next.entries[0].stage == .recorded)
    }
}
