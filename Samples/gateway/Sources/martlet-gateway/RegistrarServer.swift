// SPDX-License-Identifier: Apache-2.0

import FlyingFox
import FlyingSocks
import Foundation
import Glibc
import MartletController
import Synchronization

/// The registrar on the network: an nginx of our own, and behind its socket in the gateway's directory what decides.
final class RegistrarServer {
    let port: UInt16
    private let directory: GatewayDirectory
    private let service: ESTService
    private let webServer: ServerProcess

    /// Starts both and returns when they listen. `port` nil: that of the last time, or a free one.
    init(
        _ directory: GatewayDirectory, listen: String, port requested: UInt16?, _ rules: Registrar.Rules,
        report: @escaping @Sendable (RegistrarEvent) -> Void
    ) throws(Failure) {
        typealias File = GatewayDirectory.File
        self.directory = directory
        if access(directory.place(File.registrar), F_OK) != 0 {
            throw Failure(
                "\(directory.place(File.registrar)): missing: this gateway was made before there was a registrar: make "
                    + "another one, or go on without: --no-registrar")
        }
        port = try Sockets.port(requested, or: directory.registrarPort, option: "--est-port")
        _ = try directory.directory("nginx-temporary")
        try directory.replace(
            File.webServerConfiguration,
            WebServerFiles.configuration(
                directory: directory.absolutePath(), listen: listen, port: port, isRoot: getuid() == 0))
        service = try ESTService(directory, Registrar(directory, rules, report: report))
        webServer = try ServerProcess(
            "nginx",
            ["-p", directory.absolutePath() + "/", "-c", File.webServerConfiguration, "-e", File.webServerLog],
            log: directory.place(File.webServerLog),
            advice: "install it (Debian: apt install nginx), or let no device enrol: --no-registrar")
        try webServer.awaitListening(port)
        try directory.replace(File.registrarPort, "\(port)\n")
    }

    func requireRunning() throws(Failure) {
        try webServer.requireRunning()
        if service.hasEnded { throw Failure("the registrar ended by itself: are there too many open files?") }
    }

    func stop() {
        webServer.stop()
        service.stop()
    }
}

/// Answers what nginx passes on.
private final class ESTService: Sendable {
    private let socket: String
    private let end = End()
    private let task: Task<Void, Never>

    init(_ directory: GatewayDirectory, _ registrar: Registrar) throws(Failure) {
        socket = directory.place(GatewayDirectory.File.socket)
        // Of a run that was killed; nobody uses it, since a run holds the lock.
        unlink(socket)
        // Paths of sockets have at most 107 bytes; this one is short wherever the directory is.
        let folder = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw Failure("\(directory.path): open: \(String(cString: strerror(errno)))") }
        defer { close(folder) }
        let server = HTTPServer(
            address: .unix(path: "/proc/self/fd/\(folder)/\(GatewayDirectory.File.socket)"),
            // The usual one writes to standard output.
            logger: DisabledLogger.disabled, handler: ESTHandler(registrar: registrar))
        task = Task.detached { [end] in
            try? await server.run()
            end.isHere.withLock { $0 = true }
        }
        for _ in 0..<500 where access(socket, F_OK) != 0 { usleep(10_000) }
        if access(socket, F_OK) != 0 {
            task.cancel()
            throw Failure("\(socket): not made within 5 seconds")
        }
    }

    deinit { stop() }

    var hasEnded: Bool { end.isHere.withLock { $0 } }

    func stop() {
        task.cancel()
        unlink(socket)
    }
}

private final class End: Sendable {
    let isHere = Mutex(false)
}

private struct ESTHandler: HTTPHandler {
    let registrar: Registrar

    func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
        let certificate = request.headers[HTTPHeader(WebServerFiles.certificateHeader)]?.removingPercentEncoding
        let answer = await registrar.answer(
            ESTRequest(
                method: request.method.rawValue, path: request.target.path(),
                contentType: request.headers[.contentType] ?? "", authorization: request.headers[.authorization] ?? "",
                certificate: Array((certificate ?? "").utf8), body: [UInt8](try await request.bodyData)),
            at: SystemClock.unixMilliseconds() / 1000)
        let headers = Dictionary(uniqueKeysWithValues: answer.headers.map { (HTTPHeader($0), $1) })
        return HTTPResponse(
            statusCode: HTTPStatusCode(answer.status, phrase: ""), headers: HTTPHeaders(headers),
            body: Data(answer.body))
    }
}
