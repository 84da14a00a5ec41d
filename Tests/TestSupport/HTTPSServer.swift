// SPDX-License-Identifier: Apache-2.0

import Foundation

/// An HTTPS server whose answers a test writes itself, `https_server.py`: a process of its own, which tells everything
/// that arrives.
public final class HTTPSServer: Sendable {
    public let port: UInt16
    private let process: ChildProcess
    private let folder: URL

    /// - Parameters:
    ///   - identity: the server's; the authority's own server unless given.
    ///   - files: the server's, in the authority's folder, instead of `identity`.
    ///   - asksFor: the authority of the clients' certificates; nil: none is asked for.
    ///   - takesEnded: also certificates that have ended.
    ///   - takesNone: also clients without a certificate.
    public init(
        _ authority: TestAuthority, identity: TestAuthority.Identity? = nil, files: CertificateFiles? = nil,
        asksFor clients: TestAuthority? = nil, takesEnded: Bool = false, takesNone: Bool = false
    ) throws {
        folder = authority.folder
        let files = files ?? (identity ?? authority.server).files
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "https_server.py").path
        var arguments = [script, files.certificate, files.key]
        if let clients { arguments.append(clients.rootPath) }
        if takesEnded { arguments.append("ended") } else if takesNone { arguments.append("optional") }
        process = try ChildProcess("python3", arguments)
        try process.waitForOutput(".\n", seconds: 30)
        let line = process.output.split(separator: "\n").first { $0.hasPrefix("PORT ") } ?? ""
        port = UInt16(line.dropFirst(5).dropLast()) ?? 0
    }

    /// What a request for `/NAME` gets, from the status line on. The authority must still be there.
    public func answer(_ name: String, with text: String) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
    }

    /// The same with status 200 and a length.
    public func answer(_ name: String, headers: [String] = [], body: String) throws {
        let head = ["HTTP/1.1 200 OK", "Content-Length: \(body.utf8.count)"] + headers
        try answer(name, with: head.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    /// What it said so far: see `https_server.py`.
    public var output: String { process.output }

    public func waitForOutput(_ text: String, times: Int = 1, seconds: Double = 10) throws {
        try process.waitForOutput(text, times: times, seconds: seconds)
    }

    /// Waits until `output` has everything that was answered before: by a connection of its own, without TLS, which the
    /// server complains of. Not by two threads at once.
    public func settle() throws {
        let complaint = "[SSL: HTTP_REQUEST]"
        let seen = output.components(separatedBy: complaint).count - 1
        let socket = try LoopbackSocket(connectingTo: port)
        try socket.write(Array("GET / HTTP/1.0\r\n\r\n".utf8))
        try waitForOutput(complaint, times: seen + 1)
        socket.end()
    }

    public func stop() { process.stop() }
}
