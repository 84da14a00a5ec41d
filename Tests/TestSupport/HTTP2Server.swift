// SPDX-License-Identifier: Apache-2.0

import Foundation

/// An HTTPS server that sends frames of HTTP/2 as a test wrote them, `http2_server.py`: a process of its own, which
/// tells every frame that arrives.
public final class HTTP2Server: Sendable {
    /// What a connection gets; see `http2_server.py`.
    public struct Script: Sendable {
        public var greeting: [UInt8]
        public var answer: [UInt8]
        public var isEarly: Bool
        public var grants: Bool
        public var repeated: [UInt8]
        public var pause: Double
        public var then: String
        public var plain: String

        public init(
            greeting: [UInt8] = [], _ answer: [UInt8] = [], isEarly: Bool = false, grants: Bool = true,
            repeated: [UInt8] = [], pause: Double = 0, then: String = "", plain: String = ""
        ) {
            (self.greeting, self.answer, self.isEarly, self.grants) = (greeting, answer, isEarly, grants)
            (self.repeated, self.pause, self.then, self.plain) = (repeated, pause, then, plain)
        }
    }

    public let port: UInt16
    private let process: ChildProcess
    private let file: URL

    public init(_ authority: TestAuthority, _ scripts: Script...) throws {
        file = authority.folder.appending(path: "http2.json")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "http2_server.py").path
        process = try ChildProcess("python3", [script, authority.server.files.certificate, authority.server.files.key])
        try process.waitForOutput(".\n", seconds: 30)
        let line = process.output.split(separator: "\n").first { $0.hasPrefix("PORT ") } ?? ""
        port = UInt16(line.dropFirst(5).dropLast()) ?? 0
        try say(scripts)
    }

    /// From the next request on: a script for each connection, the last one for all later ones.
    public func say(_ scripts: [Script]) throws {
        let all = scripts.map { script -> [String: Any] in
            [
                "greeting": hex(script.greeting), "answer": hex(script.answer), "early": script.isEarly,
                "grants": script.grants, "repeat": hex(script.repeated), "pause": script.pause, "then": script.then,
                "plain": script.plain,
            ]
        }
        try JSONSerialization.data(withJSONObject: all).write(to: file, options: .atomic)
    }

    /// What it said before this call: whatever led to an answer that arrived.
    public var output: String {
        get throws {
            let mark = "MARK \(UUID().uuidString)\n"
            process.write(Array(mark.utf8))
            try waitForOutput(mark)
            return process.output.components(separatedBy: mark)[0]
        }
    }

    public func waitForOutput(_ text: String, times: Int = 1, seconds: Double = 10) throws {
        try process.waitForOutput(text, times: times, seconds: seconds)
    }

    /// How many requests have begun to arrive.
    public var requests: Int { get throws { try output.components(separatedBy: " HEADERS ").count - 1 } }

    private func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
}

/// Frames of HTTP/2 (RFC 9113 §6), and what they carry.
public enum HTTP2 {
    public enum Kind: UInt8, Sendable {
        case data, headers, priority, reset, settings, push, ping, goAway, window, continuation
        case unknown = 0x77
    }

    public static let endStream: UInt8 = 1
    public static let endHeaders: UInt8 = 4
    public static let padded: UInt8 = 8

    public static func frame(_ kind: Kind, flags: UInt8 = 0, stream: UInt32 = 1, _ payload: [UInt8] = []) -> [UInt8] {
        number(UInt32(payload.count)).dropFirst() + [kind.rawValue, flags] + number(stream) + payload
    }

    public static func data(_ text: String, end: Bool = true) -> [UInt8] {
        frame(.data, flags: end ? endStream : 0, Array(text.utf8))
    }

    /// All headers of an answer.
    public static func head(_ status: String = "200", _ fields: [(String, String)] = [], end: Bool = false) -> [UInt8] {
        frame(.headers, flags: endHeaders | (end ? endStream : 0), block([(":status", status)] + fields))
    }

    public static func reset(_ code: UInt32) -> [UInt8] { frame(.reset, number(code)) }

    /// Nothing may be sent by a new stream (RFC 9113 §6.5.2).
    public static let noWindow = frame(.settings, stream: 0, [0, 4] + number(0))

    public static func goAway(last: UInt32, _ code: UInt32 = 0) -> [UInt8] {
        frame(.goAway, stream: 0, number(last) + number(code))
    }

    /// Fields as literals that nobody is to remember (RFC 7541 §6.2.2).
    public static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { name, value in [0] + string(name) + string(value) }
    }

    /// A header block whose last byte stands `count` times for a field of so many bytes (RFC 7541 §6.2.1, §6.1).
    public static func bomb(_ count: Int, size: Int) -> [UInt8] {
        let block =
            block([(":status", "200")]) + [0x40] + string("x") + string(String(repeating: "a", count: size))
            + [UInt8](repeating: 0xBE, count: count)
        let parts = stride(from: 0, to: block.count, by: 16_000).map { block[$0..<min($0 + 16_000, block.count)] }
        return parts.indices.flatMap { index in
            frame(
                index == 0 ? .headers : .continuation, flags: index == parts.count - 1 ? endHeaders : 0,
                Array(parts[index]))
        }
    }

    public static func number(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

    /// RFC 7541 §5.1, §5.2.
    private static func string(_ text: String) -> [UInt8] {
        var length: [UInt8] = []
        var rest = text.utf8.count
        if rest < 127 {
            length = [UInt8(rest)]
        } else {
            length = [127]
            rest -= 127
            while rest >= 128 {
                length.append(UInt8(rest % 128 + 128))
                rest /= 128
            }
            length.append(UInt8(rest))
        }
        return length + Array(text.utf8)
    }
}
