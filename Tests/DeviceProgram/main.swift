// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet

// A device as a process of its own, for tests that fake its clock or read everything it writes:
// DeviceProgram CONFIGURATION. It reports a reading for each line of its input, obeys `count`, logs to standard
// output, and ends with its input.

/// At once, whatever standard output is.
@Sendable func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

do {
    let device = try Device(configuration: CommandLine.arguments.last ?? "", logLevel: .debug) { level, line in
        say("\(level): \(line)")
    }
    try device.onCommand("count") { _ in
        say("obeyed")
        return .done
    }
    try device.start()
    while let name = readLine() { try device.report(name, 1) }
    device.stop()
} catch {
    say("failed: \(error)")
    exit(1)
}
