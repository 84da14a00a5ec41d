// SPDX-License-Identifier: Apache-2.0

import MartletCommands
import Testing

@Suite struct TokenBucketTests {
    private func taken(_ bucket: inout TokenBucket, now: UInt64, tries: Int = 1000) -> Int {
        var count = 0
        for _ in 0..<tries where bucket.take(now: now) { count += 1 }
        return count
    }

    @Test func `a bucket begins full and then gives its rate`() {
        var bucket = TokenBucket(rate: 10, burst: 20, now: 5000)
        #expect(taken(&bucket, now: 5000) == 20)
        #expect(taken(&bucket, now: 5099) == 0)
        #expect(taken(&bucket, now: 5100) == 1)
        #expect(taken(&bucket, now: 6100) == 10)
    }

    @Test func `no fraction of an event is lost between calls`() {
        var bucket = TokenBucket(rate: 3, burst: 1, now: 0)
        #expect(taken(&bucket, now: 0) == 1)
        var count = 0
        // 100 s, asked each millisecond.
        for now in 1...100_000 as ClosedRange<UInt64> where bucket.take(now: now) { count += 1 }
        #expect((299...300).contains(count))
    }

    @Test func `however long the sleep, no more than the burst is saved up`() {
        for sleep in [86_400_000, 1 << 40, UInt64.max] {
            var bucket = TokenBucket(rate: .max, burst: 40, now: 0)
            #expect(taken(&bucket, now: 0) == 40)
            #expect(taken(&bucket, now: sleep) == 40)
        }
        var largest = TokenBucket(rate: .max, burst: .max, now: 0)
        #expect(taken(&largest, now: .max) == 1000)
    }

    @Test func `a clock that stands or goes back gives nothing and traps nothing`() {
        var bucket = TokenBucket(rate: 10, burst: 1, now: 5000)
        #expect(taken(&bucket, now: 5000) == 1)
        #expect(taken(&bucket, now: 0) == 0)
        #expect(taken(&bucket, now: 5000) == 0)
        #expect(taken(&bucket, now: 5100) == 1)
    }

    @Test func `what is spent beyond what is there is a debt, which ends at the time that is said`() {
        var bucket = TokenBucket(rate: 4, burst: 4, now: 1000)
        #expect(bucket.due(now: 1000) == 1000)
        bucket.spend(12, now: 1000)
        #expect(bucket.due(now: 1000) == 3001 && bucket.due(now: 3000) == 3001)
        #expect(bucket.due(now: 3001) == 3001 && taken(&bucket, now: 3001) == 0)
        #expect(taken(&bucket, now: 3250) == 1)
        for _ in 0..<1000 { bucket.spend(.max, now: 4000) }
        #expect(bucket.due(now: 4000) > 1 << 40)
        var never = TokenBucket(rate: 0, burst: 1, now: 0)
        never.spend(1, now: 0)
        #expect(never.due(now: 5) == .max)
    }

    @Test func `a bucket without rate or burst gives what it has`() {
        var none = TokenBucket(rate: 10, burst: 0, now: 0)
        #expect(taken(&none, now: 1 << 40) == 0)
        var once = TokenBucket(rate: 0, burst: 2, now: 0)
        #expect(taken(&once, now: 0) == 2)
        #expect(taken(&once, now: 1 << 40) == 0)
    }
}
