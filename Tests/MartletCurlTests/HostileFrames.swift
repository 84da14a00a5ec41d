// SPDX-License-Identifier: Apache-2.0

import CCurl
import MartletCurl
import MartletHTTPS
import MartletOpenSSL
import TestSupport
import Testing

/// Frames of HTTP/2 that no server may send.
struct HostileFrames: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let answer: [UInt8]
    /// What follows the answer again and again.
    let repeated: [UInt8]
    /// What must come of it.
    let failures: [HTTPSFailure]
    /// Whether it ends the connection, no matter when it comes.
    let isFatal: Bool

    private init(
        _ what: String, _ answer: [UInt8], _ repeated: [UInt8] = [], _ failures: HTTPSFailure..., isFatal: Bool = false
    ) {
        testDescription = what
        self.answer = answer
        self.repeated = repeated
        self.failures = failures
        self.isFatal = isFatal
    }

    /// libcurl of Debian 13, which finds some of it in another way than that of Debian 12.
    static let isNew = LIBCURL_VERSION_NUM >= 0x08_0e_00
    private static let length = [("content-length", "5")]
    private static let good = HTTP2.head("200", length) + HTTP2.data("hello")

    private static func malformed(
        _ what: String, _ fields: [(String, String)], _ failure: HTTPSFailure = .https(.reset)
    ) -> HostileFrames {
        HostileFrames(
            what, HTTP2.frame(.headers, flags: HTTP2.endHeaders, HTTP2.block(fields)) + HTTP2.data("hello"), [],
            failure)
    }

    /// Who ignores `frames` finds a good answer behind them.
    private static func fatal(_ what: String, _ frames: [UInt8]) -> HostileFrames {
        HostileFrames(what, frames + good, [], .https(.closed), isFatal: true)
    }

    static let broken: [HostileFrames] = [
        malformed("no status", [("x", "y")], isNew ? .https(.notHTTP) : .https(.reset)),
        malformed("a status that is none", [(":status", "abc")]),
        malformed("101", [(":status", "101")]),
        malformed("two of them", [(":status", "200"), (":status", "204")]),
        malformed(
            "a status that comes late", [("x", "y"), (":status", "200")], isNew ? .https(.notHTTP) : .https(.reset)),
        malformed("a name in capitals", [(":status", "200"), ("Retry-After", "9")]),
        malformed("a header in a header", [(":status", "200"), ("x", "a\r\nretry-after: 9")]),
        malformed("what is for a connection", [(":status", "200"), ("connection", "close")]),
        malformed("two lengths", [(":status", "200"), ("content-length", "5"), ("content-length", "6")]),
        HostileFrames("less than announced", HTTP2.head("200", length) + HTTP2.data("hell"), [], .https(.reset)),
        HostileFrames("more than announced", HTTP2.head("200", length) + HTTP2.data("hello!"), [], .https(.reset)),
        HostileFrames("the end of all in an interim answer", HTTP2.head("103", end: true), [], .https(.reset)),
        // Not fatal before the client's settings, which forbid it, have arrived.
        HostileFrames(
            "an answer to what was not asked",
            HTTP2.frame(
                .push, flags: HTTP2.endHeaders,
                HTTP2.number(2)
                    + HTTP2.block([(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "a")]))
                + good,
            [], isNew ? .https(.reset) : .https(.closed)),
        // libcurl 7.88 ends neither the connection nor the request.
        HostileFrames(
            "padding beyond the frame",
            HTTP2.head() + HTTP2.frame(.data, flags: HTTP2.padded | HTTP2.endStream, [9, 1]) + good, [],
            isNew ? .https(.closed) : .https(.timedOut)),
        fatal("HTTP/1.1", Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".utf8)),
        fatal(
            "headers that nobody can read",
            HTTP2.frame(.headers, flags: HTTP2.endHeaders, [255, 255, 255, 255, 255, 255])),
        fatal("a body without headers", HTTP2.data("hello")),
        fatal("another stream", HTTP2.frame(.data, flags: 1, stream: 3, [1])),
        fatal("a window of nothing", HTTP2.frame(.window, stream: 0, HTTP2.number(0))),
        fatal("a window without bounds", HTTP2.frame(.window, stream: 0, HTTP2.number(0x7FFF_FFFF))),
        fatal("half a setting", HTTP2.frame(.settings, stream: 0, [0, 1, 2])),
        fatal("a setting that none can have", HTTP2.frame(.settings, stream: 0, [0, 2] + HTTP2.number(2))),
        fatal(
            "headers that are interrupted",
            HTTP2.frame(.headers, HTTP2.block([(":status", "200")])) + HTTP2.data("hello")),
        fatal("a frame of 16 MiB", [255, 255, 255, 0, 0, 0, 0, 0, 1]),
    ]

    static let floods: [HostileFrames] = [
        // nghttp2 1.64 ends the connection if its answers pile up first.
        HostileFrames(
            "pings", [], HTTP2.frame(.ping, stream: 0, [UInt8](repeating: 1, count: 8)), .tls(.inputLimit),
            isNew ? .https(.closed) : .tls(.inputLimit)),
        HostileFrames("settings", [], HTTP2.frame(.settings, stream: 0, [0, 3] + HTTP2.number(100)), .https(.closed)),
        HostileFrames("priorities", [], HTTP2.frame(.priority, HTTP2.number(0) + [1]), .tls(.inputLimit)),
        HostileFrames("windows", [], HTTP2.frame(.window, HTTP2.number(1)), .tls(.inputLimit)),
        HostileFrames(
            "what nobody knows", [], HTTP2.frame(.unknown, stream: 0, [UInt8](repeating: 1, count: 100)),
            .tls(.inputLimit)),
        HostileFrames("resets", [], HTTP2.frame(.reset, stream: 3, HTTP2.number(8)), .https(.closed)),
        HostileFrames("interim answers", [], HTTP2.head("103"), .https(.tooLarge)),
        HostileFrames(
            "headers", HTTP2.frame(.headers, HTTP2.block([(":status", "200")])),
            HTTP2.frame(.continuation, HTTP2.block([("x", String(repeating: "y", count: 100))])), .https(.closed)),
        HostileFrames(
            "headers of nothing", HTTP2.frame(.headers, HTTP2.block([(":status", "200")])), HTTP2.frame(.continuation),
            .https(.closed)),
        HostileFrames("data of nothing", HTTP2.head(), HTTP2.frame(.data), .tls(.inputLimit)),
        HostileFrames(
            "padding", HTTP2.head(),
            HTTP2.frame(.data, flags: HTTP2.padded, [255] + [UInt8](repeating: 0, count: 255)), .tls(.inputLimit)),
        HostileFrames(
            "trailers", HTTP2.head() + HTTP2.data("a", end: false),
            HTTP2.frame(.headers, flags: HTTP2.endHeaders, HTTP2.block([("x", "y")])), .https(.reset), .tls(.inputLimit)
        ),
        HostileFrames(
            "a body", HTTP2.head(), HTTP2.data(String(repeating: "x", count: 16_000), end: false), .https(.tooLarge)),
        // libcurl 8.14 has a limit of its own, below that of nghttp2.
        HostileFrames(
            "a header that stands for 240 MB", HTTP2.bomb(60_000, size: 4000), [],
            isNew ? .https(.tooLarge) : .https(.closed)),
    ]
}
