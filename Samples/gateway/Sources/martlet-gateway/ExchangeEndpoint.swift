// SPDX-License-Identifier: Apache-2.0

import MartletController

/// A request to the HTTPS endpoint.
struct ExchangeRequest: Sendable {
    var method: String
    /// As it was sent, without a query.
    var path: String
    var contentType: String
    var authorization = ""
    /// The device's certificate in PEM, whose key the client, or that of the edge, proved to have; empty: none.
    var certificate: [UInt8]
    var body: [UInt8]
}

struct ExchangeResponse: Equatable, Sendable {
    let status: Int
    var headers: [(String, String)] = []
    var body: [UInt8] = []

    /// For people.
    fileprivate init(_ status: Int, _ text: String, _ headers: [(String, String)] = []) {
        self.status = status
        self.headers = headers + [("Content-Type", "text/plain")]
        if status == 401 { self.headers.append(("WWW-Authenticate", "Bearer")) }
        body = Array((text + "\n").utf8)
    }

    fileprivate init(_ answer: [UInt8]) {
        status = 200
        headers = [("Content-Type", ExchangeEndpoint.contentType)]
        body = answer
    }

    static func == (a: ExchangeResponse, b: ExchangeResponse) -> Bool {
        a.status == b.status && a.body == b.body && a.headers.elementsEqual(b.headers, by: ==)
    }
}

/// Decides whose exchange it is, and has it made.
struct ExchangeEndpoint: Sendable {
    static let contentType = "application/cbor"

    private let anchors: [Certificate]
    private let registry: Registry
    private let bridge: ExchangeBridge
    private let audience: String?

    /// With an `audience`, each exchange must show a token that its device signed for that.
    init(_ directory: GatewayDirectory, _ bridge: ExchangeBridge, audience: String? = nil) throws(Failure) {
        anchors = try directory.certificates(GatewayDirectory.File.authority)
        registry = try Registry(directory)
        self.bridge = bridge
        self.audience = audience
    }

    func answer(_ request: ExchangeRequest) async -> ExchangeResponse {
        guard let device = Self.device(in: request.path) else { return ExchangeResponse(404, "not an exchange") }
        if request.method != "POST" { return ExchangeResponse(405, "exchanges are posted", [("Allow", "POST")]) }
        let time = SystemClock.unixMilliseconds() / 1000
        if Party.isReserved(device) { return refuse(device, 403, "a part of the back end is no device") }
        guard let certificate = certificate(of: device, request.certificate, time) else {
            return refuse(device, 403, "the certificate is not that of the device in the path")
        }
        if let audience {
            let token = DeviceToken(authorization: request.authorization)
            guard let token, token.isGood(for: certificate, audience: audience, at: time) else {
                return refuse(device, 401, "no token of the device for this endpoint and time")
            }
        }
        if isBarred(device) { return refuse(device, 403, "the device is suspended or retired") }
        let type = request.contentType.prefix { $0 != ";" && $0 != " " }.lowercased()
        if type != Self.contentType { return refuse(device, 415, "exchanges are \(Self.contentType)") }
        if request.body.count > Exchange.maximumSize { return refuse(device, 413, "too large") }
        guard let content = try? Exchange.Request(decoding: request.body.span) else {
            return refuse(device, 400, "malformed")
        }
        if bridge.mustReconnect(Array(device.utf8), mark: content.mark) {
            return ExchangeResponse(503, "the gateway was started anew: connect again", [("Retry-After", "1")])
        }
        guard let answer = await bridge.exchange(content, from: Array(device.utf8))?.encoded() else {
            return ExchangeResponse(
                503, "the broker cannot be reached", [("Retry-After", String(WebServerFiles.pause))])
        }
        return ExchangeResponse(answer)
    }

    private func refuse(_ device: String, _ status: Int, _ reason: String) -> ExchangeResponse {
        bridge.note("an exchange of \(device) was refused (\(status)): \(reason)")
        return ExchangeResponse(status, reason)
    }

    /// Of a damaged entry nobody knows that the device is not.
    private func isBarred(_ device: String) -> Bool {
        do throws(Failure) { return try registry.entry(device)?.state.isBarred ?? false } catch { return true }
    }

    /// The device level of `/<prefix>/<device id>/exchange`.
    private static func device(in path: String) -> String? {
        let (prefix, suffix) = ("/\(BrokerFiles.prefix)/", "/exchange")
        guard path.utf8.count <= 256, path.hasPrefix(prefix), path.hasSuffix(suffix),
            path.utf8.count > prefix.utf8.count + suffix.utf8.count
        else { return nil }
        let device = String(path.dropFirst(prefix.count).dropLast(suffix.count))
        return DeviceID.isValid(Array(device.utf8).span) ? device : nil
    }

    /// nginx has judged the certificate of whoever connected; that which the edge tells is judged here.
    private func certificate(of device: String, _ pem: [UInt8], _ time: Int64) -> Certificate? {
        guard let own = try? Certificate.all(inPEM: pem.span).first, own.commonName == Array(device.utf8),
            (try? CertificateChain.verify(own, anchors: anchors, at: time, purpose: .client)) != nil
        else { return nil }
        return own
    }
}
