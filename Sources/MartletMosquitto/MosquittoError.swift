// SPDX-License-Identifier: Apache-2.0

/// Why a call was refused, or why a connection closed.
public enum MosquittoError: Error, Hashable {
    // Why a connection closed.

    /// TLS failed, or the broker left before it accepted us; the TLS context knows more.
    case tls
    /// The peer ended the connection, or the network lost it.
    case connectionLost
    /// The broker answered CONNECT with this reason code (MQTT 5 §3.2.2.2) or return code (MQTT 3.1.1 §3.2.2.3).
    case refused(reasonCode: UInt8)
    /// The broker sent DISCONNECT with this reason code (MQTT 5 §3.14.2.1).
    case disconnected(reasonCode: UInt8)
    /// The broker broke the protocol, or does not read what it makes us answer.
    case protocolError
    /// The broker did not answer a PINGREQ, or not CONNECT, within the keep-alive interval.
    case keepAlive
    /// The system refused; `errno` says why (a port where nobody listens: ECONNREFUSED).
    case network(errno: Int32)
    /// `MosquittoEvents.received` returned false.
    case messageRefused
    case outOfMemory

    // Why a call was refused; nothing was sent.

    /// Publishing and subscribing need CONNACK; opening needs a connection that was never opened.
    case wrongState
    /// As many messages wait as the own window or the broker's Receive Maximum allow.
    case windowFull
    /// The packet would be longer than the broker's Maximum Packet Size, or than MQTT can say.
    case packetTooLarge
    /// Empty, longer than 65,535 bytes, not UTF-8, holds NUL, or a wildcard where none may stand.
    case invalidTopic
    /// Client id, will, keep-alive, window or address outside what MQTT and the library allow.
    case invalidArgument
    /// The broker does not offer this: retained messages or QoS 1.
    case unsupported
}
