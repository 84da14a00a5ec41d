// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A real broker of our own: a `mosquitto` process on a free loopback port, killed when this object goes.
///
/// Safe for concurrent use.
public final class Broker: @unchecked Sendable {
    /// Files in PEM for a listener with TLS.
    public struct TLS: Sendable {
        public var anchors: String
        public var certificate: String
        public var key: String
        public var requiresCertificate: Bool

        /// A broker with the authority's certificate for `localhost`, or with another one.
        public init(
            _ authority: TestAuthority, as server: TestAuthority.Identity? = nil, requiresCertificate: Bool = true
        ) {
            anchors = authority.rootPath
            certificate = (server ?? authority.server).certificatePath
            key = (server ?? authority.server).keyPath
            self.requiresCertificate = requiresCertificate
        }
    }

    public private(set) var port: UInt16 = 0
    /// The broker's own temporary folder.
    public let folder: String
    private let settings: [String]
    private let lock = NSLock()
    private var process: ChildProcess?

    /// Starts a broker that lets everybody in, unless `settings` say otherwise.
    /// - Parameters:
    ///   - settings: lines for mosquitto.conf; `$folder` stands for the broker's folder.
    ///   - files: written to that folder before the start.
    public init(tls: TLS? = nil, settings: [String] = [], files: [String: String] = [:]) throws {
        folder = NSTemporaryDirectory() + "/broker-" + UUID().uuidString
        var lines = ["allow_anonymous true", "log_dest stderr", "log_type all"]
        // Debian's broker drops to its own user when root starts it, and cannot read our files then.
        if getuid() == 0 { lines.append("user root") }
        if let tls {
            lines += ["cafile \(tls.anchors)", "certfile \(tls.certificate)", "keyfile \(tls.key)"]
            if tls.requiresCertificate { lines.append("require_certificate true") }
        }
        let folder = folder
        self.settings = lines + settings.map { $0.replacingOccurrences(of: "$folder", with: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, content) in files {
            try content.write(toFile: folder + "/" + name, atomically: false, encoding: .utf8)
        }
        try onFreePort {
            port = $0
            try start()
        }
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Starts the broker on its port, again if it was stopped; returns when it accepts connections.
    public func start() throws {
        let file = folder + "/mosquitto.conf"
        try (["listener \(port) 127.0.0.1"] + settings).joined(separator: "\n")
            .write(toFile: file, atomically: false, encoding: .utf8)
        let started = try ChildProcess(Self.executable, ["-c", file])
        lock.withLock { process = started }
        try started.waitForOutput("running")
    }

    /// Kills the broker at once, as a power cut would.
    public func stop() { lock.withLock { process }?.stop() }

    /// Writes one of its files anew, and makes the broker read its files again.
    public func reload(_ name: String, _ content: String) throws {
        try content.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
        lock.withLock { process }?.send(signal: SIGHUP)
    }

    /// What the broker wrote since its last start.
    public var log: String { lock.withLock { process }?.output ?? "" }

    /// Waits until the broker wrote `text` so often, or throws with its log.
    public func waitForLog(_ text: String, times: Int = 1, seconds: Double = 5) throws {
        try lock.withLock { process }?.waitForOutput(text, times: times, seconds: seconds)
    }

    /// Debian puts it where the path of a user does not look.
    private static let executable = access("/usr/sbin/mosquitto", X_OK) == 0 ? "/usr/sbin/mosquitto" : "mosquitto"
}
