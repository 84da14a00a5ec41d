// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletSenML
import MartletTelemetry
import MartletTestKit
import Testing

@testable import MartletSession

@Suite struct RunStateTests {
    private func gap(_ first: UInt64, readings: UInt64 = 5) -> Gap {
        Gap(
            first: first, last: first + 1, readings: readings, reason: .refused,
            digest: first % 2 == 0 ? digest(9) : nil)
    }

    @Test func `a state comes back as it was saved`() throws {
        let states = [
            RunState(run: 0, next: 0), RunState(run: 1_800_000_000, next: 99),
            RunState(run: 1 << 33, next: (1 << 62) - 1, head: ChainHead(sequence: (1 << 62) - 2, digest: digest(1))),
            // The largest that there is.
            RunState(
                run: (1 << 62) - 1, next: (1 << 62) - 1, head: ChainHead(sequence: 1 << 61, digest: digest(0xff)),
                gaps: (0..<16).map { gap((1 << 61) + $0 * 2, readings: .max) }),
        ]
        for state in states {
            let encoded = try #require(state.encoded())
            #expect(RunState(decoding: encoded) == state)
        }
    }

    @Test func `every prefix, and one byte more, is no state`() throws {
        let state = RunState(
            run: 5, next: 99, head: ChainHead(sequence: 7, digest: digest(1)), gaps: [gap(8), gap(20)])
        let encoded = try #require(state.encoded())
        for count in 0..<encoded.count { #expect(RunState(decoding: [UInt8](encoded[..<count])) == nil) }
        #expect(RunState(decoding: encoded + [0]) == nil)
    }

    @Test func `every bit flip is no state or a state within all bounds`() throws {
        let state = RunState(
            run: 5, next: 99, head: ChainHead(sequence: 7, digest: digest(1)), gaps: [gap(8), gap(20)])
        let encoded = try #require(state.encoded())
        for bit in 0..<encoded.count * 8 {
            var flipped = encoded
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            guard let decoded = RunState(decoding: flipped) else { continue }
            #expect(decoded.run < 1 << 62 && decoded.next < 1 << 62 && decoded.gaps.count <= GapList.capacity)
            #expect(decoded.encoded() == flipped)
            // An engine starts from it, with readings to come.
            let device = try device { $0.store.content = flipped }
            #expect(device.report(1))
        }
    }

    @Test func `a state that contradicts itself is damaged`() throws {
        let bad = [
            RunState(run: 1 << 62, next: 1), RunState(run: 1, next: 1 << 62),
            RunState(run: 1, next: 5, head: ChainHead(sequence: 5, digest: digest(1))),
            RunState(run: 1, next: 9, gaps: [gap(8)]),
            RunState(run: 1, next: 99, gaps: (0..<17).map { gap($0 * 3) }),
        ]
        for state in bad {
            let encoded = try #require(state.encoded())
            #expect(RunState(decoding: encoded) == nil)
        }
    }

    @Test func `gaps of a state file do not overflow when they grow`() throws {
        let state = RunState(
            run: 1, next: 10, gaps: [Gap(first: 1, last: 9, readings: .max, reason: .retention, digest: nil)])
        let device = try device {
            $0.store.content = state.encoded()
            $0.queueLimit = 6000
        }
        for _ in 0..<60 { #expect(device.report(1)) }
        #expect(device.engine.backlog > 0)
    }
}
