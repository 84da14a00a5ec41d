// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletSession
import MartletTestKit
import Testing

@Suite struct ChallengeTests {
    private let period = Challenge.period
    private let entropy = SeededEntropy(seed: 3)

    private func challenge() throws -> Challenge { try #require(Challenge(entropy, now: 1000)) }

    @Test func `without entropy there is no challenge`() {
        entropy.isExhausted = true
        #expect(Challenge(entropy, now: 0) == nil)
    }

    @Test func `two runs have different challenges`() throws {
        let (first, second) = try (challenge(), challenge())
        #expect(first.current != second.current)
    }

    @Test func `a challenge is current for one period and previous for one more`() throws {
        var challenge = try challenge()
        let first = challenge.current
        #expect(challenge.previous == nil && challenge.due == 1000 + period)
        #expect(!challenge.advance(entropy, now: 999 + period) && challenge.current == first)
        #expect(challenge.advance(entropy, now: 1000 + period) == true)
        #expect(challenge.current != first && challenge.previous == first)
        #expect(challenge.advance(entropy, now: 1000 + period) == false)
        #expect(!challenge.advance(entropy, now: 999 + 2 * period) && challenge.previous == first)
        #expect(challenge.advance(entropy, now: 1000 + 2 * period) == true)
        #expect(challenge.previous != first && challenge.current != first)
    }

    @Test(
        "nothing older than two periods is valid, however late the device notices",
        arguments: [
            0, 1, 1000, 15 * 60 * 1000 - 1, 15 * 60 * 1000, 15 * 60 * 1000 + 1, 1 << 40,
        ] as [UInt64])
    func late(_ delay: UInt64) throws {
        var challenge = try challenge()
        let first = challenge.current
        let noticed = 1000 + period + delay
        #expect(challenge.advance(entropy, now: noticed) == true)
        #expect(challenge.current != first)
        // It was drawn at 1000.
        #expect((challenge.previous == first) == (noticed < 1000 + 2 * period))
        _ = challenge.advance(entropy, now: max(noticed, 1000 + 2 * period))
        #expect(challenge.previous != first && challenge.current != first)
        #expect(challenge.due > noticed)
    }

    @Test func `without entropy the challenge stays, is tried again a second later, and the one before ends`() throws {
        var challenge = try challenge()
        #expect(challenge.advance(entropy, now: 1000 + period) == true)
        let (current, previous) = (challenge.current, try #require(challenge.previous))
        entropy.isExhausted = true
        let end = 1000 + 2 * period
        #expect(challenge.advance(entropy, now: end) == false)
        #expect(challenge.current == current && challenge.previous == nil && challenge.due == end + 1000)
        entropy.isExhausted = false
        #expect(challenge.advance(entropy, now: end + 999) == false)
        #expect(challenge.advance(entropy, now: end + 1000) == true)
        #expect(challenge.previous == current && challenge.current != previous && challenge.due == 1000 + 3 * period)
    }
}
