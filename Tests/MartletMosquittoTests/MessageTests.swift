// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletMosquitto
import TestSupport
import Testing

@Suite struct MessageTests {
    @Test(arguments: [MosquittoConnection.Version.v5, .v311])
    func `a message arrives whole, with its retained flag`(version: MosquittoConnection.Version) throws {
        let broker = try Broker()
        let sender = try Client(id: "sender", version: version)
        try sender.connect(broker.port)
        let first = try sender.publish("a/b", "kept", retained: true)
        try sender.drive { !sender.acknowledged.isEmpty }
        let receiver = try Client(id: "receiver", version: version)
        try receiver.connect(broker.port)
        let id = try receiver.subscribe("a/+")
        #expect(receiver.events.contains(.subscribed(id, reasonCode: 1)))
        try receiver.drive { receiver.messages.count == 1 }
        try sender.publish("a/b", String(repeating: "x", count: 40_000))
        try sender.publish("a/c", "zero", qos: .atMostOnce)
        try sender.drive { sender.acknowledged.count == 2 && sender.connection?.inFlight == 0 }
        try receiver.drive { receiver.messages.count == 3 }
        #expect(
            receiver.messages == [
                .received(topic: "a/b", payload: "kept", retained: true),
                .received(topic: "a/b", payload: String(repeating: "x", count: 40_000), retained: false),
                .received(topic: "a/c", payload: "zero", retained: false),
            ])
        // MQTT 5: nobody subscribed to the first one.
        #expect(sender.acknowledged.first == .acknowledged(first, reasonCode: version == .v5 ? 0x10 : 0))
    }

    @Test func `PUBACK tells no subscriber 0x10 and not authorised 0x87`() throws {
        let broker = try Broker(
            settings: ["acl_file $folder/acl"], files: ["acl": "topic readwrite open/#\n"])
        let client = try Client()
        try client.connect(broker.port)
        let lost = try client.publish("open/a", "x")
        let denied = try client.publish("closed/a", "x")
        try client.drive { client.acknowledged.count == 2 }
        #expect(
            client.acknowledged == [.acknowledged(lost, reasonCode: 0x10), .acknowledged(denied, reasonCode: 0x87)])
        #expect(client.connection?.inFlight == 0)
    }

    @Test func `one SUBSCRIBE has all filters, and SUBACK tells the refusal of one`() throws {
        let broker = try ScriptedBroker(try Client())
        try broker.accept()
        let (first, second) = (Array("a/#".utf8), Array("b".utf8))
        let id = try #require(try broker.client.connection?.subscribe(filters: [first, second]))
        #expect(try broker.packet() == [0x82, 13, 0, UInt8(id), 0, 0, 3] + first + [1, 0, 1] + second + [1])
        try broker.answer([0x90, 5, 0, UInt8(id), 0, 0x87, 1]) { $0.events.count == 2 }
        #expect(broker.client.events.last == .subscribed(id, reasonCode: 0x87))
    }

    @Test(arguments: [[0x90, 4, 0, 1, 0, 1], [0x90, 6, 0, 1, 0, 1, 1, 1], [0x90, 5, 0, 2, 0, 1, 1]] as [[UInt8]])
    func `SUBACK has a code for each filter, and the packet's identifier`(answer: [UInt8]) throws {
        let broker = try ScriptedBroker(try Client())
        try broker.accept()
        #expect(try broker.client.connection?.subscribe(filters: [Array("a".utf8), Array("b".utf8)]) == 1)
        _ = try broker.packet()
        try broker.answer(answer) { $0.closed }
        #expect(broker.client.events.last == .closed(.protocolError))
    }

    @Test(arguments: [MosquittoConnection.Version.v5, .v311])
    func `PUBACK leaves after the owner took the message`(version: MosquittoConnection.Version) throws {
        let broker = try ScriptedBroker(try Client(version: version))
        try broker.accept(version == .v5 ? ScriptedBroker.accepted : [0x20, 2, 0, 0])
        let socket = broker.socket.descriptor
        var early = true
        broker.client.during = { _, event in
            guard case .received = event else { return }
            var state = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            early = poll(&state, 1, 50) != 0
        }
        try broker.socket.write(ScriptedBroker.publish("c", [1, 2], id: 7, version: version))
        #expect(try broker.packet() == [0x40, 2, 0, 7])
        #expect(!early)
    }

    @Test(arguments: [MosquittoConnection.Version.v5, .v311])
    func `a message refused by the owner is never acknowledged`(version: MosquittoConnection.Version) throws {
        let broker = try ScriptedBroker(try Client(version: version))
        try broker.accept(version == .v5 ? ScriptedBroker.accepted : [0x20, 2, 0, 0])
        broker.client.accepts = false
        // Two at once: what follows a refused message is not delivered either.
        let first = ScriptedBroker.publish("c", [1], id: 7, version: version)
        let second = ScriptedBroker.publish("c", [2], id: 8, version: version)
        try broker.answer(first + second) { $0.closed }
        #expect(try broker.socket.readToEnd() == [])
        #expect(broker.client.messages.count == 1)
        #expect(broker.client.ends == [.closed(.messageRefused)])
    }

    @Test(arguments: [MosquittoConnection.Version.v5, .v311])
    func `the broker delivers a refused message again`(version: MosquittoConnection.Version) throws {
        let broker = try Broker()
        let receiver = try Client(id: "r", version: version, cleanStart: false, sessionExpiry: 60)
        receiver.accepts = false
        try receiver.connect(broker.port)
        try receiver.subscribe("c")
        let sender = try Client(id: "s")
        try sender.connect(broker.port)
        try sender.publish("c", "command")
        try sender.drive { !sender.acknowledged.isEmpty }
        try receiver.drive { receiver.closed }
        let message = Client.Event.received(topic: "c", payload: "command", retained: false)
        #expect(receiver.messages == [message])
        #expect(receiver.ends == [.closed(.messageRefused)])
        let again = try Client(id: "r", version: version, cleanStart: false, sessionExpiry: 60)
        try again.connect(broker.port)
        try again.drive { !again.messages.isEmpty }
        #expect(again.events == [.connected(sessionPresent: true), message])
    }

    @Test func `nothing is queued beyond the window, QoS 0 included`() throws {
        let broker = try ScriptedBroker(try Client(window: 3))
        try broker.accept()
        let client = broker.client
        let first = try client.publish("t", "1")
        try client.publish("t", "2", qos: .atMostOnce)
        try client.publish("t", "3")
        #expect(client.connection?.inFlight == 3)
        #expect(throws: MosquittoError.windowFull) { try client.publish("t", "4") }
        #expect(throws: MosquittoError.windowFull) { try client.publish("t", "4", qos: .atMostOnce) }
        // Written: the message of QoS 0 is done, without an event.
        for _ in 1...3 { _ = try broker.packet() }
        #expect(client.connection?.inFlight == 2)
        try client.publish("t", "4")
        #expect(throws: MosquittoError.windowFull) { try client.publish("t", "5") }
        try broker.answer([0x40, 2, 0, UInt8(first)]) { !$0.acknowledged.isEmpty }
        #expect(client.acknowledged == [.acknowledged(first, reasonCode: 0)])
        #expect(client.connection?.inFlight == 2)
    }

    @Test func `a window wider than the library's own default is used whole`() throws {
        let broker = try ScriptedBroker(try Client(window: 40))
        try broker.accept()
        for _ in 1...40 { try broker.client.publish("t", "") }
        #expect(throws: MosquittoError.windowFull) { try broker.client.publish("t", "") }
        for _ in 1...40 { #expect(try broker.packet().first == 0x32) }
    }

    @Test func `the broker's Receive Maximum narrows the window`() throws {
        let broker = try ScriptedBroker(try Client(window: 16))
        try broker.accept([0x20, 6, 0, 0, 3, 0x21, 0, 2])
        try broker.client.publish("t", "1")
        try broker.client.publish("t", "2")
        #expect(throws: MosquittoError.windowFull) { try broker.client.publish("t", "3") }
    }

    @Test func `an acknowledgement nobody waits for changes nothing`() throws {
        let broker = try ScriptedBroker(try Client(window: 1))
        try broker.accept()
        try broker.client.publish("t", "1")
        _ = try broker.packet()
        try broker.socket.write([0x40, 2, 0, 99, 0x40, 2, 0, 1, 0x40, 2, 0, 1])
        try broker.client.drive { !broker.client.acknowledged.isEmpty }
        #expect(broker.client.acknowledged.count == 1)
        #expect(broker.client.connection?.inFlight == 0)
        try broker.client.publish("t", "2")
        #expect(throws: MosquittoError.windowFull) { try broker.client.publish("t", "3") }
    }

    @Test func `the broker's Maximum Packet Size is kept to the byte`() throws {
        let broker = try ScriptedBroker(try Client())
        // Maximum 20: fixed header 2, topic 3, identifier 2, property length 1, so 12 bytes of payload.
        try broker.accept([0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 20])
        #expect(throws: MosquittoError.packetTooLarge) {
            try broker.client.publish("t", String(repeating: "x", count: 13))
        }
        #expect(broker.client.connection?.inFlight == 0)
        try broker.client.publish("t", String(repeating: "x", count: 12))
        #expect(try broker.packet().count == 20)
        #expect(throws: MosquittoError.packetTooLarge) { try broker.client.subscribe("0123456789abcd") }
    }

    @Test func `a bad topic is refused before anything is sent`() throws {
        let broker = try ScriptedBroker(try Client())
        try broker.accept()
        let connection = try #require(broker.client.connection)
        for topic in ["", "a/#", "+", "a\0b", String(repeating: "x", count: 65_536), "a\u{7}"] {
            #expect(throws: MosquittoError.invalidTopic) { try broker.client.publish(topic, "x") }
        }
        let notUTF8: [UInt8] = [0x61, 0xFF]
        #expect(throws: MosquittoError.invalidTopic) {
            try connection.publish(topic: notUTF8.span, payload: notUTF8.span)
        }
        for filter in ["", "a/#/b", "a+", "a\0b"] {
            #expect(throws: MosquittoError.invalidTopic) { try broker.client.subscribe(filter) }
        }
        #expect(connection.inFlight == 0)
        #expect(!connection.wantsWrite)
        try broker.client.publish(String(repeating: "x", count: 65_535), "")
        #expect(try broker.packet().count == 4 + 2 + 65_535 + 2 + 1)
    }

    @Test func `what the broker does not offer is refused`() throws {
        let broker = try ScriptedBroker(try Client())
        try broker.accept([0x20, 7, 0, 0, 4, 0x24, 0, 0x25, 0])
        #expect(throws: MosquittoError.unsupported) { try broker.client.publish("t", "x") }
        #expect(throws: MosquittoError.unsupported) {
            try broker.client.publish("t", "x", qos: .atMostOnce, retained: true)
        }
        try broker.client.publish("t", "x", qos: .atMostOnce)
        #expect(try broker.packet() == [0x30, 5, 0, 1, 0x74, 0, 0x78])
    }

    @Test func `publishing needs CONNACK`() throws {
        let client = try Client()
        #expect(throws: MosquittoError.wrongState) { try client.publish("t", "x") }
        let broker = try ScriptedBroker(client)
        #expect(throws: MosquittoError.wrongState) { try client.publish("t", "x") }
        broker.client.connection?.abort()
        #expect(throws: MosquittoError.wrongState) { try client.publish("t", "x") }
    }

    @Test func `events may publish, and disconnect`() throws {
        let broker = try Broker()
        let client = try Client()
        client.during = { client, event in
            switch event {
            case .connected: _ = try? client.publish("t", "1")
            case .acknowledged(1, _): _ = try? client.publish("t", "2")
            case .acknowledged: client.connection?.disconnect()
            default: break
            }
        }
        try client.connect(broker.port)
        try client.drive { client.closed }
        #expect(
            client.events == [
                .connected(sessionPresent: false), .acknowledged(1, reasonCode: 0x10),
                .acknowledged(2, reasonCode: 0x10), .closed(nil),
            ])
        try broker.waitForLog("disconnected.")
        #expect(broker.log.contains("Received DISCONNECT from device"))
    }

    @Test func `disconnect sends first what is queued, and acknowledges nothing that arrives`() throws {
        let broker = try ScriptedBroker(try Client())
        try broker.accept()
        try broker.client.publish("t", "1")
        broker.client.connection?.disconnect()
        #expect(throws: MosquittoError.wrongState) { try broker.client.publish("t", "2") }
        try broker.answer(ScriptedBroker.publish("c", [1], id: 7)) { $0.closed }
        #expect(try broker.socket.readPacket().first == 0x32)
        #expect(try broker.socket.readPacket() == [0xE0, 0])
        #expect(try broker.socket.readToEnd() == [])
        #expect(broker.client.messages.isEmpty && broker.client.ends == [.closed(nil)])
    }

    @Test func `the broker keeps what arrives while a client leaves in order`() throws {
        // The message must be there when the client says goodbye.
        let broker = try Broker(settings: ["set_tcp_nodelay true"])
        let receiver = try Client(id: "r", cleanStart: false, sessionExpiry: 60)
        try receiver.connect(broker.port)
        try receiver.subscribe("c")
        let sender = try Client(id: "s")
        try sender.connect(broker.port)
        // Its PUBACK, come too late to be read, would end the connection for the broker before it reads DISCONNECT.
        try receiver.publish("t", "last", qos: .atMostOnce)
        receiver.connection?.disconnect()
        try sender.publish("c", "command")
        try sender.drive { !sender.acknowledged.isEmpty }
        try receiver.drive { receiver.closed }
        #expect(receiver.messages.isEmpty && receiver.ends == [.closed(nil)])
        try broker.waitForLog("Received DISCONNECT from r")
        #expect(broker.log.contains("Received PUBLISH from r"))
        let again = try Client(id: "r", cleanStart: false, sessionExpiry: 60)
        try again.connect(broker.port)
        try again.drive { !again.messages.isEmpty }
        #expect(again.messages == [.received(topic: "c", payload: "command", retained: false)])
    }
}
