// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MartletController
import Testing

@testable import martlet_gateway

@Suite struct RegistryTests {
    private static let urn = "urn:dev:mac:0024befffe804ff1"

    private func entries() throws -> [DeviceEntry] {
        let certificate = try CertificateAuthority.selfSigned(commonName: "x", notBefore: 0, notAfter: 9).certificate
        let digest = [UInt8](repeating: 7, count: 32)
        var full = DeviceEntry(
            state: .pending, urn: Self.urn,
            invitation: Invitation(
                token: digest, expires: 1_800_000_000, wrongTries: 3, waitsForApproval: true, key: digest, isUsed: true),
            certificate: try certificate.der)
        full.predecessor = digest
        return [
            full, DeviceEntry(state: .invited, urn: Self.urn, invitation: Invitation(token: digest, expires: 1)),
            DeviceEntry(state: .retired, urn: Self.urn),
        ]
    }

    @Test func `an entry is read as it was written, and no part of it`() throws {
        for entry in try entries() {
            let text = entry.text
            #expect(DeviceEntry(text: text) == entry)
            for count in 0..<text.count { #expect(DeviceEntry(text: String(text.prefix(count))) == nil) }
            #expect(DeviceEntry(text: text + "\n") == nil && DeviceEntry(text: text + "x") == nil)
        }
    }

    @Test(arguments: [
        ("martlet-device 1", "martlet-device 2"), ("state invited", "state lost"), ("state invited\n", ""),
        ("urn urn:dev:", "urn urn:x:"), ("wrong-tries 0\n", ""), ("wrong-tries 0", "wrong-tries -1"),
        ("expires 1", "expires x"), ("token 07", "token 0g"), ("token 07", "token "), ("urn ", "\nurn "),
        ("urn ", "state invited\nurn "), ("urn ", "colour red\nurn "), ("urn ", "certificate 3000\nurn "),
        ("urn ", "key 07\nurn "), ("urn ", "approval perhaps\nurn "),
    ])
    func `a damaged entry is refused`(part: String, other: String) throws {
        let text = try entries()[1].text
        let damaged = text.replacing(part, with: other)
        #expect(damaged != text && DeviceEntry(text: damaged) == nil)
    }

    @Test func `the label is what devices read`() {
        var label = Label(
            id: "pump-7", registrar: "2001:db8::1", registrarPort: 8443, broker: "broker.example", brokerPort: 8883,
            authority: String(repeating: "a", count: 64), root: String(repeating: "b", count: 64))
        label.token = "t-_0"
        let digits = { (digit: String) in String(repeating: digit, count: 64) }
        #expect(
            label.text
                == "martlet:pump-7?est=[2001:db8::1]:8443&mqtt=broker.example:8883&ca=\(digits("a"))&root=\(digits("b"))"
                + "&token=t-_0")
    }

    @Test func `a token is 32 random bytes in base64url`() throws {
        let tokens = try (0..<64).map { _ in try Token().text }
        #expect(Set(tokens).count == 64)
        #expect(
            tokens.allSatisfy {
                $0.utf8.count == 43 && $0.allSatisfy { $0.isLetter || $0.isNumber || "-_".contains($0) }
            })
    }

    @Test(arguments: ["a/b", "+", "#", "$SYS", "../x", "", "a\0b", "é", String(repeating: "x", count: 65), "gateway"])
    func `what is no device id is refused by every verb`(id: String) {
        for verb in ["add", "invite", "approve", "suspend", "activate", "retire"] {
            #expect(throws: (any Error).self) { try Gateway.parseAsRoot(["device", verb, "--", id]) }
        }
    }

    @Test(arguments: [
        ["--valid", "0"], ["--valid", "25"], ["--est", ""], ["--est", "a b"], ["--host", "a&token=x"],
        ["--est-port", "0"],
        ["--urn", "urn:x:y"], ["--host", "x:y"], ["--est", "-x"],
    ])
    func `an invitation that no label can hold is refused`(arguments: [String]) {
        #expect(throws: (any Error).self) { try DeviceInvite.parse(["pump-7"] + arguments) }
    }

    @Test(arguments: [
        ["--certificate-days", "0"], ["--certificate-days", "3651"], ["--renew-expired", "-1"], ["--est-port", "0"],
        ["--est-port", "8444", "--https-port", "8444"],
    ])
    func `what the registrar cannot do is refused before it begins`(arguments: [String]) {
        #expect(throws: (any Error).self) { try Run.parse(arguments) }
    }

    @Test func `nginx passes on nothing of the client but what is named`() {
        let text = WebServerFiles.configuration(
            directory: #"/a "b"\c"#, listen: "::", registrar: 8443, https: 8444, isRoot: true)
        for line in [
            #"working_directory "/a \"b\"\\c";"#, "listen [::]:8443 ssl http2;", "ssl_verify_client optional_no_ca;",
            "listen [::]:8444 ssl http2;", "ssl_verify_client on;",
            "proxy_set_header Martlet-Client-Certificate $device_certificate;",
            "client_max_body_size 64k;", "user root;",
            "proxy_pass_request_headers off;", "ssl_protocols TLSv1.2 TLSv1.3;",
            "proxy_set_header Martlet-Client-Certificate $ssl_client_escaped_cert;",
        ] {
            #expect(text.contains(" \(line)\n") || text.contains("\n\(line)\n"))
        }
        #expect(
            !WebServerFiles.configuration(
                directory: "/", listen: "127.0.0.1", registrar: nil, https: nil, isRoot: false
            ).contains("user root"))
    }

    @Test func `each server is told what it needs of a client, and no more`() throws {
        let text = WebServerFiles.configuration(
            directory: "/", listen: "127.0.0.1", registrar: nil, https: 8444, isRoot: false)
        let headers = text.split(separator: "\n").map { $0.drop { $0 == " " } }.filter {
            $0.hasPrefix("proxy_set_header")
        }
        #expect(
            headers == [
                "proxy_set_header Host exchange;", "proxy_set_header Content-Type $content_type;",
                "proxy_set_header Authorization $http_authorization;",
                "proxy_set_header Martlet-Client-Certificate $device_certificate;",
            ])
        #expect(!text.contains("registrar.socket") && text.contains("exchange.socket"))
    }

    @Test func `events are one line each, and show nothing as it came`() throws {
        let refused = RegistrarEvent(
            device: Array("a\"\u{1b}[2J\n".utf8), operation: .enrol, outcome: .refused(status: 401, reason: "no"))
        let lines = JSONLines.objects(.registrar(refused)).map(\.text)
        #expect(
            lines == [
                #"{"type":"registrar","device":"a\"\u001b[2J\u000a","operation":"simpleenroll","outcome":"refused","status":401,"reason":"no"}"#
            ])
        #expect(refused.words == #"enrolment of a"\x1b[2J\x0a: refused (401): no"#)
        let issued = RegistrarEvent(device: Array("a".utf8), operation: .renew, outcome: .issued(expires: 0))
        #expect(
            JSONLines.objects(.registrar(issued)).map(\.text) == [
                #"{"type":"registrar","device":"a","operation":"simplereenroll","outcome":"issued","expires":"1970-01-01T00:00:00.000Z"}"#
            ])
    }
}
