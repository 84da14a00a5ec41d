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
        let full = RunState.Lane(
            least: (1 << 62) - 1, next: (1 << 62) - 1, gaps: (0..<16).map { gap((1 << 61) + $0 * 2, readings: .max) })
        let states = [
            run(0, next: 0), run(1_800_000_000, next: 99), run(1 << 33, next: (1 << 62) - 1),
            // The largest that there is.
            RunState(run: (1 << 62) - 1, lanes: [full, full, full]),
        ]
        for state in states {
            let encoded = try #require(state.encoded())
            #expect(RunState(decoding: encoded) == state)
        }
    }

    @Test func `every prefix, and one byte more, is no state`() throws {
        let state = run(5, next: 99, gaps: [gap(8), gap(20)])
        let encoded = try #require(state.encoded())
        for count in 0..<encoded.count { #expect(RunState(decoding: [UInt8](encoded[..<count])) == nil) }
        #expect(RunState(decoding: encoded + [0]) == nil)
    }

    @Test func `every bit flip is no state or a state within all bounds`() throws {
        let state = run(5, next: 99, gaps: [gap(8), gap(20)])
        let encoded = try #require(state.encoded())
        for bit in 0..<encoded.count * 8 {
            var flipped = encoded
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            guard let decoded = RunState(decoding: flipped) else { continue }
            #expect(decoded.run < 1 << 62 && decoded.lanes.count == 3)
            #expect(decoded.lanes.allSatisfy { $0.next < 1 << 62 && $0.gaps.count <= GapList.capacity })
            #expect(decoded.encoded() == flipped)
        }
    }

    @Test func `a state that contradicts itself is damaged`() throws {
        let bad = [
            run(1 << 62, next: 1), run(1, next: 1 << 62), run(1, next: 9, gaps: [gap(8)]),
            run(1, next: 99, gaps: (0..<17).map { gap($0 * 3) }), RunState(run: 1, lanes: []),
            RunState(run: 1, lanes: [RunState.Lane](repeating: RunState.Lane(least: 2, next: 1), count: 3)),
            RunState(run: 1, lanes: [RunState.Lane](repeating: RunState.Lane(next: 1), count: 4)),
        ]
        for state in bad {
            let encoded = try #require(state.encoded())
            #expect(RunState(decoding: encoded) == nil)
        }
    }
}
