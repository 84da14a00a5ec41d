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

    static func validate(_ listen: String) throws {
        var address = in6_addr()
        if inet_pton(AF_INET, listen, &address) == 1 || inet_pton(AF_INET6, listen, &address) == 1 { return }
        throw ValidationError("--listen is an IPv4 or IPv6 address of this machine, e.g. 127.0.0.1 or 0.0.0.0.")
    }
}
