// SPDX-License-Identifier: Apache-2.0

import CSelfCheck
import MartletINI
import MartletOpenSSL
import MartletPosix

/// Files, clocks and certificates of the machine below.
enum SystemChecks {
    static var all: [Check] {
        [
            Check("files: written, replaced, read; loose, linked and foreign names are refused", files),
            Check("clocks: both go on, and the wall clock is beyond 2^32 ms", clocks),
            Check("certificates: ends of validity beyond 2038 and 2106, up to 9999", certificates),
            Check("configuration: numbers beyond 2^31 and 2^32, up to the ends of Int64", numbers),
            Check("TLS: a context with an anchor and a certificate; none without, none with a foreign key", context),
        ]
    }

    private static func files() throws(Failure) {
        var path = [CChar](repeating: 0, count: 256)
        try require(CSelfCheck_make_directory(&path, path.count) != 0, "no temporary directory")
        let folder = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let inner = folder + "/state"
        defer {
            for name in ["key", "link", "lock"] { _ = CSelfCheck_remove(inner + "/" + name) }
            _ = CSelfCheck_remove(inner)
            _ = CSelfCheck_remove(folder)
        }
        let directory = try require(try? PrivateDirectory(creating: inner), "create directory")
        let (old, new) = (bytes("old content"), bytes("new"))
        try require((try? directory.create("key", old.span)) != nil, "create")
        try require((try? directory.create("key", new.span)) == nil, "created over a file")
        try require((try? directory.read("key", limit: 100)) == old, "read")
        try require((try? directory.replace("key", new.span)) != nil, "replace")
        try require((try? directory.read("key", limit: 3)) == new, "read what replaced it")
        try require((try? directory.read("key", limit: 2)) == nil, "read beyond the limit")
        for name in ["", ".", "..", "../key", "a/b", "key\0"] {
            try require((try? directory.read(name, limit: 100)) == nil, "a name that leaves the directory")
        }
        try require(CSelfCheck_symlink("key", inner + "/link") != 0, "no link")
        try require((try? directory.read("link", limit: 100)) == nil, "read through a link")
        let lock = try require(try? directory.lock("lock"), "lock")
        try require((try? directory.lock("lock")) == nil, "locked twice")
        withExtendedLifetime(lock) {}
        try require(CSelfCheck_chmod(inner + "/key", 0o640) != 0, "no chmod")
        try require((try? directory.read("key", limit: 100)) == nil, "read a file that others can read")
        try require(CSelfCheck_chmod(inner, 0o755) != 0, "no chmod")
        try require((try? PrivateDirectory(path: inner)) == nil, "opened a directory that others can enter")
    }

    private static func clocks() throws(Failure) {
        let (boot, unix) = (SystemClock.bootMilliseconds(), SystemClock.unixMilliseconds())
        try require(SystemClock.bootMilliseconds() - boot < 60_000, "boot time jumps")
        try require(unix > 1 << 32, "wall clock", number: unix)
        try require(boot > 0, "boot time")
    }

    private static let start: Int64 = 1_700_000_000
    /// 9999-12-31 23:59:59: a certificate without a proper end (RFC 5280 §4.1.2.5).
    private static let lastSecond: Int64 = 253_402_300_799

    private static func authority() throws(Failure) -> CertificateAuthority {
        try require(
            try? CertificateAuthority.selfSigned(commonName: "self check", notBefore: start, notAfter: lastSecond),
            "authority")
    }

    private static func certificates() throws(Failure) {
        let authority = try authority()
        let key = try require(try? PrivateKey.generate(.ed25519), "key").publicKey
        for end in [(1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 4_070_908_800, 1 << 33, lastSecond] as [Int64] {
            let certificate = try require(
                try? authority.issueDevice(
                    key, commonName: "device-1", uri: "urn:dev:mac:0024befffe804ff1", notBefore: start, notAfter: end),
                "issue", number: end)
            let der = try require(try? certificate.der, "DER", number: end)
            let copy = try require(try? Certificate(der: der.span), "read", number: end)
            try require(copy.notBefore == start && copy.notAfter == end, "validity", number: end)
            for length in der.indices {
                let prefix = [UInt8](der[..<length])
                try require((try? Certificate(der: prefix.span)) == nil, "read up to", number: Int64(length))
            }
        }
    }

    private static func numbers() throws(Failure) {
        let file = bytes(
            """
            [n]
            a=2147483648
            b=4294967296
            c=-4294967297
            d=9223372036854775807
            e=-9223372036854775808
            f=9223372036854775808
            g=-9223372036854775809
            h=18446744073709551616
            """)
        let values = try require(try? INI(parsing: file.span), "not read")
        let entries = try require(values.section("n"), "no section").entries
        let expected: [Int64?] = [1 << 31, 1 << 32, -1 - (1 << 32), .max, .min, nil, nil, nil]
        try require(entries.count == expected.count, "entries")
        for (entry, number) in zip(entries, expected) {
            try require(entry.integer(in: .min ... .max) == number, "number in line", number: Int64(entry.line))
            try require(entry.integer(in: 1...3600) == nil, "beyond the range, line", number: Int64(entry.line))
        }
    }

    private static func context() throws(Failure) {
        let authority = try authority()
        let key = try require(try? PrivateKey.generate(.p256), "key")
        let other = try require(try? PrivateKey.generate(.p256), "key")
        let leaf = try require(
            try? authority.issueDevice(
                key.publicKey, commonName: "device-1", uri: "urn:dev:mac:0024befffe804ff1", notBefore: start,
                notAfter: start + 86_400), "certificate")
        let context = try require(
            try? TLSContext(
                serverName: "broker.example.com", anchors: [authority.certificate], chain: [leaf], key: key), "context")
        for time in edges { context.prepare(time: Int64(bitPattern: time), boottime: time, acceptNotYetValid: false) }
        try require(context.failure == nil && !context.provisional && !context.resumed, "a new context")
        do throws(OpenSSLError) {
            _ = try TLSContext(serverName: "broker.example.com", anchors: [])
            throw .failed
        } catch {
            try require(error == .noAnchor, "without an anchor")
        }
        do throws(OpenSSLError) {
            _ = try TLSContext(
                serverName: "broker.example.com", anchors: [authority.certificate], chain: [leaf], key: other)
            throw .failed
        } catch {
            try require(error == .keyMismatch, "with a foreign key")
        }
    }
}
