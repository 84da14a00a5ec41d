// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// mosquitto's configuration and access rules.
struct BrokerFiles {
    static let prefix = "martlet/v1"

    /// What a device may publish: the leaves of its topics.
    static let up = [
        "birth", "presence", "telemetry", "gap", "receipt", "event", "reported", "checkpoint", "decommission",
    ]
    /// What a device may receive.
    static let down = ["resume", "command", "approval", "desired", "trust"]

    let directory: GatewayDirectory

    func writeAccessRules(barred: [String]) throws(Failure) {
        try directory.replace(GatewayDirectory.File.accessRules, Self.accessRules(barred: barred))
    }

    func writeConfiguration(listen: String, port: UInt16) throws(Failure) {
        let text = Self.configuration(
            directory: try directory.absolutePath(), listen: listen, port: port, isRoot: getuid() == 0)
        try directory.replace(GatewayDirectory.File.brokerConfiguration, text)
    }

    /// Users are the common names of client certificates. A pattern holds for all of them, each below its own name;
    /// nobody may write what he reads. `barred` devices may do nothing.
    static func accessRules(barred: [String]) -> String {
        var lines = ["user \(Party.gateway.rawValue)"]
        lines += up.map { "topic read \(prefix)/+/\($0)" }
        lines += ["resume", "trust"].map { "topic write \(prefix)/+/\($0)" }
        lines += ["", "user \(Party.operator.rawValue)"]
        lines += ["birth", "receipt", "event", "presence"].map { "topic read \(prefix)/+/\($0)" }
        lines += ["topic write \(prefix)/+/command"]
        lines += ["", "user \(Party.exchange.rawValue)"]
        lines += up.map { "topic write \(prefix)/+/\($0)" } + down.map { "topic read \(prefix)/+/\($0)" }
        lines.append("")
        for device in barred { lines += ["user \(device)", "topic deny #", ""] }
        lines += up.map { "pattern write \(prefix)/%u/\($0)" }
        lines += down.map { "pattern read \(prefix)/%u/\($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    static func configuration(directory: String, listen: String, port: UInt16, isRoot: Bool) -> String {
        typealias File = GatewayDirectory.File
        var lines = ["# Written by martlet-gateway at each start.", "per_listener_settings true"]
        // Started by root, mosquitto would become a user that cannot read these files.
        if isRoot { lines.append("user root") }
        lines += [
            "log_dest file \(directory)/\(File.brokerLog)",
            "log_type error", "log_type warning", "log_type notice", "log_type information",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            "persistence true",
            "persistence_location \(directory)/",
            "persistence_file mosquitto.db",
            "autosave_interval 60",
            // What waits for a gateway that is away for a while; an envelope has at most 16 KiB.
            "max_queued_messages 20000",
            "max_packet_size 20480",
            "max_keepalive 3600",
        ]
        for address in ListenAddress.all(listen) {
            lines += [
                "", "listener \(port) \(address)",
                "cafile \(directory)/\(File.authority)",
                "certfile \(directory)/\(File.broker)",
                "keyfile \(directory)/\(File.brokerKey)",
                "tls_version tlsv1.2",
                "require_certificate true",
                "use_identity_as_username true",
                "use_username_as_clientid true",
                "allow_anonymous false",
                "acl_file \(directory)/\(File.accessRules)",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Sees when another process wrote the access rules.
final class AccessRulesWatch {
    private let path: String
    private var last: (inode: UInt, seconds: Int, nanoseconds: Int)

    init(_ directory: GatewayDirectory) throws(Failure) {
        path = directory.place(GatewayDirectory.File.accessRules)
        last = try Self.state(path)
    }

    /// Whether they changed since this was asked last.
    func haveChanged() throws(Failure) -> Bool {
        let state = try Self.state(path)
        defer { last = state }
        return state != last
    }

    private static func state(_ path: String) throws(Failure) -> (UInt, Int, Int) {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
        return (status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    }
}
