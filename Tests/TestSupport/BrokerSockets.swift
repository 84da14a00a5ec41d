// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A loopback TCP port of our own.
public final class LoopbackListener: @unchecked Sendable {
    public let descriptor: Int32
    public let port: UInt16

    /// - Parameter backlog: with 0 one connection waits to be accepted, and the next one stays incomplete.
    public init(backlog: Int32 = 16) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.descriptor = descriptor
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, backlog) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        if !bound { throw TestFailure("No free loopback port: \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    /// Waits for a connection.
    public func accept(seconds: Double = 5) throws -> LoopbackSocket {
        try awaitReadable(descriptor, seconds: seconds, "nobody connected")
        return LoopbackSocket(descriptor: acceptConnection())
    }

    func acceptConnection() -> Int32 {
        let accepted = Glibc.accept(descriptor, nil, nil)
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return accepted
    }
}

/// Starts what listens on a free port: on another one if a process took the first meanwhile.
func onFreePort<Server>(_ start: (UInt16) throws -> Server) throws -> Server {
    for _ in 1..<5 {
        do { return try start(LoopbackListener().port) } catch let failure as TestFailure {
            guard failure.description.contains("Address already in use") else { throw failure }
        }
    }
    return try start(LoopbackListener().port)
}

/// A connected stream with a deadline on each wait; as an MQTT peer it reads whole packets.
public final class LoopbackSocket: @unchecked Sendable {
    public private(set) var descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    public init(connectingTo port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        address.sin_port = port.bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if !connected { throw TestFailure("Cannot connect to \(port): \(String(cString: strerror(errno)))") }
    }

    deinit { end() }

    public func end() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    /// Ends the connection with RST.
    public func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        end()
    }

    public func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw TestFailure("Cannot send: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    /// Up to `count` bytes; empty at the end of the stream.
    public func read(_ count: Int, seconds: Double = 5) throws -> [UInt8] {
        try awaitReadable(descriptor, seconds: seconds, "nothing arrived")
        var bytes = [UInt8](repeating: 0, count: count)
        let received = recv(descriptor, &bytes, count, 0)
        return Array(bytes.prefix(max(0, received)))
    }

    /// One MQTT packet, fixed header included.
    public func readPacket(seconds: Double = 5) throws -> [UInt8] {
        var packet: [UInt8] = []
        func take(_ count: Int) throws {
            let end = packet.count + count
            while packet.count < end {
                let more = try read(end - packet.count, seconds: seconds)
                if more.isEmpty { throw TestFailure("The stream ended after \(packet)") }
                packet += more
            }
        }
        try take(2)
        while packet[packet.count - 1] & 0x80 != 0 { try take(1) }
        try take(packet[1...].enumerated().reduce(0) { $0 + Int($1.element & 0x7F) << (7 * $1.offset) })
        return packet
    }

    /// All bytes until the peer ends the connection or resets it.
    public func readToEnd(seconds: Double = 5) throws -> [UInt8] {
        var all: [UInt8] = []
        while case let more = try read(4096, seconds: seconds), !more.isEmpty { all += more }
        return all
    }
}

private func awaitReadable(_ descriptor: Int32, seconds: Double, _ otherwise: String) throws {
    var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    if poll(&state, 1, Int32(seconds * 1000)) < 1 { throw TestFailure("Within \(seconds) s \(otherwise)") }
}
