// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletOpenSSL
import TestSupport
import Testing

/// What is wrong with a device's files is told with the file, the line and what to do, and with no secret.
@Suite struct ConfigurationTests {
    let folder: DeviceFolder

    init() throws {
        folder = try DeviceFolder(TestAuthority())
        try folder.configure([:])
    }

    /// The message of the refusal, with `$` for the folder.
    private func message(_ code: MartletError.Code) throws -> String {
        let error = #expect(throws: MartletError.self) { _ = try folder.device() }
        #expect(error?.code == code)
        let message = error?.message ?? ""
        #expect(message.unicodeScalars.allSatisfy { (0x20...0x7e).contains($0.value) || $0 == "…" })
        for secret in try Canaries(folder.identity.key).all { #expect(!message.contains(secret)) }
        return message.replacingOccurrences(of: folder.path, with: "$")
    }

    /// Replaces a line of the configuration, counted from 1, and puts the device together.
    private func message(line: Int, _ text: String, _ code: MartletError.Code = .configuration) throws -> String {
        var lines = folder.lines
        lines[line - 1] = text
        try folder.configure(lines: lines)
        return try message(code)
    }

    private static let badRoot =
        "$/martlet.conf:11: the root is 64 hex digits: the SHA-256 of a root's public key"

    @Test func `the configuration of the table is a good one`() throws {
        let device = try folder.device()
        device.stop()
    }

    @Test(arguments: [
        (1, "[device] x", "$/martlet.conf:1: not a heading, write [word] or [word word]"),
        (2, "id : pump-7", "$/martlet.conf:2: neither a heading nor an entry, write key = value"),
        (2, "", "$/martlet.conf: no device id: add id to [device]"),
        (2, "id = pump-7\nid = pump-7", "$/martlet.conf:3: the key stands twice in its section, remove one"),
        (2, "id = pump-7\nname = x", "$/martlet.conf:3: unknown key 'name' in [device]: correct or remove it"),
        (2, "id = pump-7\n\\x1b = x", "$/martlet.conf:3: unknown key '\\x5cx1b' in [device]: correct or remove it"),
        (3, "[mqqt]", "$/martlet.conf: no broker: add host to [mqtt]"),
        (1, "[device backup]", "$/martlet.conf:1: the heading has a second word: remove that"),
        (14, "[quota monthly]", "$/martlet.conf:14: the heading has a second word: remove that"),
        (14, "[enrolment 2]", "$/martlet.conf:14: the heading has a second word: remove that"),
        (3, "[device]", "$/martlet.conf:3: the heading stands twice, put its entries below the first one"),
        (4, "host =", "$/martlet.conf:4: the host is empty: name the broker"),
        (4, "", "$/martlet.conf: no broker: add host to [mqtt]"),
        (4, "host = a b", "$/martlet.conf: host is neither a DNS name nor an IP address: a b"),
        (
            4, "host = bro\u{202e}ker",
            "$/martlet.conf: host is neither a DNS name nor an IP address: bro\\xe2\\x80\\xaeker"
        ),
        (4, "host = .example", "$/martlet.conf: host is neither a DNS name nor an IP address: .example"),
        (4, "host = 127.0.0", "$/martlet.conf: host is neither a DNS name nor an IP address: 127.0.0"),
        (4, "host = localhost\ntls = off", "$/martlet.conf:5: unknown key 'tls' in [mqtt]: correct or remove it"),
        (5, "port = 0", "$/martlet.conf:5: port is an integer from 1 to 65535"),
        (5, "port = 65536", "$/martlet.conf:5: port is an integer from 1 to 65535"),
        (5, "port = 8883 # TLS", "$/martlet.conf:5: port is an integer from 1 to 65535"),
        (5, "port = 99999999999999999999", "$/martlet.conf:5: port is an integer from 1 to 65535"),
        (5, "keep-alive = 4", "$/martlet.conf:5: keep-alive is an integer from 5 to 3600"),
        (5, "protocol = 3.1", "$/martlet.conf:5: the protocol is 5 or 3.1.1"),
        (7, "", "$/martlet.conf: no private key: add key to [identity]"),
        (8, "", "$/martlet.conf: no certificate: add certificate to [identity]"),
        (9, "", "$/martlet.conf: no trust anchors: add anchors to [identity]"),
        (11, "", "$/martlet.conf: no trust root: add root to [trust]"),
        (11, "root = ", badRoot), (11, "root = \(String(repeating: "0", count: 63))", badRoot),
        (11, "root = \(String(repeating: "0", count: 65))", badRoot),
        (11, "root = \(String(repeating: "0", count: 63))g", badRoot),
        (12, "documents = trust.cbor", "$/martlet.conf:12: unknown key 'documents' in [trust]: correct or remove it"),
        (14, "batch-count = 257", "$/martlet.conf:14: batch-count is an integer from 1 to 256"),
        (14, "batch-bytes = 2047", "$/martlet.conf:14: batch-bytes is an integer from 2048 to 8192"),
        (14, "batch-age = -1", "$/martlet.conf:14: batch-age is an integer from 0 to 86400"),
        (14, "commit-bytes = 4095", "$/martlet.conf:14: commit-bytes is an integer from 4096 to 32768"),
        (14, "commit-bytes = 32769", "$/martlet.conf:14: commit-bytes is an integer from 4096 to 32768"),
        (14, "commit-bytes = 8 KiB", "$/martlet.conf:14: commit-bytes is an integer from 4096 to 32768"),
        (14, "spool-bytes = 1000", "$/martlet.conf:14: spool-bytes is an integer from 1048576 to 1073741824"),
        (14, "spool-readings = 999", "$/martlet.conf:14: spool-readings is an integer from 1000 to 1000000000"),
        (14, "spool-age = 59", "$/martlet.conf:14: spool-age is an integer from 60 to 315360000"),
        (14, "\u{1}", "$/martlet.conf:14: the line holds a control character other than a tab, remove it"),
        (
            14, "batch-age = \u{1b}[31m",
            "$/martlet.conf:14: the line holds a control character other than a tab, remove it"
        ),
    ])
    func `a bad line is named`(line: Int, text: String, expected: String) throws {
        #expect(try message(line: line, text) == expected)
    }

    @Test(arguments: ["4096", "32768"])
    func `from 4 to 32 KiB may wait for one write`(bytes: String) throws {
        try folder.configure(["commit-bytes": bytes])
        try folder.device().stop()
    }

    @Test func `sections that the device does not read are named at its start`() throws {
        let sections = ["[qouta]", "bytes-per-day = 1", "[Telemetry]", "[mine 2]", "[enrolment]", "registrar = x"]
        try folder.configure(lines: folder.lines + sections)
        let device = try folder.device()
        #expect(folder.logged.isEmpty)
        try device.start()
        device.stop(flushing: 0)
        #expect(folder.logged.first == "info: sections left to the program: [qouta] [Telemetry] [mine 2]")
    }

    private static let badURL = "$/martlet.conf:16: not the URL of a server: https://HOST[:PORT][/PATH]"

    @Test(arguments: [
        ("", "$/martlet.conf:15: no server: add url to [https]"),
        ("url =", "$/martlet.conf:16: no server: add url to [https]"),
        ("url = http://localhost/", badURL), ("url = localhost", badURL), ("url = https://", badURL),
        ("url = https://user@localhost/", badURL), ("url = https://localhost/?a", badURL),
        ("url = https://localhost/#a", badURL), ("url = https://localhost:0/", badURL),
        ("url = HTTPS://localhost/", badURL),
        (
            "url = https://localhost\nverify = no",
            "$/martlet.conf:17: unknown key 'verify' in [https]: correct or remove it"
        ),
        ("url = https://localhost\nwait = 51", "$/martlet.conf:17: wait is an integer from 0 to 50"),
        (
            "url = https://localhost\nwait = 1\nwait = 1",
            "$/martlet.conf:18: the key stands twice in its section, remove one"
        ),
        ("url = https://localhost\nproxy = https://p:1", "$/martlet.conf:17: not a proxy: http://HOST:PORT"),
        ("url = https://localhost\nproxy = http://p", "$/martlet.conf:17: not a proxy: http://HOST:PORT"),
        ("url = https://localhost\nproxy = http://p:1/", "$/martlet.conf:17: not a proxy: http://HOST:PORT"),
        ("url = https://localhost\nproxy = http://user:x@p:1", "$/martlet.conf:17: not a proxy: http://HOST:PORT"),
        ("url = https://localhost\nproxy = http://:1", "$/martlet.conf:17: not a proxy: http://HOST:PORT"),
        ("url = https://localhost\nfailover = 0", "$/martlet.conf:17: failover is an integer from 1 to 86400"),
        ("url = https://.example", "$/martlet.conf: host is neither a DNS name nor an IP address: .example"),
    ])
    func `a bad line of [https] is named`(text: String, expected: String) throws {
        try folder.configure(lines: folder.lines + ["[https]", text])
        #expect(try message(.configuration) == expected)
    }

    @Test(arguments: [
        ("bytes-per-day = 262143", "bytes-per-day is an integer from 262144 to 1125899906842624"),
        ("bytes-per-month = 1e6", "bytes-per-month is an integer from 8388608 to 1125899906842624"),
        ("bytes-per-second = 99", "bytes-per-second is an integer from 100 to 1000000000"),
        ("readings-per-second = -1", "readings-per-second is an integer from 1 to 1000000"),
        ("connections-per-hour = 3601", "connections-per-hour is an integer from 1 to 3600"),
        ("bytes-per-week = 1", "unknown key 'bytes-per-week' in [quota]: correct or remove it"),
    ])
    func `a bad line of [quota] is named`(text: String, expected: String) throws {
        try folder.configure(lines: folder.lines + ["[quota]", text])
        #expect(try message(.configuration) == "$/martlet.conf:16: \(expected)")
    }

    @Test func `a token for HTTPS is one line of a private file`() throws {
        try folder.configure(lines: folder.lines + ["[https]", "url = https://localhost", "bearer = token"])
        #expect(try message(.file).hasPrefix("$/token: "))
        for bad in ["", "\n", "a b", "a\nb", "a\u{1b}[31m", "ü"] {
            try folder.write(Array(bad.utf8), "token")
            #expect(try message(.identity) == "$/token: not one line of visible ASCII")
        }
        try folder.write(Array("token".utf8), "token", mode: 0o644)
        #expect(try message(.file).hasPrefix("$/token: "))
        try folder.write(Array("token\r\n".utf8), "token")
        try folder.device().stop()
    }

    /// Topic levels, wildcards, control characters, text direction, paths, and lengths at and around the limit.
    static let badIDs = [
        "a/b", "/a", "a/", "+", "#", "a+", "a#", "$share", "$SYS", "..", "../a", ".a", "-a", "_a", "a b", "a\tb",
        "a\u{202e}b", "a\u{200b}b", "ümlaut", "a\u{301}", "\u{fffd}", "a%2fb", "a\\b", "a:b", "a;b", "a'b", "a\"b",
        "a,b", "a=b",
        "a@b", String(repeating: "a", count: 65), String(repeating: "a", count: 128),
    ]

    @Test("TOP-01 what means something in a topic, a path or a terminal is no device id", arguments: badIDs)
    func deviceID(id: String) throws {
        #expect(
            try message(line: 2, "id = \(id)")
                == "$/martlet.conf:2: not a device id: 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit"
        )
    }

