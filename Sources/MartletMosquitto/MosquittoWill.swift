// SPDX-License-Identifier: Apache-2.0

/// What the broker publishes when a connection ends without DISCONNECT (QoS 1).
public struct MosquittoWill: Sendable {
    public var topic: [UInt8]
    /// At most 65,535 bytes.
    public var payload: [UInt8]
    public var retained: Bool

    public init(topic: [UInt8], payload: [UInt8], retained: Bool) {
        self.topic = topic
        self.payload = payload
        self.retained = retained
    }
}
