// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet

// A device as a process of its own, for tests that fake its clock or read everything it writes:
// DeviceProgram CONFIGURATION. It reports a reading for each line of its input, obeys `count`, logs to standard
// output, and ends with its input.

setvbuf(stdout, nil, _IOLBF, 0)
do {
    let device = try Device(configuration: CommandLine.arguments.last ?? "", logLevel: .debug) { level, line in
        print("\(level): \(line)")
    }
    try device.onCommand("count") { _ in
        print("obeyed")
        return .done
    }
    try device.start()
    while let name = readLine() { try device.report(name, 1) }
    device.stop()
} catch {
    print("failed: \(error)")
    exit(1)
}
