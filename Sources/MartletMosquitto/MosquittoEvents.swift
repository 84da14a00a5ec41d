// SPDX-License-Identifier: Apache-2.0

/// What a connection tells its owner.
///
/// Every method is called on the thread, and inside a call, of `ready` or `tick`. It may publish, subscribe,
/// disconnect, abort and let go of the connection; `ready` and `tick` called from here do nothing.
public protocol MosquittoEvents: AnyObject {
    /// CONNACK accepted us.
    func connected(sessionPresent: Bool, limits: MosquittoLimits)

    /// A message arrived. The spans are valid during the call.
    ///
    /// The acknowledgement of a QoS 1 message leaves after this returns true. After false it never does, no
    /// further message is delivered, and the connection closes with `messageRefused`: the broker keeps the
    /// message for the session.
    func received(topic: Span<UInt8>, payload: Span<UInt8>, retained: Bool) -> Bool

    /// PUBACK for what `publish` returned as `id`. MQTT 3.1.1 has no reason codes: 0.
    func acknowledged(id: Int32, reasonCode: UInt8)

    /// SUBACK for what `subscribe` returned as `id`: the granted QoS, or a failure from 0x80; of several filters the
    /// highest.
    func subscribed(id: Int32, reasonCode: UInt8)

    /// The broker answered a keep-alive: every byte before it belonged to a complete packet.
    func alive()

    /// The connection is over, its descriptor closed: the last event, and delivered once. `nil` after
    /// `disconnect()`; not delivered after `abort()`, nor when `open` threw.
    func closed(_ reason: MosquittoError?)
}

/// What the broker said in CONNACK (MQTT 5 §3.2.2.3), or the protocol's defaults.
public struct MosquittoLimits: Hashable, Sendable {
    /// Messages of QoS 1 that may wait for PUBACK.
    public var receiveMaximum: UInt16 = 65_535
    /// The longest packet in bytes, fixed header included.
    public var maximumPacketSize: UInt32 = 268_435_460
    public var maximumQoS: UInt8 = 2
    public var retainAvailable = true

    public init() {}
}
