// SPDX-License-Identifier: Apache-2.0

import MartletState
import Testing

let usage = Usage(
    time: 1_800_000_000_000, connections: Usage.Period(number: 500_000, used: 3),
    day: Usage.Period(number: 20_833, used: 70_000), month: Usage.Period(number: 684, used: 1 << 61))

@Suite struct UsageTests {
    @Test func `a usage comes back as it was saved`() throws {
        for usage in [usage, Usage(time: 0)] {
            let encoded = try #require(usage.encoded())
            #expect(Usage(decoding: encoded.span) == usage)
        }
    }

    @Test func `every prefix, one byte more and every bit flip is no usage or one within all bounds`() throws {
        let encoded = try #require(usage.encoded())
        for count in 0..<encoded.count { #expect(Usage(decoding: encoded.span.extracting(first: count)) == nil) }
        let longer = encoded + [0]
        #expect(Usage(decoding: longer.span) == nil)
        for bit in 0..<encoded.count * 8 {
            var flipped = encoded
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            if let decoded = Usage(decoding: flipped.span) { #expect(decoded.encoded() == flipped) }
        }
    }

    @Test func `numbers that sums of two could overflow are damage`() throws {
        let usage = Usage(time: 0, day: Usage.Period(number: 0, used: 1 << 62))
        let encoded = try #require(usage.encoded())
        #expect(Usage(decoding: encoded.span) == nil)
    }
}
