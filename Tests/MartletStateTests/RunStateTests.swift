// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope
import MartletMessages
import MartletTelemetry
import Testing

@testable import MartletState

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
}
