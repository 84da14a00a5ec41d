// SPDX-License-Identifier: Apache-2.0

package import Martlet
internal import MartletCurl
internal import MartletHTTPS
internal import MartletINI
package import MartletMessages
package import MartletOpenSSL
internal import MartletPosix
internal import MartletSession

/// Why there was no exchange.
package struct ExchangeError: Error {
    /// Where, and why.
    package let text: [UInt8]
    /// Whether the server, verified, refused the certificate, or what it was shown beside it.
    package let isRefusal: Bool
}

/// Exchanges of who speaks for a device beside its program; each waits for its answer. What the back end has for the
/// device stays there, since no mark is repeated.
///
/// Used by one thread.
package final class ExchangeConnection {
    /// Milliseconds for which a server may put an exchange off.
    private static let patience: UInt64 = 30_000

    /// The URN in the certificate that is shown.
    package let issuer: [UInt8]
    private let settings: HTTPSSettings
    private let tls: TLSContext
    private var https: VerifiedHTTPS?
    /// Whether the server has answered.
    private var isConnected = false
    private var offersHTTP2 = true
    /// The clock of the verified server at its last answer, in seconds since 1970.
    private var serverTime: Int64?

    /// - Parameters:
    ///   - configuration: says by `[https]` where the server is.
    ///   - anchors: the only authorities that its certificate may come from, unless `[https]` names others.
    ///   - chain: the certificate to show, leaf first.
    ///   - key: its key.
    package init(
        _ configuration: Configuration, anchors: [Certificate], chain: [Certificate], key: PrivateKey
    ) throws(MartletError) {
        guard let section = configuration.https else { throw MartletError(.configuration, "no [https]") }
        let settings = try HTTPSSettings(section, configuration, anchors: anchors, chain: chain, key: key)
        do throws(OpenSSLError) {
            tls = try TLSContext(serverName: settings.url.host, anchors: settings.anchors, chain: chain, key: key)
        } catch {
            throw configuration.fault(section.line) {
                $0.text("TLS cannot be set up with this key, these certificates, and the server's name ")
                $0.untrusted(settings.url.host)
            }
        }
        self.settings = settings
        issuer = chain.first?.uris.first ?? []
    }

    /// The code that the back end gives a message. Without one it is 0: the server takes the certificate.
    package func send(_ message: Exchange.Message?) throws(ExchangeError) -> UInt8 {
        let messages = message.map { [$0] } ?? []
        guard let body = Exchange.Request(wait: 0, messages: messages, mark: 0).encoded() else {
            throw failure(LinkFailure("the message is too large for an exchange"))
        }
        let end = SystemClock.bootMilliseconds() + Self.patience
        var knewTime = serverTime != nil || !settings.signsToken
        var response = try post(body)
        while response.status != 200 {
            let reason = ExchangeFailure.describe(response)
            if response.status == 401, !knewTime, serverTime != nil {
                // Perhaps a token of a clock that nobody has set.
                knewTime = true
            } else if reason.pause > 0, SystemClock.bootMilliseconds() + reason.pause <= end {
                do throws(PosixError) { try Waiter.pause(milliseconds: reason.pause) } catch {
                    throw failure(LinkFailure(text: error.text))
                }
            } else {
                throw failure(reason, isRefusal: response.status == 401 || response.status == 403)
            }
            response = try post(body)
        }
        guard let answer = ExchangeFailure.answer(in: response, codes: messages.count) else {
            throw failure(LinkFailure(ExchangeFailure.noExchange))
        }
        return answer.codes.first ?? 0
    }

    private func post(_ body: [UInt8]) throws(ExchangeError) -> HTTPSResponse {
        let now = TimeSample.now()
        let time = DeviceClock(buildTime: MartletVersion.buildTime).verificationTime(now)
        let headers: [HTTPSHeader]
        do throws(MartletError) { headers = try settings.headers(serverTime ?? time) } catch {
            throw failure(LinkFailure(text: error.message.bytes))
        }
        let https: VerifiedHTTPS
        do throws(HTTPSError) { https = try connection() } catch { throw failure(LinkFailure(error.text)) }
        do throws(HTTPSFailure) {
            // As the device itself before its first resume: a board may have no clock.
            var request = settings.request(body, headers, wait: 0)
            request.offersHTTP2 = offersHTTP2
            let response = try https.perform(request, time: time, boottime: now.boot, acceptNotYetValid: true)
            isConnected = true
            if let date = response.date { serverTime = date }
            return response
        } catch {
            if offersHTTP2, error == .https(.reset) {
                offersHTTP2 = false
                return try post(body)
            }
            let isRefusal = if case .tls(.certificateRefused) = error { tls.hasServerProof } else { false }
            throw failure(ExchangeFailure.describe(error, wasConnected: isConnected), isRefusal: isRefusal)
        }
    }

    /// It is kept from one exchange to the next.
    private func connection() throws(HTTPSError) -> VerifiedHTTPS {
        if let https { return https }
        let new = try VerifiedHTTPS(tls: tls, cancellation: HTTPSCancellation(), proxy: settings.proxy)
        https = new
        return new
    }

    private func failure(_ reason: LinkFailure, isRefusal: Bool = false) -> ExchangeError {
        var line = LogLine()
        line.untrusted(settings.url.bytes)
        line.text(": ")
        line.untrusted(reason.text)
        if reason.pause > 0 {
            line.text("; it is to be left alone for ")
            line.number(reason.pause / 1000)
            line.text(" s")
        }
        return ExchangeError(text: line.bytes, isRefusal: isRefusal)
    }
}
