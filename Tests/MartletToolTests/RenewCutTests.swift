// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport
import Testing

/// ROT-01: however renewal is cut short, there is one credential that works, and the next run ends it.
@Suite(.timeLimit(.minutes(15))) struct RenewCutTests {
    @Test(
        "ROT-01 PWR-01 killed at any system call that changes something, the device has one usable credential",
        arguments: ["write", "fsync", "renameat", "renameat2", "unlinkat", "sendto"])
    func killed(_ call: String) throws {
        let test = try RenewPlant()
        var kills = 0
        while kills < 100 {
            try test.reset()
            let cut = try test.plant.renew(before: [
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                "inject=\(call):signal=KILL:when=\(kills + 1)",
            ]).result()
            if cut.status == 0 { break }
            #expect(cut.status == -1, "\(cut)")
            kills += 1
            let comment: Comment = "kill \(kills) of \(call)"
            try test.plant.expectUsable(comment)
            #expect(test.brokerTakes(), comment)
            let isNew = try test.credential()?.generation == "generation = 2"
            let isEnded = isNew && !test.plant.files.contains("next.pem")
            let asked = test.plant.requests.count
            let result = try test.plant.renew().result()
            #expect(result.status == (isEnded ? 5 : 0), "\(comment): \(result)")
            if isNew { #expect(test.plant.requests.count == asked, comment) }
            try test.expectRenewed(comment)
            #expect(test.brokerTakes(), comment)
        }
        print("\(kills) kills at \(call)")
        #expect(kills >= Self.least[call] ?? .max && kills < 100, "\(kills) kills")
    }

    static let least = ["write": 14, "fsync": 12, "renameat": 2, "renameat2": 1, "unlinkat": 4, "sendto": 1]

    @Test("ROT-01 the old key is overwritten, and only after the new credential has its place") func erased() throws {
        let test = try RenewPlant()
        let trace = test.plant.root.appending(path: "trace").path
        let result = try test.plant.renew(before: [
            "strace", "-f", "-qq", "-y", "-o", trace, "-e", "trace=fsync,write,renameat,renameat2,unlinkat,connect",
        ]).result()
        #expect(result.status == 0, "\(result)")
        let calls = try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n").map(String.init)
        let swap = try #require(calls.firstIndex { $0.contains("RENAME_EXCHANGE) = 0") })
        let port = "sin_port=htons(\(test.broker.port))"
        #expect(try #require(calls.lastIndex { $0.contains("connect(") && $0.contains(port) }) < swap)
        let durable = try #require(calls[swap...].firstIndex { $0.contains("fsync(") })
        let zeros = try #require(calls[durable...].firstIndex { $0.contains("write(") && $0.contains(#""\0\0"#) })
        let removed = try #require(calls[zeros...].firstIndex { $0.contains("unlinkat(") && $0.contains("next.pem") })
        #expect(calls[zeros..<removed].contains { $0.contains("fsync(") && $0.contains("next.pem") })
        #expect(!calls[..<swap].contains { $0.contains("unlinkat(") && $0.contains("device.pem\"") })
    }

    @Test func `where names cannot be exchanged, the new credential takes the old one's, which is said`() throws {
        let test = try RenewPlant()
        let result = try test.plant.renew(before: [
            "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e", "inject=renameat2:error=EINVAL",
        ]).result()
        #expect(result.status == 0 && result.output.contains("cannot exchange names"), "\(result)")
        try test.expectRenewed()
    }
}
