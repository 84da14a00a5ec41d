// SPDX-License-Identifier: Apache-2.0

import FlyingFox
import FlyingSocks
import Glibc
import Synchronization

/// Answers what nginx passes on, at a socket in the gateway's directory.
final class LocalServer: Sendable {
    private let socket: String
    private let isOver: Flag
    private let task: Task<Void, Never>

    /// Returns when it listens. `seconds`: how long an answer may take.
    init(
        _ directory: GatewayDirectory, _ name: String, seconds: Double, handler: some HTTPHandler
    ) throws(Failure) {
        socket = directory.place(name)
        // Of a run that was killed; nobody uses it, since a run holds the lock.
        unlink(socket)
        // Paths of sockets have at most 107 bytes; this one is short wherever the directory is.
        let folder = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw Failure("\(directory.path): open: \(String(cString: strerror(errno)))") }
        defer { close(folder) }
        let server = HTTPServer(
            address: .unix(path: "/proc/self/fd/\(folder)/\(name)"), timeout: seconds,
            // The usual one writes to standard output.
            logger: DisabledLogger.disabled, handler: handler)
        let isOver = Flag()
        self.isOver = isOver
        task = Task.detached {
            try? await server.run()
            isOver.isSet.withLock { $0 = true }
        }
        for _ in 0..<500 where access(socket, F_OK) != 0 { usleep(10_000) }
        if access(socket, F_OK) != 0 {
            task.cancel()
            throw Failure("\(socket): not made within 5 seconds")
        }
    }

    deinit { stop() }

    func requireRunning() throws(Failure) {
        if isOver.isSet.withLock({ $0 }) {
            throw Failure("\(socket): its server ended by itself: are there too many open files?")
        }
    }

    func stop() {
        task.cancel()
        unlink(socket)
    }
}

private final class Flag: Sendable {
    let isSet = Mutex(false)
}
