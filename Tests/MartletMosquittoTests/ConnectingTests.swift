// SPDX-License-Identifier: Apache-2.0

import CMosquitto
import Foundation
import MartletMosquitto
import TestSupport
import Testing

@Suite struct ConnectingTests {
    @Test func `CONNECT carries session expiry, receive maximum and maximum packet size`() throws {
        let client = try Client(id: "dev-1", cleanStart: false, sessionExpiry: 0x0102_0304, keepAlive: 45)
        let broker = try ScriptedBroker(client)
        let properties: [UInt8] = [0x11, 1, 2, 3, 4, 0x21, 0, 8, 0x27, 0, 1, 0, 0]
        #expect(
            broker.connect == [0x10, 31, 0, 4] + "MQTT".utf8 + [5, 0, 0, 45, 13] + properties + [0, 5]
                + "dev-1".utf8)
    }

    @Test func `CONNECT of MQTT 3.1.1 carries no properties`() throws {
        let client = try Client(id: "d", version: .v311)
        let broker = try ScriptedBroker(client)
        #expect(broker.connect == [0x10, 13, 0, 4] + "MQTT".utf8 + [4, 2, 0, 60, 0, 1] + "d".utf8)
    }

    @Test func `the will is in CONNECT`() throws {
        let will = MosquittoWill(topic: Array("a/presence".utf8), payload: Array("gone".utf8), retained: true)
        let broker = try ScriptedBroker(try Client(will: will))
        // Clean start 0x02, will 0x04, will QoS 1 0x08, will retain 0x20.
        #expect(broker.connect[9] == 0x2E)
        #expect(Array(broker.connect.suffix(19)) == [0, 0, 10] + "a/presence".utf8 + [0, 4] + "gone".utf8)
    }

    @Test func `a real broker accepts both versions and says whether it knew the session`() throws {
        let broker = try Broker()
        for version in [MosquittoConnection.Version.v5, .v311] {
            for known in [false, true] {
                let id = "s\(version.rawValue)"
                let client = try Client(id: id, version: version, cleanStart: false, sessionExpiry: 60)
                try client.connect(broker.port)
                #expect(client.events == [.connected(sessionPresent: known)])
                client.connection?.disconnect()
                try client.drive { client.closed }
                #expect(client.events.last == .closed(nil))
            }
        }
    }

    @Test(arguments: [0x80, 0x85, 0x87, 0x88, 0x89, 0x97, 0x9F] as [UInt8])
    func `a refusal is told by its reason code, once`(code: UInt8) throws {
        let broker = try ScriptedBroker(try Client())
        try broker.answer([0x20, 3, 0, code, 0]) { $0.closed }
        #expect(broker.client.events == [.closed(.refused(reasonCode: code))])
        #expect(broker.client.connection?.descriptor == -1)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 0x87] as [UInt8])
    func `a refusal in MQTT 3.1.1 is told by its return code`(code: UInt8) throws {
        let broker = try ScriptedBroker(try Client(version: .v311))
        try broker.answer([0x20, 2, 0, code]) { $0.closed }
        #expect(broker.client.events == [.closed(.refused(reasonCode: code))])
    }

    @Test func `a 3.1.1 broker refuses MQTT 5 by its version`() throws {
        let broker = try ScriptedBroker(try Client())
        try broker.answer([0x20, 2, 0, 1]) { $0.closed }
        // libmosquitto 2.0.21 takes the answer for one of MQTT 5 that lacks its properties.
        let isTaken = LIBMOSQUITTO_MINOR > 0 || LIBMOSQUITTO_REVISION >= 21
        #expect(broker.client.events == [.closed(isTaken ? .protocolError : .refused(reasonCode: 0x84))])
    }

    @Test func `the limits in CONNACK reach the owner`() throws {
        let broker = try ScriptedBroker(try Client())
        try broker.accept([0x20, 15, 1, 0, 12, 0x21, 0, 3, 0x27, 0, 0, 4, 0, 0x24, 1, 0x25, 0])
        #expect(broker.client.events == [.connected(sessionPresent: true)])
        var expected = MosquittoLimits()
        expected.receiveMaximum = 3
        expected.maximumPacketSize = 1024
        expected.maximumQoS = 1
        expected.retainAvailable = false
        #expect(broker.client.limits == expected)
    }

    @Test(arguments: [[0x20, 6, 0, 0, 3, 0x21, 0, 0], [0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 0]] as [[UInt8]])
    func `a limit of zero is a protocol error`(connack: [UInt8]) throws {
        let broker = try ScriptedBroker(try Client())
        try broker.answer(connack) { $0.closed }
        #expect(broker.client.events == [.closed(.protocolError)])
    }

    @Test func `a second CONNACK is a protocol error`() throws {
        let broker = try ScriptedBroker(try Client())
        try broker.answer(ScriptedBroker.accepted + ScriptedBroker.accepted) { $0.closed }
        #expect(broker.client.events == [.connected(sessionPresent: false), .closed(.protocolError)])
    }

    @Test(
        arguments: [
            [0x30, 5, 0, 1, 0x61, 0, 0x62],  // PUBLISH before CONNACK
            [0x20, 0], [0x20, 1, 0], [0x20, 2, 0, 0], [0x20, 3, 0, 0, 9], [0x20, 4, 0, 0, 1, 0xFF],
            [0xD0, 0], [0x90, 4, 0, 1, 0, 1], [0x40, 2, 0, 1], [0x50, 2, 0, 1], [0x62, 2, 0, 1], [0x00, 0],
            [0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        ] as [[UInt8]])
    func `anything but a sound CONNACK first closes with a protocol error`(bytes: [UInt8]) throws {
        let broker = try ScriptedBroker(try Client())
        try broker.answer(bytes) { $0.closed }
        #expect(broker.client.events == [.closed(.protocolError)] || broker.client.events == [.closed(.connectionLost)])
        #expect(broker.client.connection?.descriptor == -1)
    }

    @Test func `a port where nobody listens is told by errno`() throws {
        let client = try Client()
        let port = try LoopbackListener().port
        #expect(throws: MosquittoError.network(errno: ECONNREFUSED)) { try client.open(port) }
        #expect(client.connection?.descriptor == -1)
        #expect(client.events.isEmpty)
    }

    @Test func `a port that is closed while we connect is told by errno, once`() throws {
        var listener: LoopbackListener? = try LoopbackListener(backlog: 0)
        let port = try #require(listener?.port)
        let first = try LoopbackSocket(connectingTo: port)
        let client = try Client()
        try client.open(port)
        #expect(client.connection?.wantsWrite == true)
        listener = nil
        // The system tries again after a second.
        try client.drive { client.closed }
        #expect(client.events == [.closed(.network(errno: ECONNREFUSED))])
        first.end()
    }

    @Test func `an end or a reset before CONNACK closes once`() throws {
        for reset in [false, true] {
            let broker = try ScriptedBroker(try Client())
            if reset { broker.socket.reset() } else { broker.socket.end() }
            try broker.client.drive { broker.client.closed }
            let expected: MosquittoError = reset ? .network(errno: ECONNRESET) : .connectionLost
            #expect(broker.client.events == [.closed(expected)])
        }
    }

    @Test func `abort leaves a server that accepts and says nothing, without an event`() throws {
        let broker = try ScriptedBroker(try Client())
        broker.client.connection?.abort()
        #expect(try broker.socket.readToEnd() == [])
        #expect(broker.client.events.isEmpty)
        #expect(broker.client.connection?.descriptor == -1)
        #expect(broker.client.connection?.wantsWrite == false)
        #expect(throws: MosquittoError.wrongState) { try broker.client.open(1883) }
    }

    @Test func `waiting for CONNACK does not spin`() throws {
        let broker = try ScriptedBroker(try Client())
        let before = broker.client.wakes
        #expect(throws: TestFailure.self) { try broker.client.drive(seconds: 0.3) { false } }
        #expect(broker.client.wakes - before <= 2)
    }

    @Test func `an address must be numeric`() throws {
        for address in ["localhost", "", "127.0.0.1\0", "::1::", "example.com"] {
            #expect(throws: MosquittoError.invalidArgument) { try Client().open(1883, address: address) }
        }
        #expect(throws: MosquittoError.invalidArgument) { try Client().open(0, address: "/tmp/socket") }
        #expect(throws: MosquittoError.invalidArgument) { try Client().open(0) }
    }

    @Test func `settings outside what MQTT allows are refused, and nothing that is open is closed`() throws {
        var (before, after) = (stat(), stat())
        #expect(fstat(0, &before) == 0)
        for id in ["", "a\0b", String(repeating: "x", count: 65_536), "a\u{1}b"] {
            #expect(throws: MosquittoError.invalidArgument) { try Client(id: id) }
        }
        #expect(fstat(0, &after) == 0 && after.st_ino == before.st_ino && after.st_dev == before.st_dev)
        for keepAlive in [1, 4] as [UInt16] {
            #expect(throws: MosquittoError.invalidArgument) { try Client(keepAlive: keepAlive) }
        }
        #expect(throws: MosquittoError.invalidArgument) { try Client(window: 0) }
        for topic in ["", "a/+", "#", "a\0b", String(repeating: "x", count: 65_536)] {
            let will = MosquittoWill(topic: Array(topic.utf8), payload: [], retained: false)
            #expect(throws: MosquittoError.invalidTopic) { try Client(will: will) }
        }
        let long = MosquittoWill(topic: [0x61], payload: [UInt8](repeating: 0, count: 65_536), retained: false)
        #expect(throws: MosquittoError.invalidArgument) { try Client(will: long) }
    }
}
