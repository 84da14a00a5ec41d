// SPDX-License-Identifier: Apache-2.0

/// A record that was read, with the base fields that hold for it applied (RFC 8428 section 4.6).
/// Ranges are offsets in the input.
public struct SenMLResolvedRecord: Sendable {
    public enum Value: Equatable, Sendable {
        case number(Double)
        /// Valid UTF-8.
        case string(Range<Int>)
        case boolean(Bool)
        case data(Range<Int>)
    }

    /// The name is what `baseName` covers followed by what `name` covers: 1 to 128 bytes of ASCII.
    public internal(set) var baseName = 0..<0
    public internal(set) var name = 0..<0
    /// 1 to 16 visible ASCII characters.
    public internal(set) var unit: Range<Int>?
    /// Nil only if there is a sum. Always finite.
    public internal(set) var value: Value?
    /// Always finite.
    public internal(set) var sum: Double?
    public internal(set) var time = SenMLTime.relative(seconds: 0)
    /// The longest time until the next reading, in seconds.
    public internal(set) var updateTime: Double?

    /// Forgets all but the base name, which stays in force.
    mutating func clear() {
        name = 0..<0
        unit = nil
        value = nil
        sum = nil
        time = .relative(seconds: 0)
        updateTime = nil
    }
}
