// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletHTTPSLink

// A device as a process of its own, for tests that fake its clock, kill it, or read everything it writes:
// DeviceProgram [EFFECTS] CONFIGURATION. It reports a reading for each line of its input, obeys `count`, logs to
// standard output, and ends with its input. A line `durable LANE NUMBER` is reported durably in the lane of this code,
// and said again when that is done. With EFFECTS, a file, it obeys three more, each with a text that it adds to
// the file as a line, durably: `effect`; `set`, which may be carried out again; `reboot`, which then kills the process.

/// At once, whatever standard output is.
@Sendable func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

/// A line of its input.
func report(_ line: String, by device: Device) throws {
    let words = line.split(separator: " ")
    guard words.count == 3, words[0] == "durable", let code = UInt8(words[1]), let lane = Lane(rawValue: code),
        let number = Double(words[2])
    else { return try device.report(line, 1) }
    try device.report("number", number, lane: lane, durable: true)
    say(line)
}

/// The effect that tests count.
@Sendable func add(_ line: String, to file: String) -> CommandResult {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    let bytes = Array((line + "\n").utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else { return .failed }
    return .done
}

do {
    let arguments = CommandLine.arguments.dropFirst()
    let device = try Device(configuration: arguments.last ?? "", https: .libcurl, logLevel: .debug) { level, line in
        say("\(level): \(line)")
    }
    try device.onCommand("count") { _ in
        say("obeyed")
        return .done
    }
    if arguments.count > 1, let file = arguments.first {
        try device.onCommand("effect", .text(maximumLength: 64)) { add($0.text(0), to: file) }
        try device.onCommand("set", .text(maximumLength: 64), isIdempotent: true) { add($0.text(0), to: file) }
        try device.onCommand("reboot", .text(maximumLength: 64)) {
            _ = add($0.text(0), to: file)
            kill(getpid(), SIGKILL)
            return .failed
        }
    }
    try device.start()
    while let line = readLine() { try report(line, by: device) }
    device.stop()
} catch {
    say("failed: \(error)")
    exit(1)
}
