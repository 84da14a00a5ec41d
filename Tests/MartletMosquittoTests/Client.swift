// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletMosquitto
import MartletOpenSSL
import TestSupport

/// An owner of one connection: drives it on the thread of the test and remembers its events.
final class Client: MosquittoEvents {
    enum Event: Equatable {
        case connected(sessionPresent: Bool)
        case received(topic: String, payload: String, retained: Bool)
        case acknowledged(Int32, reasonCode: UInt8)
        case subscribed(Int32, reasonCode: UInt8)
        case alive
        case closed(MosquittoError?)
    }

    private(set) var connection: MosquittoConnection?
    private let tls: TLSContext?
    private(set) var events: [Event] = []
    private(set) var limits = MosquittoLimits()
    /// What `received` answers.
    var accepts = true
    /// Runs inside each event, after it was remembered.
    var during: (Client, Event) -> Void = { _, _ in }
    /// How often poll returned.
    private(set) var wakes = 0

    init(
        id: String = "device", version: MosquittoConnection.Version = .v5, cleanStart: Bool = true,
        sessionExpiry: UInt32 = 0, keepAlive: UInt16 = 60, window: UInt16 = 16, will: MosquittoWill? = nil,
        tls: TLSContext? = nil
    ) throws {
        self.tls = tls
        let now = Int64(Date().timeIntervalSince1970)
        tls?.prepare(time: now, boottime: UInt64(now) * 1000, acceptNotYetValid: false)
        connection = try MosquittoConnection(
            clientID: Array(id.utf8), version: version, cleanStart: cleanStart, sessionExpiry: sessionExpiry,
            keepAlive: keepAlive, window: window, receiveMaximum: 8, maximumPacketSize: 65_536, will: will,
            tls: tls?.handle,
            events: self)
    }

    var closed: Bool { events.contains { if case .closed = $0 { true } else { false } } }
    var ends: [Event] { events.filter { if case .closed = $0 { true } else { false } } }
    var acknowledged: [Event] { events.filter { if case .acknowledged = $0 { true } else { false } } }
    var messages: [Event] { events.filter { if case .received = $0 { true } else { false } } }

    func open(_ port: UInt16, address: String = "127.0.0.1") throws {
        try connection?.open(address: Array(address.utf8).span, port: port)
    }

    /// Opens and drives until CONNACK.
    func connect(_ port: UInt16) throws {
        try open(port)
        try drive { self.events.contains { if case .connected = $0 { true } else { false } } || self.closed }
        if closed { throw TestFailure("Closed before CONNACK: \(events)") }
    }

    /// Opens and drives to the end, which `open` may tell at once when the server is quick.
    func failure(opening port: UInt16) throws -> MosquittoError? {
        do { try open(port) } catch let error as MosquittoError { return error }
        try drive { self.closed }
        guard events.count == 1, case .closed(let reason) = events[0] else {
            throw TestFailure("Not one end alone: \(events)")
        }
        return reason
    }

    @discardableResult
    func publish(
        _ topic: String, _ payload: String = "", qos: MosquittoConnection.QoS = .atLeastOnce, retained: Bool = false
    ) throws -> Int32 {
        guard let connection else { throw MosquittoError.wrongState }
        return try connection.publish(
            topic: Array(topic.utf8).span, payload: Array(payload.utf8).span, qos: qos, retained: retained)
    }

    @discardableResult
    func subscribe(_ filter: String) throws -> Int32 {
        guard let connection else { throw MosquittoError.wrongState }
        let id = try connection.subscribe(filters: [Array(filter.utf8)])
        try drive { self.events.contains { if case .subscribed(id, _) = $0 { true } else { false } } || self.closed }
        return id
    }

    func discard() { connection = nil }

    /// Polls and drives the connection until `done`, or throws with the events.
    func drive(seconds: Double = 5, until done: () throws -> Bool) throws {
        try drive(watching: -1, seconds: seconds, until: done)
    }

    /// The same until a peer of the test has something to read.
    func drive(untilReadable descriptor: Int32) throws {
        var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        try drive(watching: descriptor, seconds: 5) { poll(&state, 1, 0) == 1 }
    }

    private func drive(watching other: Int32, seconds: Double, until done: () throws -> Bool) throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while try !done() {
            guard Date() < deadline else { throw TestFailure("Not within \(seconds) s; events: \(events)") }
            var interest = Int16(POLLIN)
            if connection?.wantsWrite == true { interest |= Int16(POLLOUT) }
            var states = [
                pollfd(fd: connection?.descriptor ?? -1, events: interest, revents: 0),
                pollfd(fd: other, events: Int16(POLLIN), revents: 0),
            ]
            poll(&states, 2, 100)
            let found = Int32(states[0].revents)
            if found != 0 {
                wakes += 1
                connection?.ready(readable: found & ~POLLOUT != 0, writable: found & POLLOUT != 0)
            }
            connection?.tick()
        }
    }

    private func happened(_ event: Event) {
        tls?.resetInputCount()
        events.append(event)
        during(self, event)
    }

    func connected(sessionPresent: Bool, limits: MosquittoLimits) {
        self.limits = limits
        happened(.connected(sessionPresent: sessionPresent))
    }

    func received(topic: Span<UInt8>, payload: Span<UInt8>, retained: Bool) -> Bool {
        happened(.received(topic: text(topic), payload: text(payload), retained: retained))
        return accepts
    }

    func acknowledged(id: Int32, reasonCode: UInt8) { happened(.acknowledged(id, reasonCode: reasonCode)) }

    func subscribed(id: Int32, reasonCode: UInt8) { happened(.subscribed(id, reasonCode: reasonCode)) }

    func alive() { happened(.alive) }

    func closed(_ reason: MosquittoError?) { happened(.closed(reason)) }

    private func text(_ bytes: Span<UInt8>) -> String {
        bytes.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}

/// The broker's side of a connection, played by the test.
struct ScriptedBroker {
    static let accepted: [UInt8] = [0x20, 3, 0, 0, 0]
    let listener: LoopbackListener
    let client: Client
    let socket: LoopbackSocket
    let connect: [UInt8]

    /// Takes the client's connection and its CONNECT.
    init(_ client: Client) throws {
        self.client = client
        listener = try LoopbackListener()
        try client.open(listener.port)
        try client.drive(untilReadable: listener.descriptor)
        socket = try listener.accept()
        try client.drive(untilReadable: socket.descriptor)
        connect = try socket.readPacket()
    }

    /// Answers, and drives the client until it noticed.
    func answer(_ bytes: [UInt8], until done: @escaping (Client) -> Bool) throws {
        try socket.write(bytes)
        try client.drive { done(client) }
    }

    func accept(_ connack: [UInt8] = accepted) throws {
        try answer(connack) { !$0.events.isEmpty }
    }

    /// The next packet of the client.
    func packet() throws -> [UInt8] {
        try client.drive(untilReadable: socket.descriptor)
        return try socket.readPacket()
    }

    /// PUBLISH, QoS 1 unless `id` is 0.
    static func publish(_ topic: String, _ payload: [UInt8], id: UInt8, version: MosquittoConnection.Version = .v5)
        -> [UInt8]
    {
        var body = [0, UInt8(topic.utf8.count)] + Array(topic.utf8)
        if id > 0 { body += [0, id] }
        if version == .v5 { body.append(0) }
        body += payload
        return [id > 0 ? 0x32 : 0x30, UInt8(body.count)] + body
    }
}
