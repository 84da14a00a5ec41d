// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import sensor_agent

/// Runs of the program itself.
@Suite(.timeLimit(.minutes(1))) struct ProgramTests {
    private static let program = Bundle.main.bundleURL.appending(path: "sensor-agent")

    private struct Outcome {
        let status: Int32
        let reason: Process.TerminationReason
        let output: String
        let error: String
    }

    private func process(_ arguments: [String]) -> (Process, Pipe, Pipe) {
        let process = Process()
        process.executableURL = Self.program
        process.arguments = arguments
        let output = Pipe()
        let error = Pipe()
        process.standardOutput = output
        process.standardError = error
        process.standardInput = FileHandle.nullDevice
        return (process, output, error)
    }

    private func run(_ arguments: String...) throws -> Outcome {
        let (process, output, error) = process(arguments)
        try process.run()
        return try outcome(process, output, error)
    }

    private func outcome(_ process: Process, _ output: Pipe, _ error: Pipe, after: String = "") throws -> Outcome {
        let out = try output.fileHandleForReading.readToEnd() ?? Data()
        let err = try error.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, reason: process.terminationReason,
            output: String(decoding: out, as: UTF8.self), error: after + String(decoding: err, as: UTF8.self))
    }

    @Test func `--once prints the board's readings as a table`() throws {
        let tree = try Tree(Tree.board)
        let outcome = try run("--once", "--root", tree.url.path)
        #expect(outcome.status == 0)
        #expect(outcome.error == "")
        let lines = outcome.output.split(separator: "\n")
        #expect(lines[0].split(separator: " ") == ["NAME", "VALUE", "UNIT"])
        #expect(lines[1].split(separator: " ") == ["thermal/cpu-thermal", "51.2", "Cel"])
        #expect(lines.count == 1 + 27 + 2)
    }

    @Test func `--once reads this machine`() throws {
        let outcome = try run("--once")
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("\nuptime "))
    }

    @Test func `--once checks and obeys a configuration that is named`() throws {
        let tree = try Tree(Tree.board.merging(["c": "[agent]\nsensors = load\n"]) { $1 })
        let outcome = try run("--once", "--root", tree.url.path, "--config", tree.url.path + "/c")
        #expect(outcome.output.split(separator: "\n").count == 4)
        try tree.write(Array("[agent]\nsensors = none\n".utf8), to: "c")
        #expect(try run("--once", "--config", tree.url.path + "/c").status == 2)
    }

    @Test func `nothing to read and nowhere to write are failures`() throws {
        let tree = try Tree(["c": "[agent]\nsensors = w1\n"])
        let nothing = try run("--once", "--root", tree.url.path, "--config", tree.url.path + "/c")
        #expect(nothing.status == 1)
        #expect(nothing.error.contains("error: nothing could be read, name other sensors or another --root\n"))

        let (process, _, error) = process(["--help"])
        process.standardOutput = FileHandle(forWritingAtPath: "/dev/full")
        try process.run()
        let text = String(decoding: try error.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(text == "sensor-agent: error: standard output: No space left on device\n")
    }

    @Test func `help and version go to standard output`() throws {
        let help = try run("--help")
        #expect(help.status == 0 && help.error == "" && help.output.hasPrefix("usage: sensor-agent "))
        let version = try run("--version")
        #expect(version.status == 0 && version.output.hasPrefix("sensor-agent "))
    }

    @Test func `wrong usage and configuration exit with 2 and one line`() throws {
        let usage = try run("--what")
        #expect(usage.status == 2 && usage.output == "")
        #expect(usage.error == "sensor-agent: error: unknown argument '--what', try sensor-agent --help\n")
        let tree = try Tree(["c": "[agent]\ninterval = 0\n"])
        let configuration = try run("--config", tree.url.path + "/c")
        #expect(configuration.status == 2)
        #expect(configuration.error.hasPrefix("sensor-agent: error: \(tree.url.path)/c:2: not an interval, "))
    }

    /// Starts the program with an identity, a broker that does not exist and a day between readings, waits until it has
    /// tried to connect, looks at it, sends `signal`.
    private func run(until signal: Int32, _ look: (pid_t) throws -> Void = { _ in }) throws -> Outcome {
        let tree = try Tree([
            "proc/uptime": "1 1",
            "c": """
            [device]
            id = test-1
            [mqtt]
            host = 127.0.0.1
            port = 1
            [identity]
            key = device.key
            certificate = device.pem
            anchors = device.pem
            [trust]
            root = \(String(repeating: "a", count: 64))
            [agent]
            interval = 86400
            sensors = uptime
            """,
        ])
        chmod(tree.url.path, 0o700)
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/openssl")
        openssl.arguments =
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-1 -addext "
            .split(separator: " ").map(String.init) + [
                "subjectAltName=URI:urn:dev:mac:0024befffe804ff1", "-keyout", tree.url.path + "/device.key", "-out",
                tree.url.path + "/device.pem",
            ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        try #require(openssl.terminationStatus == 0)
        chmod(tree.url.path + "/device.key", 0o600)

        let (process, output, error) = process(["--config", tree.url.path + "/c", "--root", tree.url.path])
        try process.run()
        var text = Data()
        while !String(decoding: text, as: UTF8.self).contains("not connected") {
            let more = error.fileHandleForReading.availableData
            try #require(!more.isEmpty, "\(String(decoding: text, as: UTF8.self))")
            text += more
        }
        try look(process.processIdentifier)
        kill(process.processIdentifier, signal)
        return try outcome(process, output, error, after: String(decoding: text, as: UTF8.self))
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `a request to stop ends the wait at once and is a success`(_ signal: Int32) throws {
        let outcome = try run(until: signal)
        #expect(outcome.reason == .exit && outcome.status == 0)
        #expect(outcome.error.contains("sensor-agent: info: stopped by a signal\n"))
    }

    @Test func `what has the device's key leaves no core`() throws {
        _ = try run(until: SIGTERM) { pid in
            let limits = try String(contentsOfFile: "/proc/\(pid)/limits", encoding: .utf8)
            let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
            #expect(core.split(separator: " ").suffix(3) == ["0", "0", "bytes"])
        }
    }

    @Test(arguments: [SIGILL, SIGTRAP])
    func `a failed check of the program says so and keeps its signal`(_ signal: Int32) throws {
        let outcome = try run(until: signal)
        #expect(outcome.reason == .uncaughtSignal && outcome.status == signal)
        #expect(outcome.error.hasSuffix("sensor-agent: fatal: a check inside the program failed; please report this\n"))
    }

    @Test func `a sensor that may not be read is left out`() throws {
        let tree = try Tree(["proc/uptime": "1 1", "proc/loadavg": "1 2 3"])
        chmod(tree.url.appending(path: "proc/loadavg").path, 0)
        let (process, output, error) = process(["--once", "--root", tree.url.path])
        if getuid() == 0 {
            process.executableURL = URL(filePath: "/usr/bin/setpriv")
            process.arguments =
                ["--reuid=65534", "--regid=65534", "--clear-groups", Self.program.path] + (process.arguments ?? [])
        }
        try process.run()
        let outcome = try outcome(process, output, error)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("\nuptime "))
        #expect(outcome.error.contains("load sensor found, skipped\n"))
    }
}
