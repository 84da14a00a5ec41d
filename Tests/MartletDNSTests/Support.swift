// SPDX-License-Identifier: Apache-2.0

@testable import MartletDNS

/// Why the bytes are refused; nil if they are a message.
func refusal(_ bytes: [UInt8]) -> DNSError? {
    do throws(DNSError) {
        _ = try DNSMessage(decoding: bytes.span)
        return nil
    } catch {
        return error
    }
}

func decoded(_ bytes: [UInt8]) throws -> DNSMessage { try DNSMessage(decoding: bytes.span) }

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

func dotted(_ name: DNSName) -> String { name.labels.map { text($0) }.joined(separator: ".") }

/// A header with these counts of questions and records.
func header(_ questions: UInt8 = 0, _ answers: UInt8 = 0, flags: [UInt8] = [0x84, 0]) -> [UInt8] {
    [0x12, 0x34] + flags + [0, questions, 0, answers, 0, 0, 0, 0]
}

/// `label` and nothing below it.
func label(_ label: String) -> [UInt8] { [UInt8(label.utf8.count)] + Array(label.utf8) }

/// What follows a record's name.
func rest(_ type: UInt8, _ data: [UInt8], length: Int? = nil, ttl: UInt8 = 10, class: [UInt8] = [0, 1]) -> [UInt8] {
    let length = length ?? data.count
    return [0, type] + `class` + [0, 0, 0, ttl, UInt8(length >> 8), UInt8(length & 0xff)] + data
}

extension DNSData {
    /// For comparison.
    var summary: String {
        switch self {
        case .pointer(let name): "PTR \(dotted(name))"
        case .service(let it): "SRV \(it.priority) \(it.weight) \(it.port) \(dotted(it.target))"
        case .text(let strings): "TXT \(strings.count)"
        case .address(let bytes): "\(bytes)"
        case .other: "other"
        }
    }
}

/// The same numbers in every run (SplitMix64).
struct Repeatable: RandomNumberGenerator {
    private var state: UInt64 = 8949

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
