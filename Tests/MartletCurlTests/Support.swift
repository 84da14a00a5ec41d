// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCurl
import MartletHTTPS
import MartletOpenSSL
import TestSupport

/// A client with its TLS context, for the server names and clocks of a test.
final class Client {
    let tls: TLSContext
    let https: VerifiedHTTPS
    let cancellation = HTTPSCancellation()
    var time = Int64(Date().timeIntervalSince1970)
    var acceptNotYetValid = false

    init(
        _ name: String = "localhost", trusting authority: TestAuthority, as identity: TestAuthority.Identity? = nil,
        isRegistrar: Bool = false
    ) throws {
        tls = try TLSContext(
            serverName: name, anchors: [authority.authority.certificate],
            chain: identity.map { [$0.certificate] } ?? [], key: identity?.key)
        https = try VerifiedHTTPS(tls: tls, cancellation: cancellation, isRegistrar: isRegistrar)
    }

    func perform(_ request: HTTPSRequest) throws(HTTPSFailure) -> HTTPSResponse {
        try https.perform(request, time: time, boottime: 0, acceptNotYetValid: acceptNotYetValid)
    }

    /// GET, or POST of `body`.
    func fetch(
        _ url: String, headers: [HTTPSHeader] = [], body: HTTPSBody? = nil, limits: HTTPSLimits = HTTPSLimits()
    ) throws -> HTTPSResponse {
        try perform(HTTPSRequest(url: HTTPSURL(url), headers: headers, body: body, limits: limits))
    }

    /// Why there was no answer; nil if there was one.
    func failure(
        _ url: String, headers: [HTTPSHeader] = [], body: HTTPSBody? = nil, limits: HTTPSLimits = HTTPSLimits()
    ) throws -> HTTPSFailure? {
        let request = try HTTPSRequest(url: HTTPSURL(url), headers: headers, body: body, limits: limits)
        do throws(HTTPSFailure) {
            _ = try perform(request)
            return nil
        } catch { return error }
    }
}

/// `DNS:localhost` at a port.
func url(_ port: UInt16, _ path: String = "/") -> String { "https://localhost:\(port)\(path)" }

func body(_ count: Int) -> HTTPSBody {
    HTTPSBody(contentType: "a/b", bytes: [UInt8](repeating: 0x78, count: count))
}

/// Why a request failed, and after how many seconds.
func timed(_ body: () throws -> HTTPSFailure?) throws -> (HTTPSFailure?, Double) {
    let start = Date()
    let failure = try body()
    return (failure, Date().timeIntervalSince(start))
}
