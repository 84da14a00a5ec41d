// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Questions about local ports.
enum Sockets {
    /// The port that is asked for, that of the last time, or a free one; nobody may listen there.
    static func port(_ requested: UInt16?, or last: UInt16?, option: String) throws(Failure) -> UInt16 {
        guard let known = requested ?? last else { return try freePort() }
        if isListening(known) {
            throw Failure("port \(known) is in use: stop what listens there, or give another one with \(option)")
        }
        return known
    }

    static func freePort() throws(Failure) -> UInt16 {
        let descriptor = open()
        defer { close(descriptor) }
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard isBound else { throw Failure("no free port on 127.0.0.1: \(String(cString: strerror(errno)))") }
        return UInt16(bigEndian: address.sin_port)
    }

    static func isListening(_ port: UInt16) -> Bool {
        let descriptor = open()
        defer { close(descriptor) }
        var address = loopback(port: port)
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func open() -> Int32 { socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}
