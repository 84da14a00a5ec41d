// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// A mosquitto of our own.
final class Broker {
    let port: UInt16
    private(set) var server: ServerProcess
    private let directory: GatewayDirectory
    private let rules: AccessRulesWatch

    /// Starts the broker and returns when it listens. `port` nil: that of the last time, or a free one.
    init(_ directory: GatewayDirectory, listen: String, port requested: UInt16?) throws(Failure) {
        self.directory = directory
        port = try Sockets.port(requested, or: directory.port, option: "--port")
        try BrokerFiles(directory: directory).writeConfiguration(listen: listen, port: port)
        try Registry(directory).tellBarred()
        rules = try AccessRulesWatch(directory)
        server = try Self.start(directory, port)
        try directory.replace(GatewayDirectory.File.port, "\(port)\n")
    }

    private static func start(_ directory: GatewayDirectory, _ port: UInt16) throws(Failure) -> ServerProcess {
        let server = try ServerProcess(
            "mosquitto", ["-c", directory.place(GatewayDirectory.File.brokerConfiguration)],
            log: directory.place(GatewayDirectory.File.brokerLog),
            advice: "install the broker (Debian: apt install mosquitto)")
        try server.awaitListening(port)
        return server
    }

    /// Asks the broker to end, which it does after it saved what it keeps, and waits for that.
    func stop() { server.stop() }

    /// Starts it anew if another process changed its access rules; they then hold for everybody, and sessions go on.
    /// Throws if the broker has ended.
    ///
    /// It would read them at SIGHUP, too. But mosquitto 2.0.11 then enters each session without a connection into its
    /// list of those that expire once more, and crashes some time after such a session has ended.
    func tend() throws(Failure) {
        try server.requireRunning()
        guard try rules.haveChanged() else { return }
        server.stop()
        server = try Self.start(directory, port)
    }
}
