// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// `Tests/relay/relay.py` between the device and the broker of a bench: loses PUBACKs, changes redeliveries, and fills
/// the device's session.
final class CommandRelay {
    private let process: ChildProcess
    private var orders: [String: Int] = [:]

    /// The device's configuration leads to it from now on.
    init(_ bench: Bench) throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../relay/relay.py").path
        let server = bench.authority.server
        process = try ChildProcess(
            "python3",
            [
                script, server.certificatePath, server.keyPath, bench.authority.rootPath,
                bench.identity.certificatePath, bench.identity.keyPath, "\(bench.broker.port)",
            ])
        try process.waitForOutput("port ", seconds: 30)
        let port = process.output.split(separator: "\n")[0].dropFirst("port ".count)
        try bench.reconfigure(["port": String(port)])
    }

    /// Returns when it is in force.
    func order(_ line: String) throws {
        orders[line, default: 0] += 1
        process.write(Array((line + "\n").utf8))
        try process.waitForOutput("done \(line)\n", times: orders[line, default: 0], seconds: 30)
    }

    /// What it said about the commands that it passed, once there are so many.
    func passed(_ count: Int) throws -> [String] {
        try process.waitForOutput("command dup=", times: count, seconds: 60)
        return process.output.split(separator: "\n").filter { $0.hasPrefix("command ") }.map(String.init)
    }

    func stop() { process.stop() }
}
