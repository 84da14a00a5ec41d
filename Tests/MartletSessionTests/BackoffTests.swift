// SPDX-License-Identifier: Apache-2.0

import MartletSession
import Testing

@Suite struct BackoffTests {
    /// The longest pause after each of the first failures, in milliseconds.
    private static let spans: [UInt64] = [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]

    @Test func `the pause is any time up to a span that doubles up to a minute`() {
        var longest = Backoff()
        var shortest = Backoff()
        for span in Self.spans {
            #expect(longest.next(random: span) == span)
            #expect(shortest.next(random: span + 1) == 0)
        }
        for _ in 0..<1000 { #expect(longest.next(random: .max) <= 60_000) }
    }

    @Test func `only a connection that held a minute starts over`() {
        var backoff = Backoff()
        for _ in 0..<10 { _ = backoff.next(random: 0) }
        backoff.connectionHeld(for: 59_999)
        #expect(backoff.next(random: 60_000) == 60_000)
        backoff.connectionHeld(for: 60_000)
        #expect(backoff.next(random: 2000) == 2000)
        #expect(backoff.next(random: 4001) == 0)
    }
}
