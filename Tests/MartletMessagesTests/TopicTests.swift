// SPDX-License-Identifier: Apache-2.0

import MartletEnvelope
import MartletMessages
import TestSupport
import Testing

@Suite struct TopicTests {
    func make(_ prefix: [UInt8], _ device: [UInt8]) -> Topics? { Topics(prefix: prefix.span, device: device.span) }

    func parse(_ topic: [UInt8], prefix: String = "martlet/v1") -> (device: String, leaf: Leaf)? {
        Topics.parse(topic.span, prefix: Array(prefix.utf8).span).map {
            (String(decoding: topic[$0.device], as: UTF8.self), $0.leaf)
        }
    }

    static let leaves: [(leaf: Leaf, name: String)] =
        [(.presence, "presence")] + Purpose.allCases.map { (.signed($0), "\($0)") }

    @Test(arguments: leaves)
    func `a leaf is named as its purpose, and is found again`(leaf: Leaf, name: String) throws {
        let topics = try #require(make(Array("martlet/v1".utf8), Array("sensor-1".utf8)))
        let topic = topics.topic(leaf)
        #expect(String(decoding: topic, as: UTF8.self) == "martlet/v1/sensor-1/\(name)")
        let found = topics.leaf(of: topic.span)
        #expect(found == leaf)
        let parsed = try #require(parse(topic))
        #expect(parsed.device == "sensor-1" && parsed.leaf == leaf)
    }

    static let strangers = [
        "", "/", "martlet/v1", "martlet/v1/", "martlet/v1/sensor-1", "martlet/v1/sensor-1/", "martlet/v1//command",
        "martlet/v1/sensor-1/Command", "martlet/v1/sensor-1/comman", "martlet/v1/sensor-1/command/",
        "martlet/v1/sensor-1/commands", "martlet/v1/sensor-1/command/x", "martlet/v1/sensor-1//command",
        "martlet/v1/sensor-1/", "martlet/v1/sensor-1/+", "martlet/v1/sensor-1/#", "martlet/v1/+/command",
        "martlet/v1/#", "/martlet/v1/sensor-1/command", "martlet/v2/sensor-1/command", "Martlet/v1/sensor-1/command",
        "martlet/v1x/sensor-1/command", "$share/g/martlet/v1/sensor-1/command", "martlet/v1/sensor-1/command\0",
        "martlet/v1/../command", "martlet/v1/.sensor/command", "martlet/v1/sensor 1/command",
    ]

    @Test(arguments: strangers)
    func `a topic that is not exactly one of the device's has no leaf`(topic: String) throws {
        let topics = try #require(make(Array("martlet/v1".utf8), Array("sensor-1".utf8)))
        let found = topics.leaf(of: Array(topic.utf8).span)
        #expect(found == nil)
        #expect(parse(Array(topic.utf8)) == nil)
    }

    @Test func `every prefix of a topic and another device's topic have no leaf`() throws {
        let topics = try #require(make(Array("martlet/v1".utf8), Array("sensor-1".utf8)))
        let topic = topics.topic(.signed(.command))
        for count in topic.indices {
            let prefix = Array(topic[..<count])
            let found = topics.leaf(of: prefix.span)
            #expect(found == nil)
            #expect(parse(prefix) == nil)
        }
        let other = Array("martlet/v1/sensor-2/command".utf8)
        let found = topics.leaf(of: other.span)
        #expect(found == nil)
        #expect(parse(other)?.device == "sensor-2")
    }

    static let hostile: [(name: String, bytes: [UInt8])] = [
        ("empty", []), ("plus", Array("+".utf8)), ("plus in a level", Array("a+".utf8)), ("hash", Array("#".utf8)),
        ("hash in a level", Array("a#".utf8)), ("dollar", Array("$SYS".utf8)), ("share", Array("$share/g".utf8)),
        ("NUL", [0]), ("NUL within", [0x61, 0, 0x61]), ("space", Array("a b".utf8)), ("line feed", [0x61, 0x0a]),
        ("U+FFFF", [0xef, 0xbf, 0xbf]), ("overlong slash", [0x61, 0xc0, 0xaf]), ("surrogate", [0xed, 0xa0, 0x80]),
        ("beyond ASCII", Array("ä".utf8)), ("only a slash", Array("/".utf8)), ("leading slash", Array("/a".utf8)),
        ("trailing slash", Array("a/".utf8)), ("empty level", Array("a//b".utf8)), ("colon", Array("a:b".utf8)),
        ("backslash", Array("a\\b".utf8)), ("delete", [0x61, 0x7f]), ("parent", Array("..".utf8)),
        ("parent within", Array("a/../b".utf8)), ("dot", Array("a/.".utf8)),
        ("65 bytes", [UInt8](repeating: 0x61, count: 65)),
        ("65,535 bytes", [UInt8](repeating: 0x61, count: 65_535)),
    ]

    @Test("TOP-01 a prefix that means something else to a broker is refused", arguments: hostile)
    func hostilePrefix(name: String, prefix: [UInt8]) {
        #expect(make(prefix, [0x61]) == nil)
        let valid = Topics.isValidPrefix(prefix.span)
        #expect(!valid)
    }

    @Test("TOP-01 a device id that is no single level is refused", arguments: hostile)
    func hostileDevice(name: String, device: [UInt8]) {
        #expect(make([0x61], device) == nil)
        #expect(parse(Array("martlet/v1/".utf8) + device + Array("/command".utf8)) == nil)
    }

    @Test("TOP-01 good prefixes", arguments: ["a", "martlet/v1", "a/b/c/d", "A.b_c-9", "a..", "0/1"])
    func good(prefix: String) throws {
        let topics = try #require(make(Array(prefix.utf8), Array("d".utf8)))
        #expect(parse(topics.topic(.presence), prefix: prefix)?.leaf == .presence)
    }

    @Test("TOP-01 a prefix has at most 64 bytes")
    func length() {
        #expect(make([UInt8](repeating: 0x61, count: 64), [UInt8](repeating: 0x62, count: 64)) != nil)
        #expect(make([UInt8](repeating: 0x61, count: 65), [0x62]) == nil)
        #expect(make([0x61], [UInt8](repeating: 0x62, count: 65)) == nil)
    }

    @Test func `the default prefix is a good one`() {
        let prefix = Array("\(Topics.defaultPrefix)".utf8)
        #expect(prefix == Array("martlet/v1".utf8))
        let valid = Topics.isValidPrefix(prefix.span)
        #expect(valid)
    }
}
