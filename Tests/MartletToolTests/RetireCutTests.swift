// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletPosix
import TestSupport
import Testing

/// ROT-05: however a retirement is cut short, the device is whole or cannot start, and the next run ends it.
@Suite(.timeLimit(.minutes(10))) struct RetireCutTests {
    @Test(
        "ROT-05 killed at any system call that changes something, the device is whole, or cannot start and is erased next",
        arguments: ["write", "fsync", "renameat", "unlinkat"], [Life.Layout.one, .stateElsewhere])
    func killed(_ call: String, _ layout: Life.Layout) throws {
        let life = try Life(layout)
        try life.put("next.key", Array("x".utf8))
        try life.put("api-key", Array("a-key-of-the-owner".utf8))
        let conf = try Data(contentsOf: life.directory.appending(path: "martlet.conf"))
        try life.put(
            "martlet.conf", Array(conf) + Array("[https]\nurl = https://localhost:1/\napi-key = api-key\n".utf8))
        let whole = life.files
        var (kills, begun) = (0, 0)
        while kills < 100 {
            try life.restore(whole)
            let cut = try life.retire(before: [
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                "inject=\(call):signal=KILL:when=\(kills + 1)",
            ])
            if cut.status == 0 { break }
            #expect(cut.status == -1, "\(cut)")
            kills += 1
            if life.files == whole {
                try life.device().stop()
                #expect(try life.retire().status == 0)
            } else {
                begun += 1
                #expect(throws: MartletError.self) { try life.device() }
                let isEnded = life.files.isEmpty
                #expect(isEnded || life.files.keys.contains("device/retired.pem"), "\(life.files.keys)")
                let result = try life.retire()
                #expect(result.status == (isEnded ? 5 : 0), "kill \(kills) of \(call): \(result)")
                #expect(!result.output.contains("was taken"), "nobody is told twice")
            }
            #expect(life.files.isEmpty, "kill \(kills) of \(call): \(life.files.keys)")
        }
        print("\(call), \(layout): \(kills) kills, \(begun) of them after the first step")
        let least = ["write": 8, "fsync": 16, "renameat": 1, "unlinkat": 10]
        #expect(kills >= least[call] ?? .max && kills < 100, "\(kills) kills")
        #expect(life.files.isEmpty && life.backOffice.state.with { $0.refused.isEmpty })
    }
}
