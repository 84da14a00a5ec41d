// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCurl
import MartletEnrolment
import MartletHTTPS
import MartletOpenSSL
import MartletPosix

/// The registrar of one label: what it is asked, and what comes of its answers.
struct Registrar {
    private let server: ESTServer
    private let isFound: Bool
    private let label: EnrolmentLabel
    private let key: PrivateKey
    private let cancellation = HTTPSCancellation()
    private var https: VerifiedHTTPS?

    init(_ servers: Servers, _ label: EnrolmentLabel, _ key: PrivateKey) {
        server = servers.registrar
        isFound = servers.isRegistrarFound
        self.label = label
        self.key = key
    }

    /// The authorities, from whoever answers: worth nothing but for `anchor`.
    func bootstrap() throws(Failure) -> ESTAnswer {
        let url = try url(.authorities)
        do throws(HTTPSError) {
            let body = try UnverifiedFetch.get(url, cancellation: cancellation)
            // Whatever type it says: the fingerprint decides.
            return ESTAnswer(
                status: 200, contentType: [UInt8]("application/pkcs7-mime"), retryAfter: nil, body: body)
        } catch {
            if case .status(let status) = error {
                return ESTAnswer(status: status, contentType: [], retryAfter: nil, body: [])
            }
            throw failure(error)
        }
    }

    /// The certificate whose fingerprint the label has.
    static func anchor(in bag: [UInt8], _ label: EnrolmentLabel) throws(Failure) -> Certificate {
        for certificate in try certificates(bag) {
            if let fingerprint = try? certificate.sha256, Digest(fingerprint) == label.authority { return certificate }
        }
        throw Failure(
            .negative, "the one who answers is not the label's registrar: no certificate has the fingerprint ca. ",
            [], "Is the label old, or est wrong?")
    }

    /// Asks over a connection that is verified by `anchors`. The token goes with a request for a certificate alone.
    mutating func ask(_ operation: ESTServer.Operation, trusting anchors: [Certificate]) throws(Failure) -> ESTAnswer {
        var request = HTTPSRequest(url: try url(operation), limits: HTTPSLimits(body: ESTAnswer.maximumBody))
        if operation == .enrol {
            request.body = HTTPSBody(contentType: "application/pkcs10", bytes: try certificateRequest())
            if let authorization = label.authorization {
                request.headers = [HTTPSHeader(name: "Authorization", value: authorization)]
            }
        }
        let https = try connection(request.url.host, anchors)
        do throws(HTTPSFailure) {
            let response = try https.perform(
                request, time: Self.time, boottime: SystemClock.bootMilliseconds(), acceptNotYetValid: true)
            return ESTAnswer(
                status: response.status, contentType: response.contentType,
                retryAfter: response.retryAfter.map { UInt64($0) }, body: response.body)
        } catch {
            switch error {
            case .tls(.certificate(let reason)):
                throw Failure(.negative, "the registrar is not trusted: ", [UInt8](reason.text))
            case .tls(let reason): throw Failure(.negative, "the registrar: ", [UInt8](reason.text))
            case .https(let reason): throw failure(reason)
            }
        }
    }

    /// Waits so many seconds. The server is verified anew after that.
    func pause(_ seconds: UInt32) throws(Failure) {
        https?.disconnect()
        do throws(PosixError) {
            let waiter = try Waiter()
            let end = SystemClock.bootMilliseconds() + UInt64(seconds) * 1000
            while case let now = SystemClock.bootMilliseconds(), now < end {
                _ = waiter.wait(socket: -1, writing: false, milliseconds: end - now)
            }
        } catch { throw Failure(.system, "cannot wait: ", error.text) }
    }

    /// The device's certificate and its intermediates, from what was issued; the authorities that the registrar told
    /// may be among them.
    func issued(
        _ bag: [UInt8], _ authorities: [Certificate], _ anchors: [Certificate]
    ) throws(Failure) -> [Certificate] {
        let candidates = try Self.certificates(bag) + authorities
        let chain: [Certificate]
        do throws(IssuedCertificateError) {
            // Time may be behind until a back end has told it.
            chain = try IssuedCertificate(
                among: candidates, for: key.publicKey, id: label.id, uri: nil, anchors: anchors, time: Self.time,
                isTimeTrusted: false
            ).chain
        } catch {
            throw Failure(.negative, "the certificate that the registrar issued is refused: ", [UInt8](error.text))
        }
        let der = chain.compactMap { try? $0.der }
        guard der.count == chain.count, DeviceFiles.areUsable(chain: der, uri: chain.first?.uris.first ?? []) else {
            throw Failure(
                .negative, "the certificate that the registrar issued is refused: ", [],
                "its URN has more than 128 bytes, or its chain more than 4 certificates or 12 KiB")
        }
        return chain
    }

    /// Seconds since 1970: not before this release.
    static var time: Int64 { max(systemTime, Tool.buildTime) }
    static var systemTime: Int64 { SystemClock.unixMilliseconds() / 1000 }

    static func certificates(_ bag: [UInt8]) throws(Failure) -> [Certificate] {
        do throws(OpenSSLError) { return try CertificateBag.certificates(in: bag.span) } catch {
            throw Failure(.negative, "the registrar's answer has no certificates that can be read (PKCS #7)")
        }
    }

    private func url(_ operation: ESTServer.Operation) throws(Failure) -> HTTPSURL {
        do throws(HTTPSError) { return try HTTPSURL(bytes: server.url(operation)) } catch { throw failure(error) }
    }

    private func certificateRequest() throws(Failure) -> [UInt8] {
        do throws(OpenSSLError) {
            let id = String(decoding: label.id, as: UTF8.self)
            let request = try CertificateRequest(key: key, commonName: id, uri: nil).der
            return Base64.encoded(request.span)
        } catch { throw Failure(.system, "OpenSSL made no request") }
    }

    /// The connection is kept from one request to the next.
    private mutating func connection(_ host: String, _ anchors: [Certificate]) throws(Failure) -> VerifiedHTTPS {
        if let https { return https }
        let tls: TLSContext
        do throws(OpenSSLError) { tls = try TLSContext(serverName: host, anchors: anchors) } catch {
            throw Failure(.usage, "est in the label is neither a DNS name nor an IP address: ", Array(host.utf8))
        }
        do throws(HTTPSError) {
            let new = try VerifiedHTTPS(tls: tls, cancellation: cancellation, isRegistrar: isFound)
            https = new
            return new
        } catch { throw failure(error) }
    }

    private func failure(_ error: HTTPSError) -> Failure {
        let text = [UInt8](error.text)
        switch error {
        case .tls, .notHTTP, .tooLarge, .status: return Failure(.negative, "the registrar: ", text)
        case .invalidURL, .invalidRequest, .otherServer: return Failure(.usage, "est in the label: ", text)
        default:
            var detail = server.address.text
            detail.add(": ")
            return Failure(.system, "the registrar ", detail + text)
        }
    }
}
