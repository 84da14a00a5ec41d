// SPDX-License-Identifier: Apache-2.0

import Foundation

/// An MQTT 3.1.1 client without TLS that does what well-behaved ones do not: messages as fast as the broker reads them,
/// a client id that is another's, a death that leaves a will.
public final class PlainClient {
    /// What the broker publishes when the client dies.
    public struct Will: Sendable {
        public let topic: String
        public let payload: [UInt8]
        public let isRetained: Bool

        public init(topic: String, payload: [UInt8], isRetained: Bool = false) {
            self.topic = topic
            self.payload = payload
            self.isRetained = isRetained
        }
    }

    private let socket: LoopbackSocket

    /// Connects with a clean session; returns when the broker accepted it.
    public init(port: UInt16, id: String, will: Will? = nil) throws {
        socket = try LoopbackSocket(connectingTo: port)
        var flags: UInt8 = 0x02
        var content = Self.string(Array(id.utf8))
        if let will {
            flags |= 0x04 | 0x08 | (will.isRetained ? 0x20 : 0)
            content += Self.string(Array(will.topic.utf8)) + Self.string(will.payload)
        }
        try socket.write(Self.packet(0x10, Self.string(Array("MQTT".utf8)) + [4, flags, 0, 60] + content))
        let answer = try socket.readPacket()
        if answer.count != 4 || answer[3] != 0 { throw TestFailure("the broker refused \(id): \(answer)") }
    }

    /// A message as it goes over the wire, with QoS 0.
    public static func message(_ topic: String, _ payload: [UInt8]) -> [UInt8] {
        packet(0x30, string(Array(topic.utf8)) + payload)
    }

    /// Blocks while the broker does not read.
    public func write(_ bytes: [UInt8]) throws { try socket.write(bytes) }

    /// DISCONNECT: the session ends, and no will is published.
    public func leave() throws {
        try socket.write([0xE0, 0])
        _ = try? socket.readToEnd()
        socket.end()
    }

    /// The connection breaks, and the broker publishes the will.
    public func die() { socket.reset() }

    private static func packet(_ first: UInt8, _ content: [UInt8]) -> [UInt8] {
        var (head, rest) = ([first], content.count)
        repeat {
            head.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return head + content
    }

    private static func string(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes
    }
}
