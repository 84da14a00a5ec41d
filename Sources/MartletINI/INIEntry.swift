// SPDX-License-Identifier: Apache-2.0

/// A line `key = value`.
public final class INIEntry: Sendable {
    /// 1 byte or more of visible ASCII without `=`.
    public let key: [UInt8]
    /// UTF-8 without control characters but tabs; no blanks around it; perhaps empty. It may be a secret: no error of
    /// this module shows it.
    public let value: [UInt8]
    /// The first line of a file is 1.
    public let line: Int

    /// `text` has no blanks around it.
    init(_ text: Span<UInt8>, line: Int) throws(INIProblem) {
        guard let equals = text.indices.first(where: { text[$0] == UInt8(ascii: "=") }) else { throw .noEqualsSign }
        let key = text.extracting(..<equals).trimmed
        guard !key.isEmpty, key.indices.allSatisfy({ key[$0].isVisible }) else { throw .badKey }
        self.key = key.array
        self.value = text.extracting((equals + 1)...).trimmed.array
        self.line = line
    }

    public func hasKey(_ key: StaticString) -> Bool {
        key.matches(self.key)
    }

    public func hasValue(_ value: StaticString) -> Bool {
        value.matches(self.value)
    }

    /// The value as a decimal integer of `range`: digits, with `-` before them if it is negative. Anything else is nil.
    public func integer(in range: ClosedRange<Int64>) -> Int64? {
        let isNegative = value.first == UInt8(ascii: "-")
        let digits = value.dropFirst(isNegative ? 1 : 0)
        guard !digits.isEmpty else { return nil }
        var result: Int64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            let (tens, overflow) = result.multipliedReportingOverflow(by: 10)
            let unit = Int64(digit - UInt8(ascii: "0"))
            let (sum, overflowOfSum) =
                isNegative ? tens.subtractingReportingOverflow(unit) : tens.addingReportingOverflow(unit)
            guard !overflow, !overflowOfSum else { return nil }
            result = sum
        }
        return range.contains(result) ? result : nil
    }
}
