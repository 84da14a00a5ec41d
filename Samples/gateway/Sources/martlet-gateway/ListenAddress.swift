// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

/// Where broker and registrar listen.
enum ListenAddress {
    /// The gateway itself reaches them by this one.
    private static let loopback = "127.0.0.1"

    static func all(_ listen: String) -> [String] {
        listen == loopback || listen == "0.0.0.0" ? [listen] : [listen, loopback]
    }

    /// Whether who connects to this address of the machine, of 4 or 16 bytes, reaches it.
    static func reaches(_ listen: String, _ address: [UInt8]) -> Bool {
        guard let own = bytes(listen) else { return false }
        return own.allSatisfy { $0 == 0 } ? own.count == address.count : own == address
    }

    /// Whether no other machine can reach it.
    static func isLocal(_ listen: String) -> Bool {
        guard let own = bytes(listen) else { return false }
        return own.count == 4 ? own[0] == 127 : own == [UInt8](repeating: 0, count: 15) + [1]
    }

    private static func bytes(_ listen: String) -> [UInt8]? {
        var (ipv4, ipv6) = (in_addr(), in6_addr())
        if inet_pton(AF_INET, listen, &ipv4) == 1 { return withUnsafeBytes(of: &ipv4) { Array($0) } }
        if inet_pton(AF_INET6, listen, &ipv6) == 1 { return withUnsafeBytes(of: &ipv6) { Array($0) } }
        return nil
    }

    static func validate(_ listen: String) throws {
        if bytes(listen) != nil { return }
        throw ValidationError("--listen is an IPv4 or IPv6 address of this machine, e.g. 127.0.0.1 or 0.0.0.0.")
    }
}
