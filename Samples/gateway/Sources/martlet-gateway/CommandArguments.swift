// SPDX-License-Identifier: Apache-2.0

import MartletController

extension CommandValue {
    /// Reads an argument of the command line: an integer, a number, `true` or `false`, or else text. The prefixes
    /// `integer:`, `number:`, `text:` and `data:` (hexadecimal) force a type. nil if it is not of the forced type, or
    /// too long.
    init?(argument: String) {
        let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = parts.count == 2 ? String(parts[1]) : ""
        switch parts.count == 2 ? String(parts[0]) : "" {
        case "integer":
            guard let value = Int64(rest) else { return nil }
            self = .integer(value)
        case "number":
            guard let value = Double(rest), value.isFinite else { return nil }
            self = .number(value)
        case "text": self = .text(Array(rest.utf8))
        case "data":
            guard let data = bytes(hex: rest) else { return nil }
            self = .data(data)
        default:
            if let value = Int64(argument) {
                self = .integer(value)
            } else if argument.contains(where: \.isNumber), let value = Double(argument), value.isFinite {
                self = .number(value)
            } else if argument == "true" || argument == "false" {
                self = .boolean(argument == "true")
            } else {
                self = .text(Array(argument.utf8))
            }
        }
        switch self {
        case .text(let bytes), .data(let bytes): if bytes.count > Command.maximumValueLength { return nil }
        default: break
        }
    }
}
