// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletCOSE
import MartletCurl
import MartletEnrolment
import MartletHTTPS
import MartletOpenSSL
import MartletPosix

/// A registrar: what it is asked, and what comes of its answers.
struct Registrar {
    private let server: ESTServer
    private let isFound: Bool
    private let own: Credential?
    private let cancellation = HTTPSCancellation()
    private var https: VerifiedHTTPS?
    /// Its clock at the last answer over a verified connection, in seconds since 1970.
    private(set) var date: Int64?

    /// - Parameters:
    ///   - isFound: whether the network proposed it.
    ///   - own: what is shown to it once it is verified.
    init(_ server: ESTServer, isFound: Bool = false, showing own: Credential? = nil) {
        self.server = server
        self.isFound = isFound
        self.own = own
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

    /// Asks over a connection that is verified by `anchors`: for a certificate with the request for it, and perhaps with
    /// the header that shows a token.
    mutating func ask(
        _ operation: ESTServer.Operation, trusting anchors: [Certificate], request wanted: CertificateRequest? = nil,
        authorization: [UInt8]? = nil
    ) throws(Failure) -> ESTAnswer {
        var request = HTTPSRequest(url: try url(operation), limits: HTTPSLimits(body: ESTAnswer.maximumBody))
        // For a few requests in a device's life what every registrar speaks is enough.
        request.offersHTTP2 = false
        if let wanted {
            let der: [UInt8]
            do throws(OpenSSLError) { der = try wanted.der } catch {
                throw Failure(.system, "OpenSSL did not encode the request")
            }
            request.body = HTTPSBody(contentType: "application/pkcs10", bytes: Base64.encoded(der.span))
        }
        if let authorization { request.headers = [HTTPSHeader(name: "Authorization", value: authorization)] }
        let https = try connection(request.url.host, anchors)
        do throws(HTTPSFailure) {
            let response = try https.perform(
                request, time: max(Self.time, own?.leaf.notBefore ?? 0), boottime: SystemClock.bootMilliseconds(),
                acceptNotYetValid: true)
            date = response.date
            return ESTAnswer(
                status: response.status, contentType: response.contentType,
                retryAfter: response.retryAfter.map { UInt64($0) }, body: response.body)
        } catch {
            switch error {
            case .tls(.certificate(let reason)):
                throw Failure(.negative, "the registrar is not trusted: ", [UInt8](reason.text))
            case .tls(let reason): throw Failure(.negative, "the registrar: ", [UInt8](reason.text))
            // The reason may get lost on the way.
            case .https(.closed) where own?.mayHaveEnded == true:
                throw Failure(.negative, "the registrar ended the connection: it may have refused the certificate")
            case .https(let reason): throw failure(reason)
            }
        }
    }

    /// Waits so many seconds. The server is verified anew after that.
    func pause(_ seconds: UInt32) throws(Failure) {
        https?.disconnect()
        try Self.wait(seconds)
    }

    static func wait(_ seconds: UInt32) throws(Failure) {
        do throws(PosixError) { try Waiter.pause(milliseconds: UInt64(seconds) * 1000) } catch {
            throw Failure(.system, "cannot wait: ", error.text)
        }
    }

    /// The certificate of a device and its intermediates, among what was issued and the authorities that the registrar told.
    static func issued(
        _ candidates: [Certificate], for key: PrivateKey, id: [UInt8], uri: [UInt8]?, anchors: [Certificate],
        time: Int64
    ) throws(Failure) -> [Certificate] {
        let chain: [Certificate]
        do throws(IssuedCertificateError) {
            // Time may be behind until a back end has told it.
            chain = try IssuedCertificate(
                among: candidates, for: key.publicKey, id: id, uri: uri, anchors: anchors, time: time,
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

    static var buildTime: Int64 { MartletVersion.buildTime / 1000 }
    /// Seconds since 1970: not before this release.
    static var time: Int64 { max(systemTime, buildTime) }
    static var systemTime: Int64 { SystemClock.unixMilliseconds() / 1000 }

    static func later(_ seconds: UInt32) -> Failure {
        var text: [UInt8] = []
        text.add(seconds)
        return Failure(.pending, "the registrar says later: run this again in ", text, " seconds")
    }

    static func certificates(_ bag: [UInt8]) throws(Failure) -> [Certificate] {
        do throws(OpenSSLError) { return try CertificateBag.certificates(in: bag.span) } catch {
            throw Failure(.negative, "the registrar's answer has no certificates that can be read (PKCS #7)")
        }
    }

    private func url(_ operation: ESTServer.Operation) throws(Failure) -> HTTPSURL {
        do throws(HTTPSError) { return try HTTPSURL(bytes: server.url(operation)) } catch { throw failure(error) }
    }

    /// The connection is kept from one request to the next.
    private mutating func connection(_ host: String, _ anchors: [Certificate]) throws(Failure) -> VerifiedHTTPS {
        if let https { return https }
        let tls: TLSContext
        do throws(OpenSSLError) {
            tls = try TLSContext(serverName: host, anchors: anchors, chain: own?.chain ?? [], key: own?.key)
        } catch {
            throw Failure(.usage, "the registrar's name is neither a DNS name nor an IP address: ", Array(host.utf8))
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
        case .invalidURL, .invalidRequest, .otherServer: return Failure(.usage, "the registrar's address: ", text)
        default:
            var detail = server.address.text
            detail.add(": ")
            return Failure(.system, "the registrar ", detail + text)
        }
    }
}

extension Onboarding {
    /// `take`, with a refusal in words.
    mutating func accept(_ answer: ESTAnswer) throws(Failure) {
        do throws(EnrolmentError) { try take(answer) } catch {
            var detail = [UInt8](error.text)
            switch error {
            case .status(let status):
                detail.add(": HTTP status ")
                detail.add(UInt32(clamping: status))
            case .unfit(_, let demanded):
                detail.add(": ")
                detail += demanded
            default: break
            }
            throw Failure(.negative, "", detail)
        }
    }
}

extension ESTServer.Operation {
    /// What asking for it is called in the output.
    var step: StaticString {
        switch self {
        case .authorities: "authorities"
        case .attributes: "attributes"
        case .enrol: "enrol"
        case .renew: "renew"
        }
    }
}
