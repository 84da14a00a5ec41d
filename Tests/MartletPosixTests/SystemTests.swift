// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletPosix
import TestSupport
import Testing

@Suite struct ResolverTests {
    @Test func `localhost is this machine`() throws {
        let addresses = try Resolver.addresses(of: "localhost")
        #expect((1...8).contains(addresses.count))
        #expect(addresses.allSatisfy { $0 == Array("127.0.0.1".utf8) || $0 == Array("::1".utf8) })
    }

    @Test(arguments: ["192.0.2.1", "127.0.0.1", "::1", "2001:db8::1"])
    func `a numeric address is itself`(address: String) throws {
        #expect(try Resolver.addresses(of: address) == [Array(address.utf8)])
    }

    /// RFC 6761 section 6.4: `invalid` never resolves.
    @Test(arguments: ["martlet.invalid", "", "localhost\0.invalid", "a b", String(repeating: "a", count: 300), "\0"])
    func `a name that does not exist is an error with a text`(host: String) {
        do throws(PosixError) {
            let addresses = try Resolver.addresses(of: host)
            Issue.record("resolved to \(addresses)")
        } catch {
            guard case .unresolved(let code) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(code < 0)
            #expect(error.text.count > 5)
        }
    }
}

@Suite struct SystemClockTests {
    @Test func `the wall clock is the system's`() {
        let expected = Date().timeIntervalSince1970
        #expect(abs(Double(SystemClock.unixMilliseconds()) / 1000 - expected) < 5)
    }

    @Test func `the boot clock counts from boot and never back`() throws {
        let text = try String(contentsOfFile: "/proc/uptime", encoding: .utf8)
        let uptime = try #require(Double(text.split(separator: " ")[0]))
        #expect(abs(Double(SystemClock.bootMilliseconds()) / 1000 - uptime) < 5)
        var last = SystemClock.bootMilliseconds()
        for _ in 0..<1000 {
            let now = SystemClock.bootMilliseconds()
            #expect(now >= last)
            last = now
        }
    }

    @Test func `the boot id is the kernel's, and stays`() throws {
        let text = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        let id = try #require(SystemClock.bootID())
        #expect(hex(id.indices.map { id[$0] }) == text.filter(\.isHexDigit))
        let again = try #require(SystemClock.bootID())
        #expect(id.indices.allSatisfy { id[$0] == again[$0] })
    }
}
