// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A real broker of our own: a `mosquitto` process on a free loopback port, killed when this object goes.
///
/// Safe for concurrent use. The log is what the broker wrote since the first start.
public final class Broker: @unchecked Sendable {
    /// Files in PEM for a listener with TLS.
    public struct TLS: Sendable {
        public var anchors: String
        public var certificate: String
        public var key: String
        public var requiresCertificate: Bool

        public init(anchors: String, certificate: String, key: String, requiresCertificate: Bool) {
            self.anchors = anchors
            self.certificate = certificate
            self.key = key
            self.requiresCertificate = requiresCertificate
        }
    }

    public private(set) var port: UInt16 = 0
    /// The broker's own temporary folder.
    public let folder: String
    private let settings: [String]
    private var process: pid_t = 0
    private let state = NSCondition()
    private var text = ""
    private var outputEnded = false

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
        // Another process may take the free port before the broker does.
        for attempt in 1...5 {
            port = try LoopbackListener().port
            do {
                try start()
                break
            } catch  where attempt < 5 && log.contains("Address already in use") {
                stop()
            }
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
        state.withLock {
            text = ""
            outputEnded = false
        }
        let output = Pipe()
        process = try spawn(Self.executable, ["-c", file], standardError: output.fileHandleForWriting.fileDescriptor)
        try output.fileHandleForWriting.close()
        Thread.detachNewThread { [weak self] in
            while let data = try? output.fileHandleForReading.read(upToCount: 4096), !data.isEmpty {
                self?.append(String(decoding: data, as: UTF8.self))
            }
            self?.append(nil)
        }
        try waitForLog("running")
    }

    /// Kills the broker at once, as a power cut would.
    public func stop() {
        guard process > 0 else { return }
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
        process = 0
    }

    public var log: String { state.withLock { text } }

    /// Waits until the broker wrote `line`, or throws with its log.
    public func waitForLog(_ line: String, seconds: Double = 5) throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        try state.withLock {
            while !text.contains(line) {
                guard !outputEnded, state.wait(until: deadline) else {
                    throw TestFailure("The broker did not say '\(line)':\n\(text)")
                }
            }
        }
    }

    private func append(_ addition: String?) {
        state.withLock {
            if let addition { text += addition } else { outputEnded = true }
            state.broadcast()
        }
    }

    /// Debian puts it where the path of a user does not look.
    private static let executable = access("/usr/sbin/mosquitto", X_OK) == 0 ? "/usr/sbin/mosquitto" : "mosquitto"
}

/// What a test could not do; shown as it is.
public struct TestFailure: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Starts a program that inherits nothing but the standard descriptors: no socket of a test stays open in it.
func spawn(_ path: String, _ arguments: [String], standardError: Int32) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, standardError, 2)
    for descriptor in 3..<Int32(1024) { posix_spawn_file_actions_addclose(&actions, descriptor) }
    var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var process: pid_t = 0
    let code = posix_spawnp(&process, path, &actions, nil, &argv, environ)
    guard code == 0 else { throw TestFailure("Cannot start \(path): \(String(cString: strerror(code)))") }
    return process
}
