// SPDX-License-Identifier: Apache-2.0

internal import Martlet
internal import MartletCurl
internal import MartletHTTPS
internal import MartletMessages
internal import MartletOpenSSL
internal import MartletSession

/// Why an exchange failed, in words, and how long the server wants to be left alone.
enum ExchangeFailure {
    /// Seconds that a server may ask for.
    static let pauses: ClosedRange<UInt32> = 1...3600

    static func describe(_ failure: HTTPSFailure, wasConnected: Bool) -> LinkFailure {
        switch failure {
        // What a captive portal, or a proxy that opens TLS, looks like.
        case .tls(.certificate(.untrustedIssuer)), .tls(.certificate(.selfSigned)):
            LinkFailure(
                "the server's certificate is from no anchor of ours: a captive portal? a wrong ca in [https]?"
            )
        case .tls(let reason): FailureText.describe(reason) ?? LinkFailure("TLS failed")
        case .https(.closed):
            LinkFailure(wasConnected ? "the connection was lost" : FailureText.refusedByServer)
        case .https(.proxy(let status)) where status > 0:
            FailureText.numbered("the proxy refuses the tunnel: HTTP status ", UInt64(clamping: status))
        case .https(let reason): LinkFailure(reason.text)
        }
    }

    /// Whether the next connection offers HTTP/2. Not after a failure that HTTP/1.1 alone may not have; but some servers
    /// speak HTTP/2 alone: never twice without it.
    static func offersHTTP2(after failure: HTTPSFailure, offered: Bool) -> Bool {
        switch failure {
        case .https(.reset), .https(.closed), .https(.notHTTP), .https(.timedOut): !offered
        default: true
        }
    }

    /// Of a status that is not 200.
    static func describe(_ response: HTTPSResponse) -> LinkFailure {
        let text: StaticString
        switch response.status {
        case 300..<400: text = "the server redirects, which is never followed; check url in [https]: HTTP status "
        case 401, 403: text = "the server does not accept this device's credentials: HTTP status "
        case 404, 405: text = "the server knows no exchange; check url in [https]: HTTP status "
        case 413: text = "the server takes no exchange of any size: HTTP status "
        case 429, 503: text = "the server has too much to do: HTTP status "
        default: text = "the server does not take the exchange: HTTP status "
        }
        var pause: UInt64 = 0
        if response.status == 429 || response.status == 503, let seconds = response.retryAfter {
            pause = UInt64(min(max(seconds, pauses.lowerBound), pauses.upperBound)) * 1000
        }
        return LinkFailure(text: FailureText.numbered(text, UInt64(clamping: response.status)).text, pause: pause)
    }

    static let noExchange: StaticString = "the server's answer is no exchange: check url in [https]"

    /// What a response of status 200 holds, with a code for each message of the request; nil if it is no such thing.
    static func answer(in response: HTTPSResponse, codes: Int) -> Exchange.Answer? {
        guard isCBOR(response.contentType), let answer = try? Exchange.Answer(decoding: response.body.span),
            answer.codes.count == codes
        else { return nil }
        return answer
    }

    /// Whether it is `application/cbor`, with whatever parameters.
    private static func isCBOR(_ contentType: [UInt8]) -> Bool {
        let wanted: StaticString = "application/cbor"
        guard contentType.count >= wanted.utf8CodeUnitCount else { return false }
        for index in 0..<wanted.utf8CodeUnitCount {
            let byte = contentType[index]
            let lower = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            if lower != wanted.utf8Start[index] { return false }
        }
        return contentType.count == wanted.utf8CodeUnitCount
            || [UInt8(ascii: ";"), UInt8(ascii: " ")].contains(contentType[wanted.utf8CodeUnitCount])
    }
}
