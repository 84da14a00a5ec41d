// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

/// Frames of HTTP/2 that no server may send.
struct HostileFrames: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let answer: [UInt8]
    /// What follows the answer again and again.
    let repeated: [UInt8]

    private init(_ what: String, _ answer: [UInt8], _ repeated: [UInt8] = []) {
        testDescription = what
        self.answer = answer
        self.repeated = repeated
    }

    private static let length = [("content-length", "5")]
    private static let good = HTTP2.head("200", length) + HTTP2.data("hello")

    private static func malformed(_ fields: [(String, String)]) -> [UInt8] {
        HTTP2.frame(.headers, flags: HTTP2.endHeaders, HTTP2.block(fields)) + HTTP2.data("hello")
    }

    static let broken: [HostileFrames] = [
        HostileFrames("HTTP/1.1", Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".utf8)),
        HostileFrames(
            "headers that nobody can read",
            HTTP2.frame(.headers, flags: HTTP2.endHeaders, [255, 255, 255, 255, 255, 255])
        ),
        HostileFrames("no status", malformed([("x", "y")])),
        HostileFrames("a status that is none", malformed([(":status", "abc")])),
        HostileFrames("101", malformed([(":status", "101")])),
        HostileFrames("two of them", malformed([(":status", "200"), (":status", "204")])),
        HostileFrames("a status that comes late", malformed([("x", "y"), (":status", "200")])),
        HostileFrames("a name in capitals", malformed([(":status", "200"), ("Retry-After", "9")])),
        HostileFrames("a header in a header", malformed([(":status", "200"), ("x", "a\r\nretry-after: 9")])),
        HostileFrames("what is for a connection", malformed([(":status", "200"), ("connection", "close")])),
        HostileFrames(
            "two lengths", malformed([(":status", "200"), ("content-length", "5"), ("content-length", "6")])),
        HostileFrames("less than announced", HTTP2.head("200", length) + HTTP2.data("hell")),
        HostileFrames("more than announced", HTTP2.head("200", length) + HTTP2.data("hello!")),
        HostileFrames("a body without headers", HTTP2.data("hello")),
        HostileFrames("another stream", HTTP2.frame(.data, flags: 1, stream: 3, [1])),
        HostileFrames("the end of all in an interim answer", HTTP2.head("103", end: true)),
        HostileFrames(
            "an answer to what was not asked",
            HTTP2.frame(
                .push, flags: HTTP2.endHeaders,
                HTTP2.number(2)
                    + HTTP2.block([(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "a")]))
                + good
        ),
        HostileFrames("a window of nothing", HTTP2.frame(.window, stream: 0, HTTP2.number(0))),
        HostileFrames("a window without bounds", HTTP2.frame(.window, stream: 0, HTTP2.number(0x7FFF_FFFF))),
        HostileFrames("half a setting", HTTP2.frame(.settings, stream: 0, [0, 1, 2])),
        HostileFrames("a setting that none can have", HTTP2.frame(.settings, stream: 0, [0, 2] + HTTP2.number(2))),
        HostileFrames(
            "headers that are interrupted",
            HTTP2.frame(.headers, HTTP2.block([(":status", "200")])) + HTTP2.data("hello")
        ),
        HostileFrames(
            "padding beyond the frame",
            HTTP2.head() + HTTP2.frame(.data, flags: HTTP2.padded | HTTP2.endStream, [9, 1])),
        HostileFrames("a frame of 16 MiB", [255, 255, 255, 0, 0, 0, 0, 0, 1]),
    ]

    static let floods: [HostileFrames] = [
        HostileFrames("pings", [], HTTP2.frame(.ping, stream: 0, [UInt8](repeating: 1, count: 8))),
        HostileFrames("settings", [], HTTP2.frame(.settings, stream: 0, [0, 3] + HTTP2.number(100))),
        HostileFrames("priorities", [], HTTP2.frame(.priority, HTTP2.number(0) + [1])),
        HostileFrames("windows", [], HTTP2.frame(.window, HTTP2.number(1))),
        HostileFrames("what nobody knows", [], HTTP2.frame(.unknown, stream: 0, [UInt8](repeating: 1, count: 100))),
        HostileFrames("resets", [], HTTP2.frame(.reset, stream: 3, HTTP2.number(8))),
        HostileFrames("interim answers", [], HTTP2.head("103")),
        HostileFrames(
            "headers", HTTP2.frame(.headers, HTTP2.block([(":status", "200")])),
            HTTP2.frame(.continuation, HTTP2.block([("x", String(repeating: "y", count: 100))]))
        ),
        HostileFrames(
            "headers of nothing", HTTP2.frame(.headers, HTTP2.block([(":status", "200")])), HTTP2.frame(.continuation)),
        HostileFrames("data of nothing", HTTP2.head(), HTTP2.frame(.data)),
        HostileFrames(
            "padding", HTTP2.head(),
            HTTP2.frame(.data, flags: HTTP2.padded, [255] + [UInt8](repeating: 0, count: 255))),
        HostileFrames(
            "trailers", HTTP2.head() + HTTP2.data("a", end: false),
            HTTP2.frame(.headers, flags: HTTP2.endHeaders, HTTP2.block([("x", "y")]))
        ),
        HostileFrames(
            "a body", HTTP2.head(), HTTP2.data(String(repeating: "x", count: 16_000), end: false)),
        HostileFrames("a header that stands for 240 MB", HTTP2.bomb(60_000, size: 4000)),
    ]
}
