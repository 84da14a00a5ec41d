// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// Behind a router that has lost its line: names are asked for, and nobody answers.
@Suite(.timeLimit(.minutes(2))) struct NameServerTests {
    @Test func `while no name server answers, readings become durable and the device stops in time`() throws {
        let folder = try DeviceFolder(try TestAuthority())
        try folder.configure(["host": "broker.example"])
        let servers = folder.path + "/resolv.conf"
        try Data("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:30 attempts:5\n".utf8)
            .write(to: URL(filePath: servers))
        // At the other end of the line nobody takes what is sent to these addresses.
        let script = """
            set -e
            ip link set lo up
            ip link add line type veth peer name end
            ip address add 192.0.2.9/24 dev line
            ip link set line up
            ip link set end up
            for server in 1 2; do ip neighbour add 192.0.2.$server lladdr 02:00:00:00:00:01 dev line; done
            mount --bind "$0" /etc/resolv.conf
            exec "$@"
            """
        let device = try folder.process(["unshare", "--mount", "--net", "sh", "-c", script, servers])
        defer { device.stop() }
        let begin = Date()
        for line in ["durable 0 1", "durable 1 2"] {
            device.write(Array((line + "\n").utf8))
            try device.waitForOutput(line, seconds: 20)
        }
        device.closeInput()
        try device.waitForSuccess()
        // The system's resolver gives up after five minutes.
        #expect(Date().timeIntervalSince(begin) < 30)
    }
}
