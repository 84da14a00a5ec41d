// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// A mosquitto of our own.
final class Broker {
    let port: UInt16
    let server: ServerProcess
    private let rules: AccessRulesWatch

    /// Starts the broker and returns when it listens. `port` nil: that of the last time, or a free one.
    init(_ directory: GatewayDirectory, listen: String, port requested: UInt16?) throws(Failure) {
        port = try Sockets.port(requested, or: directory.port, option: "--port")
        try BrokerFiles(directory: directory).writeConfiguration(listen: listen, port: port)
        try Registry(directory).tellBarred()
        rules = try AccessRulesWatch(directory)
        server = try ServerProcess(
            "mosquitto", ["-c", directory.place(GatewayDirectory.File.brokerConfiguration)],
            log: directory.place(GatewayDirectory.File.brokerLog),
            advice: "install the broker (Debian: apt install mosquitto)")
        try server.awaitListening(port)
        try directory.replace(GatewayDirectory.File.port, "\(port)\n")
    }

    /// Asks the broker to end, which it does after it saved what it keeps, and waits for that.
    func stop() { server.stop() }

    /// Lets it read its access rules again if another process changed them; they then hold for connections that exist,
    /// too. Throws if the broker has ended.
    func tend() throws(Failure) {
        try server.requireRunning()
        if try rules.haveChanged() { server.signal(SIGHUP) }
    }
}
