// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A server of our own: started in the foreground, in a process group of its own, and ended by its id.
final class ServerProcess {
    /// nil once it was waited for: from then on its id may be that of any other process.
    private(set) var process: pid_t?
    private let name: String
    private let log: String

    /// `program` is looked for in /usr/sbin first, which is not in everybody's path. `log` is where it tells what is
    /// wrong, `advice` what to do if there is no such program.
    init(_ program: String, _ arguments: [String], log: String, advice: String) throws(Failure) {
        name = program
        self.log = log
        let path = access("/usr/sbin/\(program)", X_OK) == 0 ? "/usr/sbin/\(program)" : program
        // What it says before it opens its log, and our standard output stays ours.
        let (child, code) = Self.spawn([path] + arguments, input: nil, output: 2)
        guard let child else { throw Failure("\(program): \(String(cString: strerror(code))): \(advice)") }
        process = child
    }

    deinit { stop() }

    /// Whether the process still runs.
    var isRunning: Bool {
        reap(WNOHANG)
        return process != nil
    }

    func requireRunning() throws(Failure) {
        if !isRunning { throw Failure("\(name) ended by itself: see \(log)") }
    }

    /// Returns when somebody listens at the port; ends the process if that takes more than five seconds.
    func awaitListening(_ port: UInt16) throws(Failure) {
        for _ in 0..<500 {
            if Sockets.isListening(port) { return }
            guard isRunning else { break }
            usleep(10_000)
        }
        stop()
        throw Failure("\(name) did not start: see \(log)")
    }

    func signal(_ number: Int32) {
        guard isRunning, let process else { return }
        kill(process, number)
    }

    /// Asks it to end, and waits for that.
    func stop() {
        signal(SIGTERM)
        for _ in 0..<250 {
            if !isRunning { return }
            usleep(20_000)
        }
        signal(SIGKILL)
        reap(0)
    }

    /// Takes note of its end. Any error of the system means that there is no such child any longer.
    private func reap(_ options: Int32) {
        guard let process else { return }
        var result = waitpid(process, nil, options)
        while result < 0 && errno == EINTR { result = waitpid(process, nil, options) }
        if result == 0 { return }
        // What it started must not stay when it was killed.
        kill(-process, SIGKILL)
        self.process = nil
    }

    /// Starts a program in a process group of its own. `input` and `output` become its standard input (nil: nothing to
    /// read) and output; no other descriptor goes to it but standard error.
    static func spawn(_ arguments: [String], input: Int32?, output: Int32) -> (process: pid_t?, code: Int32) {
        // Not every library opens its descriptors so that they stay here.
        for descriptor in ((try? NewDirectory.names(in: "/proc/self/fd")) ?? []).compactMap({ Int32($0) }) {
            if descriptor > 2 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
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
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, arguments[0], &actions, &attributes, &argv, environ)
        return (code == 0 ? child : nil, code)
    }
}
