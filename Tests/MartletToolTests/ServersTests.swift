// SPDX-License-Identifier: Apache-2.0

import MartletEnrolment
import Testing

@testable import MartletDNS
@testable import MartletDiscovery
@testable import MartletTool

/// Which servers a device takes that its label does not name.
@Suite struct ServersTests {
    private func label(_ rest: String = "") throws -> EnrolmentLabel {
        let text = Array("martlet:pump-7?root=\(String(repeating: "0a", count: 32))\(rest)".utf8)
        return try EnrolmentLabel(parsing: text.span)
    }

    private func service(
        _ kind: ServiceKind, host: [String] = ["pantry", "local"], port: UInt16 = 8443, path: String? = nil
    ) throws -> FoundService {
        FoundService(
            kind: kind, instance: [], host: DNSName(wire: host.flatMap { [UInt8($0.utf8.count)] + $0.utf8 } + [0]),
            port: port, priority: 0, weight: 0, addresses: [], path: path.map { Array($0.utf8) })
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func `what the label names counts, whatever the network proposes`() throws {
        let servers = try Servers(label("&est=a:1&mqtt=b:2"), [service(.registrar), service(.gateway)])
        #expect(text(servers.registrar.address.text) == "a:1" && text(servers.broker.text) == "b:2")
        #expect(!servers.isRegistrarFound)
    }

    @Test(arguments: [
        "..", "a..b", "x.", ".x", "[::::]", "[12.3.4]", "12.3.4", "[1:2]", String(repeating: "x", count: 64),
    ])
    func `what no server can prove to be is refused, wherever the label names it`(_ host: String) throws {
        for rest in ["&est=\(host):1&mqtt=b:2", "&est=a:1&mqtt=\(host):2", "&mqtt=\(host)"] {
            let label = try label(rest)
            let failure = #expect(throws: Failure.self) { _ = try Servers(label, []) }
            let reason = text(failure?.text ?? [])
            #expect(failure?.status == .usage && reason.contains("neither a DNS name nor an IP address: "), "\(reason)")
        }
    }

    @Test(arguments: [
        (nil, "/.well-known/est/simpleenroll"), ("/.well-known/est", "/.well-known/est/simpleenroll"),
        ("/.well-known/est/kitchen", "/.well-known/est/kitchen/simpleenroll"),
    ]) func `the one registrar and the one gateway that are found are taken`(_ path: String?, _ url: String) throws {
        let found = [
            try service(.gateway, host: ["anybody", "local"]),
            try service(.gateway, host: ["Pantry", "local"], port: 8883),
            try service(.registrar, path: path),
        ]
        let servers = try Servers(label(), found)
        #expect(text(servers.registrar.url(.enrol)) == "https://pantry.local:8443" + url)
        #expect(text(servers.broker.text) == "Pantry.local:8883" && servers.isRegistrarFound)
    }

    @Test func `none, several and unusable ones are refused`() throws {
        func reason(_ found: [FoundService], _ rest: String = "&mqtt=b") throws -> String {
            let label = try label(rest)
            do throws(Failure) {
                _ = try Servers(label, found)
                return ""
            } catch {
                #expect(error.status == .system)
                return text([UInt8](error.before) + error.detail + [UInt8](error.after))
            }
        }
        let one = try service(.registrar)
        #expect(try reason([]).contains("no registrar: add est= to the label"))
        #expect(try reason([one, one]).contains("more than one registrar"))
        #expect(try reason([service(.gateway)]).contains("no registrar"))
        let expected = "no gateway of the registrar's name: add mqtt= to the label"
        #expect(try reason([one], "").contains(expected))
        #expect(try reason([one, service(.gateway, host: ["anybody", "local"])], "").contains(expected))
        #expect(try reason([one, service(.gateway), service(.gateway, port: 1)], "").contains("more than one gateway"))
        for path in ["/est2", "/.well-known/est2", "/.well-known/est/a/b/c", "/.well-known/est/../x", ""] {
            #expect(try reason([service(.registrar, path: path)]).contains("no usable registrar"), "\(path)")
        }
        for host in [["a b", "local"], ["a.b"], ["a:1"], ["-a"], ["12", "3"], ["[::1]"], []] {
            #expect(try reason([service(.registrar, host: host)]).contains("no usable registrar"), "\(host)")
        }
        #expect(try reason([service(.registrar, port: 0)]).contains("no usable registrar"))
    }
}
