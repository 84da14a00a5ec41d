// SPDX-License-Identifier: Apache-2.0

@testable import MartletDNS
import Testing

@Suite struct WriterTests {
    private let type = DNSName("_martlet._udp.local")
    private let instance = DNSName("pump._martlet._udp.local")
    private let host = DNSName("pump.local")

    private var pointer: DNSRecord { DNSRecord(type, timeToLive: 4500, .pointer(instance)) }
    private var server: DNSRecord {
        DNSRecord(instance, timeToLive: 120, .service(DNSService(priority: 1, weight: 2, port: 0, target: host)))
    }
    private var address: DNSRecord { DNSRecord(host, timeToLive: 120, .address([10, 0, 0, 7])) }

    @Test func `what is written is read, section by section, with the names in a third of their bytes`() throws {
        var writer = DNSWriter(.response)
        let isPointerIn = writer.add([pointer], isUnique: false, .answer)
        let isServerIn = writer.add([server], isUnique: true, .additional)
        let isAddressIn = writer.add([address], isUnique: true, .additional)
        #expect(isPointerIn && isServerIn && isAddressIn)
        #expect(Array(writer.bytes[..<12]) == [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 2])
        let message = try decoded(writer.bytes)
        #expect(message.isAnswer && !message.isQuery && message.answerCount == 1)
        #expect(message.records.map { dotted($0.name) } == [dotted(type), dotted(instance), dotted(host)])
        #expect(message.records.map(\.timeToLive) == [4500, 120, 120])
        #expect(
            message.records.map(\.data.summary) == [
                "PTR pump._martlet._udp.local", "SRV 1 2 0 pump.local", "[10, 0, 0, 7]",
            ])
        // 21 + 10 + 7, 2 + 10 + 6 + 7, 2 + 10 + 4.
        #expect(writer.bytes.count == 12 + 38 + 25 + 16)
        // Behind each name and its type stands the class: shared, unique, unique.
        #expect(Array(writer.bytes[35...36]) == [0, 1] && Array(writer.bytes[54...55]) == [0x80, 1])
    }

    @Test func `an answer to a plain querier has its id and question, short times and no compression in SRV`() throws {
        var writer = DNSWriter(.legacyResponse, id: 0x1234)
        let isQuestionIn = writer.add(DNSQuestion(instance, DNSType.service))
        let isServerIn = writer.add([server], isUnique: true, .answer)
        #expect(isQuestionIn && isServerIn)
        let message = try decoded(writer.bytes)
        #expect(message.id == 0x1234 && message.questions.count == 1)
        #expect(message.records.map(\.timeToLive) == [10])
        #expect(writer.bytes.suffix(host.wire.count) == host.wire[...])
        #expect(Array(writer.bytes.suffix(2 + 10 + 6 + host.wire.count).prefix(6)) == [0xc0, 12, 0, 33, 0, 1])
    }

    @Test func `a probe asks for both ways of answering, and replaces nothing`() throws {
        var writer = DNSWriter(.probe)
        let isQuestionIn = writer.add(DNSQuestion(instance, DNSType.any, wantsUnicast: true))
        let isServerIn = writer.add([server], isUnique: true, .authority)
        #expect(isQuestionIn && isServerIn)
        let message = try decoded(writer.bytes)
        #expect(message.isQuery && !message.isAnswer && message.answerCount == 0)
        #expect(message.questions.map(\.wantsUnicast) == [true] && message.questions.map(\.type) == [255])
        #expect(message.records.count == 1)
        #expect(writer.bytes[12 + instance.wire.count + 4 + 2 + 2] == 0)
    }

    @Test func `sets of records are written whole or not at all`() throws {
        var writer = DNSWriter(.response)
        let text = DNSRecord(host, timeToLive: 1, .text([UInt8](repeating: 0, count: 200)))
        let isFirstIn = writer.add([text], isUnique: true, .answer)
        let before = writer.bytes
        let areBothIn = writer.add([text, text], isUnique: true, .answer)
        #expect(isFirstIn && !areBothIn && writer.bytes == before)
        let isSecondIn = writer.add([text], isUnique: true, .answer)
        #expect(isSecondIn && writer.bytes.count <= DNSWriter.limit)
        #expect(try decoded(writer.bytes).records.count == 2)
        var questions = DNSWriter(.probe)
        while questions.add(DNSQuestion(DNSName("a"), 1)) {}
        #expect(questions.bytes.count <= DNSWriter.limit)
        #expect(try decoded(questions.bytes).questions.count == 83)
    }

    @Test func `a label has 1 to 63 bytes, and its name no more than 255`() {
        #expect(DNSName([0x61], below: type)?.wire == label("a") + type.wire)
        #expect(DNSName([], below: type) == nil)
        let longest = [UInt8](repeating: 0x61, count: 63)
        #expect(DNSName(longest + [0x61], below: type) == nil)
        let three = (0..<3).reduce(DNSName("")) { name, _ in DNSName(longest, below: name) ?? name }
        #expect(DNSName([UInt8](repeating: 0x61, count: 61), below: three)?.wire.count == 255)
        #expect(DNSName([UInt8](repeating: 0x61, count: 62), below: three) == nil)
    }
}
