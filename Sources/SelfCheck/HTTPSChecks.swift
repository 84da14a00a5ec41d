// SPDX-License-Identifier: Apache-2.0

import MartletCurl
import MartletEnvelope
import MartletMessages

/// What HTTPS reads without a connection.
enum HTTPSChecks {
    static var all: [Check] {
        [
            Check("HTTPS: URLs that say who the server is; others are refused", urls),
            Check("HTTPS: dates beyond 2038 and 2106; what is none is refused", dates),
            Check("HTTPS: exchanges are read and written; prefixes, longer and damaged ones are refused", exchanges),
            Check("HTTPS: a port where nobody listens is told by libcurl, if the machine has it", client),
        ]
    }

    private static func urls() throws(Failure) {
        let url = try require(try? HTTPSURL("https://est.example:8443/.well-known/est?x"), "a URL")
        try require([UInt8](url.host.utf8) == bytes("est.example"), "the host")
        try require(url.port == 8443, "the port")
        let address = try require(try? HTTPSURL("https://[fe80::1]"), "an address")
        try require([UInt8](address.host.utf8) == bytes("fe80::1"), "the address")
        try require(address.port == 443, "the usual port")
        for text in [
            "", "https://", "http://a/", "https://a@b/", "https://a/#b", "https://a b/", "https://a:65536/",
            "https://a:4294967297/", "https://[::1/", "https://a\0/",
        ] { try require((try? HTTPSURL(text)) == nil, "what is no https URL") }
    }

    private static func exchanges() throws(Failure) {
        // [20, [["telemetry", h'010203'], ["presence", h'']], 24]
        let request = bytes(hex: "8314828269 74656c656d65747279 4301020382 68 70726573656e6365 401818")
        let read = try require(try? Exchange.Request(decoding: request.span), "a request")
        try require(read.wait == 20 && read.mark == 24 && read.messages.count == 2, "what it says")
        try require(read.messages[0].bytes == bytes(hex: "010203"), "its message")
        try require(read.encoded() == request, "the same bytes")
        // [[0, 151], [["command", h'09']], 4294967296]
        let answer = bytes(hex: "83820018978182 67 636f6d6d616e64 41091b0000000100000000")
        let told = try require(try? Exchange.Answer(decoding: answer.span), "an answer")
        try require(told.codes == [0, 151] && told.mark == 1 << 32 && told.messages.count == 1, "what it tells")
        try require(told.encoded() == answer, "the same bytes again")
        for whole in [request, answer] {
            for count in 0..<whole.count {
                let part = whole.span.extracting(..<count)
                try require((try? Exchange.Request(decoding: part)) == nil, "a part", number: Int64(count))
                try require((try? Exchange.Answer(decoding: part)) == nil, "a part", number: Int64(count))
            }
            let longer = whole + [0]
            try require((try? Exchange.Request(decoding: longer.span)) == nil, "a byte too many")
            try require((try? Exchange.Answer(decoding: longer.span)) == nil, "a byte too many")
            for index in 0..<whole.count * 8 {
                var damaged = whole
                damaged[index / 8] ^= 1 << UInt8(index % 8)
                // It is another one, or none: what is read is what would be written.
                if let other = try? Exchange.Request(decoding: damaged.span), let again = other.encoded() {
                    try require(again == damaged, "a second form", number: Int64(index))
                }
                if let other = try? Exchange.Answer(decoding: damaged.span), let again = other.encoded() {
                    try require(again == damaged, "a second form", number: Int64(index))
                }
            }
        }
    }

    private static func client() throws(Failure) {
        do throws(HTTPSError) {
            let client = try HTTPSClient(cancellation: HTTPSCancellation())
            let request = try HTTPSRequest(url: HTTPSURL("https://127.0.0.1:1/"))
            _ = try client.perform(request, NoPolicy())
        } catch {
            switch error {
            // 111 is ECONNREFUSED.
            case .connect(errno: 111): return
            case .libraryMissing: return note("libcurl on this machine", 0)
            default: break
            }
        }
        throw Failure(why: "no refused connection")
    }

    private static func dates() throws(Failure) {
        let known: [(StaticString, Int64)] = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Tue, 19 Jan 2038 03:14:08 GMT", 1 << 31),
            ("Sun, 07 Feb 2106 06:28:16 GMT", 1 << 32), ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ]
        for (text, seconds) in known {
            let text = bytes(text)
            try require(HTTPDate.seconds(text.span) == seconds, "date", number: seconds)
            for count in 0..<text.count {
                try require(HTTPDate.seconds(text.span.extracting(..<count)) == nil, "a part of a date")
            }
        }
        let none = bytes("Tue, 30 Feb 2038 03:14:08 GMT")
        try require(HTTPDate.seconds(none.span) == nil, "a day that does not exist")
    }
}

private final class NoPolicy: HTTPSPolicy {
    func configure(_ context: UnsafeMutableRawPointer) -> Bool { false }
    func received() {}
}
