// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletReplayWindow
import Testing

/// What a window must do, by keeping every counter that was ever accepted.
struct Model {
    private var accepted: Set<UInt64> = []

    mutating func accept(_ counter: UInt64) -> Bool {
        if let highest = accepted.max(), highest >= 64, counter <= highest - 64 { return false }
        return accepted.insert(counter).inserted
    }
}

@Suite struct ReplayWindowTests {
    static let width = ReplayWindow.width
    static let limit = UInt64.max

    /// One window through all steps.
    static let steps: [(counter: UInt64, accepted: Bool, why: String)] = [
        (0, true, "the first counter may be 0"),
        (0, false, "0 again"),
        (1, true, "in order"),
        (1, false, "again"),
        (2, true, "in order"),
        (9, true, "a small jump"),
        (8, true, "reverse"),
        (7, true, "reverse"),
        (7, false, "reverse, again"),
        (3, true, "a hole"),
        (width - 1, true, "the last counter that keeps 0 in the window"),
        (0, false, "0 is still remembered"),
        (width, true, "0 leaves the window"),
        (0, false, "0 is too old"),
        (1, false, "1 is at the edge and was seen"),
        (4, true, "a hole inside the window"),
        (width + 1, true, "one more"),
        (width + 1, false, "again"),
        (width + 5, true, "the oldest inside is now 6"),
        (5, false, "never seen, but just outside"),
        (6, true, "never seen, at the edge"),
        (6, false, "at the edge, again"),
        (1000, true, "a jump by more than the width"),
        (width + 5, false, "seen long ago"),
        (1000 - width, false, "W below the highest: never seen, but outside"),
        (1000 - width + 1, true, "W-1 below the highest: inside"),
        (1000 - width + 1, false, "again"),
        (1000 + width, true, "a jump by exactly the width forgets all bits"),
        (1000, false, "exactly outside"),
        (1001, true, "inside, nothing of before is left over"),
        (1000 + 2 * width - 1, true, "a jump by the width less one keeps one bit"),
        (1000 + width, false, "the bit that was kept"),
        (1000 + width + 1, true, "beside it"),
        (1 << 32, true, "beyond 32 bits"),
        ((1 << 32) - 1, true, "just below 2^32"),
        ((1 << 32) - 1, false, "again"),
        (1 << 63, true, "beyond Int64"),
        ((1 << 63) - 1, true, "just below 2^63"),
        (limit - width, true, "W below the limit"),
        (limit - 1, true, "limit-1"),
        (limit - width, false, "at the edge, seen"),
        (limit, true, "limit"),
        (limit, false, "limit again"),
        (limit - 1, false, "limit-1 again"),
        (limit - width, false, "W below the limit: outside"),
        (limit - width + 1, true, "W-1 below the limit: inside"),
        (0, false, "limit+1 wraps to 0 and is too old"),
        (1, false, "nothing begins anew"),
    ]

    @Test("CMD-04 in order, reverse, edges, jumps and the limit: the accepted set equals the model")
    func table() {
        #expect(Self.steps.count >= 34)
        var window = ReplayWindow()
        var model = Model()
        for (index, step) in Self.steps.enumerated() {
            let allowed = window.allows(step.counter)
            let accepted = window.accept(step.counter)
            #expect(accepted == step.accepted, "step \(index), \(step.counter): \(step.why)")
            #expect(allowed == accepted, "step \(index): allows and accept agree")
            let expected = model.accept(step.counter)
            #expect(expected == accepted, "step \(index): the model agrees")
        }
    }

    @Test("CMD-04 a new window accepts any first counter", arguments: [0, 1, 63, 64, 65, .max - 1, .max] as [UInt64])
    func first(_ counter: UInt64) {
        var window = ReplayWindow()
        let first = window.accept(counter)
        let second = window.accept(counter)
        #expect(first && !second)
    }

    @Test("CMD-04 the check alone changes nothing")
    func checkOnly() {
        var window = ReplayWindow()
        let first = window.accept(10)
        for counter in 0...200 as ClosedRange<UInt64> { _ = window.allows(counter) }
        let older = window.accept(9)
        let newer = window.accept(11)
        #expect(first && older && newer)
    }

    @Test("CMD-04 random counters: the accepted set equals the model")
    func random() {
        let seed = ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap(UInt64.init) ?? .random(in: 0 ... .max)
        print("replay window: MARTLET_SEED=\(seed)")
        var state = seed
        func draw(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 32) % bound
        }
        for round in 0..<200 {
            var window = ReplayWindow()
            var model = Model()
            var around = round % 4 == 0 ? UInt64.max - 300 : draw(100)
            for step in 0..<300 {
                // Mostly near the highest counter, sometimes a jump about as long as the window.
                let ahead = around.addingReportingOverflow(draw(draw(20) == 0 ? 130 : 4))
                around = ahead.overflow ? .max : ahead.partialValue
                let counter = around - min(around, draw(80))
                let allowed = window.allows(counter)
                let accepted = window.accept(counter)
                #expect(allowed == accepted, "round \(round), step \(step), \(counter)")
                let expected = model.accept(counter)
                #expect(expected == accepted, "round \(round), step \(step), \(counter)")
            }
        }
    }
}
