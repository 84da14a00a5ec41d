// SPDX-License-Identifier: Apache-2.0

import Foundation

/// HTTPS with mutual TLS whose answers a test makes itself, request by request, on a thread for each of them.
public final class ExchangeServer: @unchecked Sendable {  // what changes is guarded
    public struct Request: Sendable {
        /// The common name of the client's certificate.
        public let client: String
        /// `POST /path HTTP/1.1`
        public let line: String
        /// With the request line.
        public let head: String
        public let body: [UInt8]
    }

    /// The bytes of an answer, from the status line on. None at all ends the connection.
    public typealias Handler = @Sendable (Request) -> [UInt8]

    public let port: UInt16
    private let process: ChildProcess
    private let listener: LoopbackListener
    private let lock = NSLock()
    private var isStopping = false

    /// - Parameter givesUpHTTP2: HTTP/2 is spoken to who offers it. The requests of its first connection are given up,
    ///   and of later ones those that are large; see `exchange_server.py`.
    public init(
        _ authority: TestAuthority, identity: TestAuthority.Identity? = nil, givesUpHTTP2: Bool = false,
        _ handler: @escaping Handler
    ) throws {
        listener = try LoopbackListener(backlog: 64)
        let files = (identity ?? authority.server).files
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "exchange_server.py").path
        process = try ChildProcess(
            "python3",
            [script, files.certificate, files.key, authority.rootPath, "\(listener.port)"]
                + (givesUpHTTP2 ? ["h2"] : []))
        try process.waitForOutput(".\n", seconds: 30)
        let line = process.output.split(separator: "\n").first { $0.hasPrefix("PORT ") } ?? ""
        port = UInt16(line.dropFirst(5).dropLast()) ?? 0
        Thread.detachNewThread { [weak self, listener] in
            while self?.lock.withLock({ self?.isStopping }) == false {
                guard let socket = try? listener.accept(seconds: 0.2) else { continue }
                Thread.detachNewThread { Self.serve(socket, handler) }
            }
        }
    }

    public func stop() {
        lock.withLock { isStopping = true }
        process.stop()
    }

    /// `CONNECTION NAME resumed=… certificate=…` for each connection, `ENDED …` for those that went wrong; `HTTP/2` for
    /// one that speaks it, `TOO LARGE` for what is too large for that.
    public var output: String { process.output }

    public func waitForOutput(_ text: String, times: Int = 1) throws {
        try process.waitForOutput(text, times: times, seconds: 30)
    }

    /// An answer with a length.
    public static func answer(
        _ status: String = "200 OK", type: String = "application/cbor", headers: [String] = [], body: [UInt8] = []
    ) -> [UInt8] {
        let lines = ["HTTP/1.1 \(status)", "Content-Type: \(type)", "Content-Length: \(body.count)"] + headers
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    private static func serve(_ socket: LoopbackSocket, _ handler: Handler) {
        guard let bytes = try? socket.readToEnd(seconds: 10), let end = bytes.firstRange(of: Array("\r\n\r\n".utf8))
        else { return }
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
        let (client, rest) = (head.prefix { $0 != "\n" }, head.drop { $0 != "\n" }.dropFirst())
        let line = rest.prefix { $0 != "\r\n" }
        let request = Request(
            client: String(client), line: String(line), head: String(rest), body: Array(bytes[end.upperBound...]))
        try? socket.write(handler(request))
    }
}
