// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A real nginx with TLS, which tells every request: `REQUEST METHOD PATH PROTOCOL BYTES STATUS`.
public final class Nginx: Sendable {
    public let port: UInt16
    private let process: ChildProcess

    /// - Parameters:
    ///   - listen: what its port speaks beside TLS: `http2`.
    ///   - server: lines for its server.
    public init(_ authority: TestAuthority, listen: String = "", server: String = "") throws {
        let folder = authority.folder.appending(path: "nginx").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let files = authority.server.files
        (port, process) = try onFreePort { port in
            let text = """
                daemon off;
                \(getuid() == 0 ? "user root;" : "")
                master_process off;
                pid nginx.pid;
                error_log stderr debug;
                events {}
                http {
                    \(["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \($0);" }.joined())
                    log_format request 'REQUEST $request_method $uri $server_protocol $content_length $status';
                    access_log /dev/stdout request;
                    server {
                        listen 127.0.0.1:\(port) ssl \(listen);
                        ssl_certificate \(files.certificate);
                        ssl_certificate_key \(files.key);
                        \(server)
                    }
                }

                """
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/nginx.conf"))
            let process = try ChildProcess("/usr/sbin/nginx", ["-p", folder, "-c", "nginx.conf", "-e", "stderr"])
            // It listens by then. It tries for two seconds.
            try process.waitForOutput("getrlimit(")
            return (port, process)
        }
    }

    /// What it said so far: its debugging log as well.
    public var output: String { process.output }

    public func waitForOutput(_ text: String, times: Int = 1) throws {
        try process.waitForOutput(text, times: times)
    }
}
