// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletAnnouncer
import MartletController
import Testing

@testable import martlet_gateway

@Suite struct ArgumentTests {
    @Test(
        arguments: [
            ("5", .integer(5)), ("-5", .integer(-5)), ("5.5", .number(5.5)), ("1e3", .number(1000)),
            ("true", .boolean(true)),
            ("false", .boolean(false)), ("True", .text(Array("True".utf8))), ("on", .text(Array("on".utf8))),
            ("nan", .text(Array("nan".utf8))), ("inf", .text(Array("inf".utf8))), ("", .text([])),
            ("9223372036854775808", .number(9223372036854775808)), ("text:5", .text([0x35])), ("text:", .text([])),
            ("a:b", .text(Array("a:b".utf8))), ("data:00ff", .data([0, 255])), ("data:", .data([])),
            ("integer:-7", .integer(-7)), ("number:7", .number(7)), ("integer:x", nil), ("integer:1.5", nil),
            ("number:inf", nil), ("data:0", nil), ("data:0g", nil),
            ("text:" + String(repeating: "x", count: 1025), nil),
        ] as [(String, CommandValue?)])
    func `an argument has the type that it looks like, or is told`(argument: String, value: CommandValue?) {
        #expect(CommandValue(argument: argument) == value)
    }

    @Test(arguments: ["gateway", "operator", "", "-x", "a/b", "a b", "é", String(repeating: "x", count: 65)])
    func `a device id that is none, or a controller's, is refused`(id: String) {
        #expect(throws: (any Error).self) { try DeviceAdd.parse(["--directory", "x", "--", id]) }
    }

    @Test(arguments: [
        ["--host", ""], ["--host", "a b"], ["--host", "a\nport = 1"], ["--host", "é"], ["--host", "[::1]"],
        ["--host", "a..b"], ["--host", "x."], ["--host", "-x"], ["--host", "::::"], ["--host", "1.2.3.4\nport = 1"],
        ["--host", "12.3.4"],
        ["--host", String(repeating: "x", count: 254)], ["--port", "0"], ["--urn", "urn:x:y"],
    ])
    func `what a device's configuration cannot hold is refused`(arguments: [String]) {
        #expect(throws: (any Error).self) { try DeviceAdd.parse(["pump-7"] + arguments) }
    }

    @Test(arguments: ["localhost", "broker-1.example", "192.0.2.7", "2001:db8::1", "my_host"])
    func `a name or an address is taken`(host: String) throws {
        #expect(try DeviceAdd.parse(["pump-7", "--host", host]).options.host == host)
    }

    @Test(arguments: ["..", "a..b", "x.", "::::", "12.3.4"])
    func `no label is made that names what no server can prove to be`(host: String) {
        for option in ["--host", "--est"] {
            #expect(throws: (any Error).self) { try DeviceInvite.parse(["--directory", "x", "pump-7", option, host]) }
        }
    }

    @Test func `what the command verb takes`() throws {
        let order = try Order.parse(["pump-7", "set-level", "5", "--deadline", "3", "--", "-2"])
        #expect(order.arguments == ["5", "-2"] && order.deadline == 3 && order.wait == 10)
        for arguments in [
            ["pump 7", "x"], ["pump-7", "Open"], ["pump-7", "open", "data:x"], ["pump-7", "open", "--wait", "0"],
            ["pump-7", "open"] + Array(repeating: "1", count: 9),
        ] {
            #expect(throws: (any Error).self) { try Order.parse(arguments) }
        }
    }

    @Test(arguments: [
        ["--for", "18446744073709551615"], ["--for", "315360001"], ["--for", "-1"], ["--for", "x"], ["--port", "0"],
        ["--port", "65536"], ["--announce"], ["--announce", "--listen", "127.0.1.1"],
        ["--announce", "--listen", "::1"],
    ])
    func `what run cannot do is refused before it begins`(arguments: [String]) {
        #expect(throws: (any Error).self) { try Run.parse(arguments) }
    }

    @Test func `what others can reach may be announced, at the addresses that it listens on`() throws {
        for listen in ["0.0.0.0", "192.0.2.7", "::", "fd77::2"] {
            #expect(try Run.parse(["--announce", "--listen", listen]).announce)
        }
        let (ipv4, ipv6) = ([192, 0, 2, 7] as [UInt8], [0xfd, 0x77] + [UInt8](repeating: 0, count: 13) + [2])
        #expect(ListenAddress.reaches("0.0.0.0", ipv4) && !ListenAddress.reaches("0.0.0.0", ipv6))
        #expect(ListenAddress.reaches("::", ipv6) && !ListenAddress.reaches("::", ipv4))
        #expect(ListenAddress.reaches("192.0.2.7", ipv4) && !ListenAddress.reaches("192.0.2.8", ipv4))
        #expect(ListenAddress.reaches("fd77::2", ipv6) && !ListenAddress.reaches("fd77::3", ipv6))
    }

    @Test func `broker and registrar are announced with their ports, by a name that is one`() {
        let services = NetworkAnnouncement.services(host: "pantry-1", broker: 8883, registrar: 8443)
        #expect(services.map(\.port) == [8883, 8443])
        #expect(services.map(\.attributes) == [[], [Array("path=/.well-known/est".utf8)]])
        #expect(services.allSatisfy { $0.label == Array("pantry-1".utf8) })
        #expect(NetworkAnnouncement.services(host: "pantry-1", broker: 8883, registrar: nil).map(\.port) == [8883])
        for host in ["", "a b", "é", "a_b", String(repeating: "x", count: 64)] {
            #expect(NetworkAnnouncement.services(host: host, broker: 1, registrar: 2).isEmpty)
        }
    }

    @Test func `run may end after up to ten years`() throws {
        #expect(try Run.parse(["--for", "315360000"]).seconds == 315_360_000)
    }
}
