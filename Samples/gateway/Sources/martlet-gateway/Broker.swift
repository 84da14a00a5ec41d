// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// A mosquitto of our own: started in the foreground, in a process group of its own, and ended by its id.
final class Broker {
    let port: UInt16
    private let directory: GatewayDirectory
    /// nil once it was waited for: from then on its id may be that of any other process.
    private(set) var process: pid_t?

    /// Starts the broker and returns when it listens. `port` nil: that of the last time, or a free one.
    init(_ directory: GatewayDirectory, listen: String, port requested: UInt16?) throws(Failure) {
        self.directory = directory
        let last = try directory.port
        if let known = requested ?? last { port = known } else { port = try Sockets.freePort() }
        if Sockets.isListening(port) {
            throw Failure("port \(port) is in use: stop what listens there, or give another one with --port")
        }
        try BrokerFiles(directory: directory).writeConfiguration(listen: listen, port: port)
        try spawn()
        do throws(Failure) {
            try awaitListening()
        } catch {
            stop()
            throw error
        }
        try directory.replace(GatewayDirectory.File.port, "\(port)\n")
    }

    /// Whether the process still runs.
    var isRunning: Bool {
        reap(WNOHANG)
        return process != nil
    }

    /// Asks the broker to end, which it does after it saved what it keeps, and waits for that.
    func stop() {
        guard isRunning, let process else { return }
        kill(process, SIGTERM)
        for _ in 0..<250 {
            if !isRunning { return }
            usleep(20_000)
        }
        kill(process, SIGKILL)
        reap(0)
    }

    /// Takes note of its end. Any error of the system means that there is no such child any longer.
    private func reap(_ options: Int32) {
        guard let process else { return }
        var result = waitpid(process, nil, options)
        while result < 0 && errno == EINTR { result = waitpid(process, nil, options) }
        if result != 0 { self.process = nil }
    }

    private func spawn() throws(Failure) {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The signals that we wait for are blocked here and must not be there; and a Ctrl-C at the terminal is ours.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        // What it says before it opens its log, and our standard output stays ours.
        posix_spawn_file_actions_adddup2(&actions, 2, 1)

        let program = access("/usr/sbin/mosquitto", X_OK) == 0 ? "/usr/sbin/mosquitto" : "mosquitto"
        let arguments = [program, "-c", directory.place(GatewayDirectory.File.brokerConfiguration)]
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, program, &actions, &attributes, &argv, environ)
        if code != 0 {
            throw Failure(
                "mosquitto: \(String(cString: strerror(code))): install the broker (Debian: apt install mosquitto)")
        }
        process = child
    }

    private func awaitListening() throws(Failure) {
        for _ in 0..<500 {
            if Sockets.isListening(port) { return }
            guard isRunning else { break }
            usleep(10_000)
        }
        throw Failure("mosquitto did not start: see \(directory.place(GatewayDirectory.File.brokerLog))")
    }
}

/// The two questions about local ports.
enum Sockets {
    static func freePort() throws(Failure) -> UInt16 {
        let descriptor = open()
        defer { close(descriptor) }
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard isBound else { throw Failure("no free port on 127.0.0.1: \(String(cString: strerror(errno)))") }
        return UInt16(bigEndian: address.sin_port)
    }

    static func isListening(_ port: UInt16) -> Bool {
        let descriptor = open()
        defer { close(descriptor) }
        var address = loopback(port: port)
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func open() -> Int32 { socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}
