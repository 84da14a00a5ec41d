// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// Remote text for a terminal or a log: printable ASCII as it is, any other byte as `\xNN`, so that it can neither
/// move the cursor nor forge a line.
func printable(_ bytes: [UInt8], limit: Int = 96) -> String {
    var text = ""
    for byte in bytes.prefix(limit) {
        if (0x20...0x7e).contains(byte), byte != UInt8(ascii: "\\") {
            text.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            text += "\\x" + hex([byte])
        }
    }
    return bytes.count > limit ? text + "..." : text
}

func printable(_ text: String) -> String { printable(Array(text.utf8)) }

func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".unicodeScalars)
    var text = ""
    for byte in bytes {
        text.unicodeScalars.append(digits[Int(byte >> 4)])
        text.unicodeScalars.append(digits[Int(byte & 15)])
    }
    return text
}

/// nil if it is not pairs of hexadecimal digits.
func bytes(hex text: some StringProtocol) -> [UInt8]? {
    let digits = text.compactMap(\.hexDigitValue)
    guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
}

func hex(_ value: Bytes16) -> String { hex(value.bytes.indices.map { value.bytes[$0] }) }

/// RFC 3339 in UTC, to the millisecond; nil before year 0 or after 9999.
func timestamp(milliseconds: Int64) -> String? {
    guard (-62_167_219_200_000...253_402_300_799_999).contains(milliseconds) else { return nil }
    let rest = ((milliseconds % 1000) + 1000) % 1000
    var seconds = time_t((milliseconds - rest) / 1000)
    var parts = tm()
    guard gmtime_r(&seconds, &parts) != nil else { return nil }
    func pad(_ value: Int32, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return pad(parts.tm_year + 1900, 4) + "-" + pad(parts.tm_mon + 1, 2) + "-" + pad(parts.tm_mday, 2) + "T"
        + pad(parts.tm_hour, 2) + ":" + pad(parts.tm_min, 2) + ":" + pad(parts.tm_sec, 2) + "." + pad(Int32(rest), 3)
        + "Z"
}

/// A number as people and JSON write it: whole ones without a fraction.
func decimal(_ number: Double) -> String {
    number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : String(number)
}

extension LaneVerdict {
    var text: String {
        switch self {
        case .linked: "linked"
        case .first: "first"
        case .beginning: "beginning"
        case .duplicate: "duplicate"
        case .fork: "fork"
        case .waiting: "waiting"
        case .explained: "explained"
        case .hole: "hole"
        case .tooOld: "too-old"
        }
    }
}

extension ClockState {
    var text: String {
        switch self {
        case .untrusted: "untrusted"
        case .bounded: "bounded"
        case .trusted: "trusted"
        }
    }
}

extension Lane {
    var text: String {
        switch self {
        case .alarm: "alarm"
        case .normal: "normal"
        case .bulk: "bulk"
        }
    }
}

extension BirthStanding {
    var text: String {
        switch self {
        case .first: "first"
        case .newer: "newer"
        case .repeated: "repeated"
        case .older: "older"
        }
    }
}

extension GapReason {
    var text: String {
        switch self {
        case .quota: "quota"
        case .age: "age"
        case .refused: "refused"
        case .corrupt: "corrupt"
        case .consent: "consent"
        case .retention: "retention"
        }
    }
}

extension KeyChange {
    var text: String {
        switch self {
        case .announced: "announced"
        case .unannounced: "unannounced"
        }
    }
}

extension EventKind {
    var text: String {
        switch self {
        case .refusals: "refusals"
        case .rolledBack: "rolled-back"
        case .stateLost: "state-lost"
        case .clockTrusted: "clock-trusted"
        case .nextKey: "next-key"
        case .quota: "quota"
        }
    }
}

extension Event {
    /// For people.
    var words: String {
        if kind == .quota, let value = values.first {
            let limits = ["connections of an hour", "bytes of a day", "bytes of a month"]
            let limit = value.code < limits.count ? limits[Int(value.code)] : "quota \(value.code)"
            return "quota: \(value.number) % of the \(limit) are used"
        }
        return ([kind.text] + values.map { "\($0.code)=\($0.number)" }).joined(separator: " ")
    }
}

extension Outcome {
    var words: String { text.withUTF8Buffer { String(decoding: $0, as: UTF8.self) } }
}

extension VerificationError {
    var words: String { text.withUTF8Buffer { String(decoding: $0, as: UTF8.self) } }
}

extension PosixError {
    var words: String { String(decoding: text, as: UTF8.self) }
}

extension CommandValue {
    var text: String {
        switch self {
        case .integer(let value): String(value)
        case .number(let value): decimal(value)
        case .boolean(let value): value ? "true" : "false"
        case .text(let value): "\"" + printable(value) + "\""
        case .data(let value): "data:" + hex(value)
        }
    }
}
