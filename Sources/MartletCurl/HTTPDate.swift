// SPDX-License-Identifier: Apache-2.0

/// A date in a header: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7). The two obsolete forms, which no server may
/// write since 1999, are not read.
public enum HTTPDate {
    private static let shape: StaticString = "Aaa, 00 Aaa 0000 00:00:00 GMT"
    private static let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"

    /// Seconds since 1970, or nil. The day of the week is not compared with the date.
    public static func seconds(_ text: Span<UInt8>) -> Int64? {
        guard text.count == shape.utf8CodeUnitCount else { return nil }
        for index in text.indices {
            let byte = text[index]
            switch shape.utf8Start[index] {
            case UInt8(ascii: "0"): guard (0x30...0x39).contains(byte) else { return nil }
            case UInt8(ascii: "A"): guard (0x41...0x5A).contains(byte) else { return nil }
            case UInt8(ascii: "a"): guard (0x61...0x7A).contains(byte) else { return nil }
            case let fixed: guard byte == fixed else { return nil }
            }
        }
        guard let month = month(text) else { return nil }
        let day = number(text, 5, 2)
        let year = number(text, 12, 4)
        let (hour, minute, second) = (number(text, 17, 2), number(text, 20, 2), number(text, 23, 2))
        // Second 60 is a leap second.
        guard day >= 1, day <= days(month, year), hour < 24, minute < 60, second <= 60 else { return nil }
        return (daysSince1970(year, month, day) * 24 + hour) * 3600 + minute * 60 + second
    }

    /// 1 to 12.
    private static func month(_ text: Span<UInt8>) -> Int64? {
        for month in 0..<12 {
            let name = months.utf8Start + 3 * month
            if text[8] == name[0], text[9] == name[1], text[10] == name[2] { return Int64(month + 1) }
        }
        return nil
    }

    /// Of digits, four at most.
    private static func number(_ text: Span<UInt8>, _ start: Int, _ count: Int) -> Int64 {
        var number: Int64 = 0
        for index in start..<(start + count) { number = number * 10 + Int64(text[index] - 0x30) }
        return number
    }

    private static func days(_ month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// In years that begin in March, so that a leap day is the last: 153 days are five months.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let (year, month) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
        let leapDays = (year + 400) / 4 - (year + 400) / 100 + (year + 400) / 400 - 97
        return year * 365 + leapDays + (153 * month + 2) / 5 + day - 1 - 719_468
    }
}
