// SPDX-License-Identifier: Apache-2.0

import CMosquitto

extension MosquittoConnection {
    public enum QoS: Int32, Sendable {
        case atMostOnce = 0
        case atLeastOnce = 1
    }

    /// Queues a message and returns its packet identifier; `acknowledged` tells it again (QoS 1 only).
    ///
    /// Both spans are copied. Nothing is queued beyond the window and the broker's Receive Maximum.
    public func publish(
        topic: Span<UInt8>, payload: Span<UInt8>, qos: QoS = .atLeastOnce, retained: Bool = false
    ) throws(MosquittoError) -> Int32 {
        guard state == .connected, let handle else { throw .wrongState }
        guard inFlight < min(window, Int(limits.receiveMaximum)) else { throw .windowFull }
        guard isText(topic) else { throw .invalidTopic }
        guard !retained || limits.retainAvailable, qos.rawValue <= limits.maximumQoS else { throw .unsupported }
        let header = 2 + topic.count + (qos == .atLeastOnce ? 2 : 0) + propertyLength
        guard fits(header: header, payload: payload.count) else { throw .packetTooLarge }
        var id: Int32 = 0
        let code = withCString(topic) { topic in
            payload.withUnsafeBufferPointer { payload in
                mosquitto_publish_v5(
                    handle, &id, topic, Int32(payload.count), payload.baseAddress, qos.rawValue, retained, nil)
            }
        }
        try check(code)
        inFlight += 1
        return id
    }

    /// Subscribes to all `filters`, 1 to 16, by one packet with QoS 1 at most, and returns the packet identifier that
    /// `subscribed` tells again.
    public func subscribe(filters: [[UInt8]]) throws(MosquittoError) -> Int32 {
        guard state == .connected, let handle else { throw .wrongState }
        var texts: [UInt8] = []
        for filter in filters {
            guard isText(filter.span) else { throw .invalidTopic }
            texts += filter
            texts.append(0)
        }
        // For each filter two bytes of length and one of options; the zero byte counts for one of them.
        guard fits(header: 2 + propertyLength + texts.count + 2 * filters.count, payload: 0) else {
            throw .packetTooLarge
        }
        var id: Int32 = 0
        try check(CMosquitto_subscribe(handle, &id, &texts, Int32(clamping: filters.count)))
        subscriptions.append((id, filters.count))
        return id
    }

    /// MQTT 5 says the length of the properties, none of which we send.
    private var propertyLength: Int { version == .v5 ? 1 : 0 }

    /// Whether a packet keeps within the broker's limit. The library's own check forgets the first byte, and may
    /// keep a message that it said to be too large.
    private func fits(header: Int, payload: Int) -> Bool {
        guard payload <= 268_435_455 - header else { return false }
        let remaining = header + payload
        let lengthBytes = remaining < 128 ? 1 : remaining < 16_384 ? 2 : remaining < 2_097_152 ? 3 : 4
        return UInt64(1 + lengthBytes + remaining) <= UInt64(limits.maximumPacketSize)
    }

    private func check(_ code: Int32) throws(MosquittoError) {
        switch mosq_err_t(code) {
        case MOSQ_ERR_SUCCESS: return
        case MOSQ_ERR_INVAL, MOSQ_ERR_MALFORMED_UTF8: throw .invalidTopic
        default:
            // The library may hold half of it; only a new connection is sure.
            end(.outOfMemory)
            throw .outOfMemory
        }
    }
}
