// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import martlet_gateway

@Suite struct BrokerFilesTests {
    private let rules = BrokerFiles.accessRules(barred: []).split(separator: "\n").map(String.init)

    @Test func `nobody may read and write the same topic, and no rule has a wildcard at its end`() {
        #expect(!rules.contains { $0.contains("readwrite") || $0.contains("#") || $0.hasSuffix("+") })
        let patterns = rules.filter { $0.hasPrefix("pattern") }
        #expect(patterns.allSatisfy { $0.contains("martlet/v1/%u/") })
        let leaves = { (access: String) in
            Set(patterns.filter { $0.hasPrefix("pattern \(access) ") }.compactMap { $0.split(separator: "/").last })
        }
        #expect(leaves("read").isDisjoint(with: leaves("write")))
    }

    @Test func `the operator writes commands alone, the gateway resumes and trust documents, HTTPS what devices may`()
        throws
    {
        let gateway = try #require(rules.firstIndex(of: "user gateway"))
        let `operator` = try #require(rules.firstIndex(of: "user operator"))
        let patterns = try #require(rules.firstIndex { $0.hasPrefix("pattern") })
        let writes = { (rules: ArraySlice<String>) in rules.filter { $0.hasPrefix("topic write") } }
        let exchange = try #require(rules.firstIndex(of: "user exchange"))
        #expect(writes(rules[gateway..<`operator`]) == ["resume", "trust"].map { "topic write martlet/v1/+/\($0)" })
        #expect(writes(rules[`operator`..<exchange]) == ["topic write martlet/v1/+/command"])
        // What the devices that it speaks for may, and no more.
        let ofDevices = rules[patterns...].map { $0.replacing("%u", with: "+").replacing("pattern", with: "topic") }
        #expect(Array(rules[(exchange + 1)..<patterns]) == ofDevices)
    }

    @Test func `a device that is barred may do nothing, and the others what they could`() {
        let barred = BrokerFiles.accessRules(barred: ["pump-7", "pump-8"]).split(separator: "\n").map(String.init)
        #expect(
            barred.filter { !rules.contains($0) } == ["user pump-7", "topic deny #", "user pump-8", "topic deny #"])
        #expect(rules.filter { !barred.contains($0) } == [])
    }

    @Test func `the broker asks everybody for a certificate`() {
        let text = BrokerFiles.configuration(directory: "/x", listen: "127.0.0.1", port: 1234, isRoot: true)
        for line in [
            "listener 1234 127.0.0.1", "require_certificate true", "use_identity_as_username true",
            "use_username_as_clientid true", "allow_anonymous false", "tls_version tlsv1.2", "user root",
            "acl_file /x/mosquitto.acl",
        ] {
            #expect(text.contains("\n\(line)\n"))
        }
        let plain = BrokerFiles.configuration(directory: "/x", listen: "127.0.0.1", port: 1234, isRoot: false)
        #expect(!plain.contains("user root"))
    }

    @Test(arguments: [
        ("127.0.0.1", ["127.0.0.1"]), ("0.0.0.0", ["0.0.0.0"]), ("192.0.2.7", ["192.0.2.7", "127.0.0.1"]),
        ("::", ["::", "127.0.0.1"]),
    ])
    func `the gateway reaches its servers wherever they listen`(listen: String, addresses: [String]) {
        let broker = BrokerFiles.configuration(directory: "/x", listen: listen, port: 1234, isRoot: false)
        let listeners = broker.split(separator: "\n").filter { $0.hasPrefix("listener ") }
        #expect(listeners.map(String.init) == addresses.map { "listener 1234 \($0)" })
        #expect(broker.split(separator: "require_certificate true").count == addresses.count + 1)
        let server = WebServerFiles.configuration(
            directory: "/x", listen: listen, registrar: 1234, https: 1235, isRoot: false)
        for (address, port) in addresses.flatMap({ [($0, 1234), ($0, 1235)] }) {
            #expect(server.contains(" \(address == "::" ? "[::]" : address):\(port) ssl http2;\n"))
        }
    }

    @Test(arguments: ["", "localhost", "127.0.0.1:80", "0.0.0.0 ; x", "[::1]", "1.2.3"])
    func `what is no address is refused`(listen: String) {
        #expect(throws: (any Error).self) { try ListenAddress.validate(listen) }
    }
}
