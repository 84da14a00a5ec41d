// SPDX-License-Identifier: Apache-2.0

import CMosquitto

// The library's callbacks. Its read loop stops when errno is EAGAIN after a packet, even though TLS holds more
// decrypted packets that poll() cannot see; queueing an answer leaves just that errno behind. So each callback
// that follows a packet clears errno before it returns.

/// Lets the library call the connection, which outlives `handle`.
func installCallbacks(on handle: OpaquePointer, for connection: MosquittoConnection) {
    mosquitto_user_data_set(handle, Unmanaged.passUnretained(connection).toOpaque())
    mosquitto_connect_v5_callback_set(handle, onConnect)
    mosquitto_disconnect_v5_callback_set(handle, onDisconnect)
    mosquitto_message_v5_callback_set(handle, onMessage)
    mosquitto_publish_v5_callback_set(handle, onPublish)
    mosquitto_subscribe_v5_callback_set(handle, onSubscribe)
}

private func connection(_ context: UnsafeMutableRawPointer?) -> MosquittoConnection? {
    guard let context else { return nil }
    return Unmanaged<MosquittoConnection>.fromOpaque(context).takeUnretainedValue()
}

private func onConnect(
    _ handle: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ code: Int32, _ flags: Int32,
    _ properties: OpaquePointer?
) {
    var limits = MosquittoLimits()
    _ = mosquitto_property_read_int16(
        properties, Int32(MQTT_PROP_RECEIVE_MAXIMUM.rawValue), &limits.receiveMaximum, false)
    _ = mosquitto_property_read_int32(
        properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &limits.maximumPacketSize, false)
    _ = mosquitto_property_read_byte(properties, Int32(MQTT_PROP_MAXIMUM_QOS.rawValue), &limits.maximumQoS, false)
    var retain: UInt8 = 1
    _ = mosquitto_property_read_byte(properties, Int32(MQTT_PROP_RETAIN_AVAILABLE.rawValue), &retain, false)
    limits.retainAvailable = retain != 0
    connection(context)?.didConnect(
        code: UInt8(truncatingIfNeeded: code), sessionPresent: flags & 1 != 0, limits: limits)
    CMosquitto_clear_errno()
}

private func onDisconnect(
    _ handle: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ code: Int32, _ properties: OpaquePointer?
) {
    connection(context)?.didDisconnect(code: code, errno: CMosquitto_errno())
}

private func onMessage(
    _ handle: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ message: UnsafePointer<mosquitto_message>?,
    _ properties: OpaquePointer?
) {
    if let message = message?.pointee, let topic = message.topic {
        // The library has checked that the topic is UTF-8 without NUL.
        var length = 0
        while topic[length] != 0 { length += 1 }
        topic.withMemoryRebound(to: UInt8.self, capacity: length) { topic in
            let payload = UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen))
            payload.withMemoryRebound(to: UInt8.self) { payload in
                connection(context)?.didReceive(
                    topic: UnsafeBufferPointer(start: topic, count: length).span, payload: payload.span,
                    retained: message.retain)
            }
        }
    }
    CMosquitto_clear_errno()
}

private func onPublish(
    _ handle: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ id: Int32, _ code: Int32,
    _ properties: OpaquePointer?
) {
    connection(context)?.didPublish(id: id, code: UInt8(truncatingIfNeeded: code))
    CMosquitto_clear_errno()
}

private func onSubscribe(
    _ handle: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ id: Int32, _ count: Int32,
    _ codes: UnsafePointer<Int32>?, _ properties: OpaquePointer?
) {
    var worst: UInt8 = 0
    if let codes {
        for index in 0..<max(0, Int(count)) { worst = max(worst, UInt8(truncatingIfNeeded: codes[index])) }
    }
    connection(context)?.didSubscribe(id: id, codes: Int(count), worst: worst)
    CMosquitto_clear_errno()
}
