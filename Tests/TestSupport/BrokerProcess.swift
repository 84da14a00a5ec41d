// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A program that a test runs beside itself: its output is kept and waited for; killed when this object goes.
///
/// Safe for concurrent use. It inherits no descriptor, so that no socket of a test stays open in it.
public final class ChildProcess: @unchecked Sendable {
    private let state = NSCondition()
    private var text = ""
    private var ended = false
    private var process: pid_t
    private let input = Pipe()

    public init(_ path: String, _ arguments: [String]) throws {
        let output = Pipe()
        process = try spawn(
            path, arguments, input: input.fileHandleForReading.fileDescriptor,
            output: output.fileHandleForWriting.fileDescriptor)
        try output.fileHandleForWriting.close()
        try input.fileHandleForReading.close()
        Thread.detachNewThread { [weak self] in
            // FileHandle.read would wait for as much as it was asked for.
            var bytes = [UInt8](repeating: 0, count: 4096)
            while case let count = read(output.fileHandleForReading.fileDescriptor, &bytes, bytes.count), count > 0 {
                self?.append(String(decoding: bytes[..<count], as: UTF8.self))
            }
            self?.append(nil)
        }
    }

    deinit { stop() }

    /// What it wrote so far to standard output and standard error.
    public var output: String { state.withLock { text } }

    /// Waits until it wrote `expected` so often, or throws with its output.
    public func waitForOutput(_ expected: String, times: Int = 1, seconds: Double = 5) throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        try state.withLock {
            while times == 1 ? !text.contains(expected) : text.components(separatedBy: expected).count <= times {
                guard !ended, state.wait(until: deadline) else {
                    throw TestFailure("The process did not say '\(expected)':\n\(text)")
                }
            }
        }
    }

    /// Waits until it ended by itself with status 0, or throws with its output.
    public func waitForSuccess() throws {
        let running = state.withLock {
            defer { process = 0 }
            return process
        }
        var status: Int32 = -1
        guard running > 0, waitpid(running, &status, 0) == running, status == 0 else {
            throw TestFailure("The process failed with status \(status):\n\(output)")
        }
    }

    /// Sends it a signal.
    public func send(signal: Int32) {
        state.withLock { if process > 0 { kill(process, signal) } }
    }

    /// Writes to its standard input; the number of bytes it took before it went.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Int {
        signal(SIGPIPE, SIG_IGN)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(input.fileHandleForWriting.fileDescriptor, $0.baseAddress! + sent, bytes.count - sent)
            }
            if count <= 0 { break }
            sent += count
        }
        return sent
    }

    /// Its standard input ends.
    public func closeInput() { try? input.fileHandleForWriting.close() }

    /// Kills it at once.
    public func stop() {
        let running = state.withLock {
            defer { process = 0 }
            return process
        }
        guard running > 0 else { return }
        kill(running, SIGKILL)
        waitpid(running, nil, 0)
    }

    private func append(_ addition: String?) {
        state.withLock {
            if let addition { text += addition } else { ended = true }
            state.broadcast()
        }
    }
}

/// What a test could not do; shown as it is.
public struct TestFailure: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

private func spawn(_ path: String, _ arguments: [String], input: Int32, output: Int32) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, output, 2)
    for descriptor in 3..<Int32(1024) { posix_spawn_file_actions_addclose(&actions, descriptor) }
    // The mask of the thread that starts it would block signals meant for it.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var process: pid_t = 0
    let code = posix_spawnp(&process, path, &actions, &attributes, &argv, environ)
    guard code == 0 else { throw TestFailure("Cannot start \(path): \(String(cString: strerror(code)))") }
    return process
}
