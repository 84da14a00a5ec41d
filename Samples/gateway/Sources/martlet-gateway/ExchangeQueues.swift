// SPDX-License-Identifier: Apache-2.0

import MartletController

/// What waits for devices that come by HTTPS, each message with a number that marks the answers which hold it.
///
/// A device is one of them from the first exchange of its program on, until it sends its birth to the broker itself or
/// makes no exchange for `age`. So one that went back to MQTT does not find there what it was told by MQTT.
struct ExchangeQueues {
    /// Milliseconds that a message waits, and a device stays known: as long as a broker keeps them for a session.
    static let age: UInt64 = 3_600_000
    static let maximumDevices = 1000
    /// Messages of a device, and their bytes. The oldest gives way.
    static let maximumCount = 256
    static let maximumSize = 160 << 10
    /// Bytes of messages that one answer takes, and so of one.
    private static let answerSize = Exchange.maximumSize - Exchange.overhead

    private struct Waiting {
        let number: UInt64
        let message: Exchange.Message
        /// Boot time in milliseconds.
        let since: UInt64

        var size: Int { message.bytes.count + Exchange.messageOverhead }
    }

    private struct Device {
        var waiting: [Waiting] = []
        var size = 0
        /// Boot time in milliseconds of its last exchange.
        var last: UInt64
        /// The newest birth that came by an exchange, and whether the broker gave it back.
        var birth: [UInt8] = []
        var isBirthSeen = true

        mutating func removeFirst(_ count: Int) {
            size -= waiting[..<count].reduce(0) { $0 + $1.size }
            waiting.removeFirst(count)
        }
    }

    private var devices: [[UInt8]: Device] = [:]
    /// The number of the newest message, and of the one before the first.
    private var newest: UInt64
    private let start: UInt64

    /// `start`: higher than every mark of an earlier run.
    init(start: UInt64) { (newest, self.start) = (start, start) }

    func knows(_ id: [UInt8]) -> Bool { devices[id] != nil }

    /// Whether the device had its mark from an earlier run, and this one does not know it: what waited then is lost.
    func isFromEarlierRun(_ id: [UInt8], mark: UInt64) -> Bool {
        !knows(id) && mark != 0 && !isOfThisRun(mark)
    }

    private func isOfThisRun(_ mark: UInt64) -> Bool { (start...newest).contains(mark) }

    /// An exchange came: what its mark tells was taken is gone.
    mutating func begin(_ id: [UInt8], mark: UInt64, now: UInt64) {
        if devices[id] == nil, devices.count >= Self.maximumDevices,
            let longest = devices.min(by: { $0.value.last < $1.value.last })?.key
        {
            devices[longest] = nil
        }
        var device = devices[id] ?? Device(last: now)
        device.last = now
        // A mark that is not of this run says nothing of its messages.
        if isOfThisRun(mark) {
            device.removeFirst(device.waiting.prefix { $0.number <= mark }.count)
        }
        devices[id] = device
    }

    /// Returns whether the device comes by HTTPS.
    mutating func add(_ message: Exchange.Message, for id: [UInt8], now: UInt64) -> Bool {
        guard var device = devices[id] else { return false }
        newest += 1
        let waiting = Waiting(number: newest, message: message, since: now)
        guard waiting.size <= Self.answerSize else { return true }
        device.waiting.append(waiting)
        device.size += waiting.size
        while device.waiting.count > Self.maximumCount || device.size > Self.maximumSize { device.removeFirst(1) }
        devices[id] = device
        return true
    }

    func hasMessages(for id: [UInt8]) -> Bool { devices[id]?.waiting.isEmpty == false }

    /// The oldest that wait, as many as an answer takes, and the mark of the answer to a request with `mark`.
    func answer(to id: [UInt8], mark: UInt64) -> (messages: [Exchange.Message], mark: UInt64) {
        var size = 0
        let fitting = (devices[id]?.waiting ?? []).prefix(Exchange.maximumCount).prefix { waiting in
            size += waiting.size
            return size <= Self.answerSize
        }
        return (fitting.map(\.message), fitting.last?.number ?? mark)
    }

    /// Forgets what is too old.
    mutating func expire(now: UInt64) {
        for (id, device) in devices {
            if device.last + Self.age <= now {
                devices[id] = nil
            } else {
                devices[id]?.removeFirst(device.waiting.prefix { $0.since + Self.age <= now }.count)
            }
        }
    }

    // MARK: By which way a device comes

    /// A birth came by an exchange.
    mutating func forwarded(birth: [UInt8], from id: [UInt8]) {
        devices[id]?.birth = birth
        devices[id]?.isBirthSeen = false
    }

    /// The broker told a birth; returns whether it came by an exchange. After one that did not, nothing is kept for the
    /// device, unless one that did is still on its way.
    mutating func seen(birth: [UInt8], from id: [UInt8]) -> Bool {
        guard let device = devices[id] else { return false }
        if device.birth == birth {
            devices[id]?.isBirthSeen = true
            return true
        }
        if device.isBirthSeen { devices[id] = nil }
        return false
    }
}