    @Test(
        "TOP-01 bytes that are not text are no device id",
        arguments: [
            [0x00], [0xc0, 0xaf], [0xc1, 0xbf], [0xed, 0xa0, 0x80], [0xff], [0xf4, 0x90, 0x80, 0x80], [0xc2, 0x9b],
        ])
    func deviceIDBytes(bytes: [UInt8]) throws {
        try folder.write(Array("[device]\nid = a".utf8) + bytes + Array("b\n".utf8), "martlet.conf")
        let control = bytes == [0] || bytes == [0xc2, 0x9b]
        #expect(
            try message(.configuration)
                == "$/martlet.conf:2: "
                + (control
                    ? "the line holds a control character other than a tab, remove it"
                    : "the line is not UTF-8, save the file as UTF-8"))
    }

    @Test("TOP-01 an id of 64 bytes is one", arguments: ["a", "A.b_c-9", String(repeating: "a", count: 64)])
    func goodID(id: String) throws {
        let identity = try folder.authority.device(id)
        try folder.write(identity.key.pem(), "device.key")
        try folder.write(identity.certificate.pem(), "device.pem")
        try folder.configure(["id": id])
        try folder.device().stop()
    }

    @Test(
        "TOP-01 a prefix is levels of ids",
        arguments: [
            "", "/", "/a", "a/", "a//b", "a/+", "#", "$share/g", "a b", "a/\u{202e}b", "-a", "a/../b",
            String(repeating: "a", count: 65),
        ])
    func prefix(prefix: String) throws {
        #expect(
            try message(line: 5, "prefix = \(prefix)")
                == "$/martlet.conf:5: not a topic prefix: levels of letters, digits, '.', '_', '-', joined by '/', 64 bytes"
        )
    }

    @Test func `a file that cannot be read, or is too long, is named`() throws {
        try FileManager.default.removeItem(atPath: folder.configuration)
        #expect(try message(.configuration) == "$/martlet.conf: open: No such file or directory")
        try FileManager.default.createDirectory(atPath: folder.configuration, withIntermediateDirectories: false)
        #expect(try message(.configuration).hasPrefix("$/martlet.conf: "))
        try folder.write([UInt8](repeating: 0x0a, count: 65_537), "martlet.conf")
        #expect(try message(.configuration) == "$/martlet.conf: the file is too large")
    }

    @Test("FS-02 a private key that others could read is refused")
    func looseFiles() throws {
        let pem = try folder.identity.key.pem()
        try folder.write(pem, "device.key", mode: 0o644)
        #expect(try message(.file) == "$/device.key: readable by others: chmod 600 it")
        try folder.write(pem, "device.key", mode: 0o640)
        #expect(try message(.file) == "$/device.key: readable by others: chmod 600 it")
        try folder.write(pem, "device.key")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
        #expect(try message(.file) == "$/device.key: the directory is open to others: chmod 700 it")
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.path)
        try folder.write(pem, "other.key")
        try FileManager.default.removeItem(atPath: folder.path + "/device.key")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/device.key", withDestinationPath: folder.path + "/other.key")
        #expect(try message(.file) == "$/device.key: not a regular file: links, FIFOs and devices are refused")
        try FileManager.default.removeItem(atPath: folder.path + "/device.key")
        try FileManager.default.linkItem(atPath: folder.path + "/other.key", toPath: folder.path + "/device.key")
        #expect(try message(.file) == "$/device.key: has a second name (hard link): keep a single one")
        try FileManager.default.removeItem(atPath: folder.path + "/device.key")
        #expect(try message(.file) == "$/device.key: open: No such file or directory")
    }

    @Test("OB-03 a certificate that does not fit id, key or device is refused")
    func misfits() throws {
        let pem = try folder.identity.certificate.pem()
        let other = try folder.authority.device("pump-8")
        try folder.write(other.certificate.pem(), "device.pem")
        #expect(
            try message(.identity) == "$/device.pem: the common name is not the device id of the configuration")

        try folder.write(folder.authority.device(DeviceFolder.id).certificate.pem(), "device.pem")
        #expect(try message(.identity) == "$/device.key: is not the key of the certificate")

        let needsURN = "$/device.pem: needs one subject alternative name urn:dev:…"
        try folder.write(folder.authority.client(DeviceFolder.id).certificate.pem(), "device.pem")
        #expect(try message(.identity) == needsURN)
        for names in [
            "URI:urn:dev:mac:0024befffe804ff1,URI:urn:dev:mac:0024befffe804ff2", "URI:https://example.com/",
            "URI:urn:dev:mac:0024befffe804ff1,URI:https://example.com/",
        ] {
            let files = try folder.authority.forge(
                commonName: DeviceFolder.id, extensions: ["subjectAltName=\(names)", "extendedKeyUsage=clientAuth"])
            try folder.write(Array(Data(contentsOf: URL(filePath: files.certificate))), "device.pem")
            #expect(try message(.identity) == needsURN, "\(names)")
        }
        try folder.write(pem + pem + pem + pem + pem, "device.pem")
        #expect(
            try message(.identity)
                == "$/device.pem: more than 4 certificates, or 12 KiB of them: leave out the root")
        try folder.write(pem, "device.pem")
        try folder.device().stop()
    }

    @Test func `files that do not hold what they should are named`() throws {
        let key = try folder.identity.key.pem()
        let certificate = try folder.identity.certificate.pem()
        for bad in [[], certificate, Array(key.dropLast(40)), key + key] {
            try folder.write(bad, "device.key")
            #expect(
                try message(.identity) == "$/device.key: not an unencrypted PEM private key of P-256 or Ed25519")
        }
        try folder.write(key, "device.key")
        for bad in [key, Array(certificate.dropLast(40)), certificate + key.dropLast(40)] {
            try folder.write(bad, "device.pem")
            #expect(try message(.identity) == "$/device.pem: not a file of PEM certificates")
            try folder.write(certificate, "device.pem")
            try folder.write(bad, "ca.pem")
            #expect(try message(.identity) == "$/ca.pem: not a file of PEM certificates")
            try folder.write(folder.authority.authority.certificate.pem(), "ca.pem")
        }
        for bad in [[], certificate, key] {
            try folder.write(bad, "trust.cbor")
            #expect(
                try message(.identity) == "$/trust.cbor: cannot be the first trust document: not an envelope")
        }
    }

    @Test("CMD-08 a first document that the pinned root did not sign is refused")
    func foreignDocument() throws {
        try folder.write(DeviceFolder(folder.authority).sign(folder.document), "trust.cbor")
        #expect(
            try message(.identity)
                == "$/trust.cbor: cannot be the first trust document: signed by too few roots, or not by the pinned one"
        )
    }

    @Test func `the first trust document may be left out, since it can come over the network`() throws {
        var lines = folder.lines
        lines.removeAll { $0.hasPrefix("document") }
        try folder.configure(lines: lines)
        try folder.device().stop()
    }

    @Test("LOG-02 a private key in the wrong place is not repeated")
    func misplacedSecret() throws {
        let pem = String(decoding: try folder.identity.key.pem(), as: UTF8.self)
        #expect(
            try message(line: 7, pem) == "$/martlet.conf:7: neither a heading nor an entry, write key = value")
    }

    @Test("LOG-01 names with control or direction characters are escaped")
    func hostileNames() throws {
        let name = "ke\u{202e}y"
        #expect(try message(line: 7, "key = \(name)", .file) == "$/ke\\xe2\\x80\\xaey: open: No such file or directory")
        #expect(
            try message(line: 8, "certificate = \(name)", .file)
                == "$/ke\\xe2\\x80\\xaey: open: No such file or directory")
        #expect(
            try message(line: 12, "document = \(name)", .file)
                == "$/ke\\xe2\\x80\\xaey: open: No such file or directory")
        let error = #expect(throws: MartletError.self) {
            _ = try Device(configuration: "/nowhere/\u{1b}[31m\n\u{202e}\u{7f}.conf")
        }
        #expect(error?.message == "/nowhere/\\x1b[31m\\x0a\\xe2\\x80\\xae\\x7f.conf: open: No such file or directory")
        #expect(throws: MartletError.self) { _ = try Device(configuration: "a\0b") }
        #expect(throws: MartletError.self) { _ = try Device(configuration: "") }
    }
}
