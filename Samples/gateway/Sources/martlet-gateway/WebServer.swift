// SPDX-License-Identifier: Apache-2.0

import FlyingFox
import Foundation
import Glibc
import MartletController

/// Registrar and HTTPS endpoint on the network: one nginx of our own, and behind its sockets in the gateway's directory
/// what decides.
final class WebServer {
    /// What answers, and the port that is asked for; nil: that of the last time, or a free one.
    typealias Part<Answerer> = (answerer: Answerer, port: UInt16?)

    let registrarPort: UInt16?
    let httpsPort: UInt16?
    private let services: [LocalServer]
    private let nginx: ServerProcess

    /// Starts all and returns when they listen.
    init(
        _ directory: GatewayDirectory, listen: String, registrar: Part<Registrar>?, exchanges: Part<ExchangeEndpoint>?
    ) throws(Failure) {
        typealias File = GatewayDirectory.File
        if access(directory.place(File.registrar), F_OK) != 0 {
            throw Failure(
                "\(directory.place(File.registrar)): missing: this gateway was made before there was a registrar: make "
                    + "another one, or go on without: --no-registrar --no-https")
        }
        var (registrarPort, httpsPort): (UInt16?, UInt16?)
        var services: [LocalServer] = []
        if let registrar {
            registrarPort = try Sockets.port(registrar.port, or: directory.registrarPort, option: "--est-port")
            services.append(
                try LocalServer(
                    directory, File.registrarSocket, seconds: 15, handler: ESTHandler(registrar: registrar.answerer)))
        }
        if let exchanges {
            httpsPort = try Sockets.port(exchanges.port, or: directory.httpsPort, option: "--https-port")
            services.append(
                try LocalServer(
                    directory, File.exchangeSocket, seconds: Double(Exchange.maximumWait) + 15,
                    handler: ExchangeHandler(endpoint: exchanges.answerer)))
        }
        (self.registrarPort, self.httpsPort, self.services) = (registrarPort, httpsPort, services)
        _ = try directory.directory("nginx-temporary")
        try directory.replace(
            File.webServerConfiguration,
            WebServerFiles.configuration(
                directory: directory.absolutePath(), listen: listen, registrar: registrarPort, https: httpsPort,
                isRoot: getuid() == 0))
        nginx = try ServerProcess(
            "nginx",
            ["-p", directory.absolutePath() + "/", "-c", File.webServerConfiguration, "-e", File.webServerLog],
            log: directory.place(File.webServerLog),
            advice: "install it (Debian: apt install nginx), or go on without enrolment and HTTPS: --no-registrar "
                + "--no-https")
        for (port, file) in [(registrarPort, File.registrarPort), (httpsPort, File.httpsPort)] {
            guard let port else { continue }
            try nginx.awaitListening(port)
            try directory.replace(file, "\(port)\n")
        }
    }

    func requireRunning() throws(Failure) {
        try nginx.requireRunning()
        for service in services { try service.requireRunning() }
    }

    func stop() {
        nginx.stop()
        for service in services { service.stop() }
    }
}

extension HTTPRequest {
    /// The certificate in PEM that the client has shown, as nginx tells it; empty: none.
    fileprivate var certificate: [UInt8] {
        Array((headers[HTTPHeader(WebServerFiles.certificateHeader)]?.removingPercentEncoding ?? "").utf8)
    }
}

extension HTTPResponse {
    fileprivate init(_ status: Int, _ headers: [(String, String)], _ body: [UInt8]) {
        let headers = Dictionary(uniqueKeysWithValues: headers.map { (HTTPHeader($0), $1) })
        self.init(
            statusCode: HTTPStatusCode(status, phrase: ""), headers: HTTPHeaders(headers), body: Data(body))
    }
}

private struct ESTHandler: HTTPHandler {
    let registrar: Registrar

    func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
        let answer = await registrar.answer(
            ESTRequest(
                method: request.method.rawValue, path: request.target.path(),
                contentType: request.headers[.contentType] ?? "", authorization: request.headers[.authorization] ?? "",
                certificate: request.certificate, body: [UInt8](try await request.bodyData)),
            at: SystemClock.unixMilliseconds() / 1000)
        return HTTPResponse(answer.status, answer.headers.map { ($0, $1) }, answer.body)
    }
}

private struct ExchangeHandler: HTTPHandler {
    let endpoint: ExchangeEndpoint

    func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
        let answer = await endpoint.answer(
            ExchangeRequest(
                method: request.method.rawValue, path: request.target.path(),
                contentType: request.headers[.contentType] ?? "", authorization: request.headers[.authorization] ?? "",
                certificate: request.certificate, body: [UInt8](try await request.bodyData)))
        return HTTPResponse(answer.status, answer.headers, answer.body)
    }
}
