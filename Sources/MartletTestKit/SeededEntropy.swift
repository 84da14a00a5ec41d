// SPDX-License-Identifier: Apache-2.0

public import MartletEnvelope
public import MartletSession

/// Numbers that follow from a seed (SplitMix64), so that a test can be run again exactly. Never for secrets.
public final class SeededEntropy: Entropy, RandomNumberGenerator {
    private var state: UInt64
    /// Whether there are no numbers to be had.
    public var isExhausted = false

    public init(seed: UInt64) { state = seed }

    /// As the protocol `Entropy` has it.
    public func next() -> UInt64? { isExhausted ? nil : draw() }

    /// As `RandomNumberGenerator` has it.
    public func next() -> UInt64 { draw() }

    private func draw() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// 0 to `bound` - 1; 0 if `bound` is 0.
    public func below(_ bound: UInt64) -> UInt64 { bound == 0 ? 0 : draw() % bound }

    /// True once in `count` times.
    public func oneIn(_ count: UInt64) -> Bool { below(count) == 0 }

    public func bytes16() -> Bytes16 {
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: draw()) }
        return Bytes16(bytes)
    }
}
