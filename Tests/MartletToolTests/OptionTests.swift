// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The options of all verbs.
@Suite(.timeLimit(.minutes(1))) struct OptionTests {
    @Test(arguments: [
        ["status"], ["renew"], ["onboard"], ["retire", "--id", "pump-7"],
        ["onboard", "--directory", "d", "--label", "l"],
    ])
    func `a path is UTF-8, or nothing is done`(_ arguments: [String]) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-options-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let option = arguments.contains("--label") ? "--label" : "--directory"
        let shell = ["--chdir=\(folder.path)", "bash", "-c", #"exec "$@" \#(option) $'d\xff'"#, "bash"]
        let result = try Life.Tool.run(shell, arguments)
        #expect(result.status == 2 && result.error == "martlet: an argument is not UTF-8, as a path has to be\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test(arguments: [
        ["status", "--directory", "--json"], ["renew", "--directory", "--now"], ["onboard", "--directory", "--json"],
        ["onboard", "--directory", "d", "--label", "--json"], ["retire", "--directory", "--json", "--id", "pump-7"],
        ["retire", "--directory", "d", "--id", "--json"], ["announce", "--directory", "--id", "pump-7"],
        ["announce", "--directory", "d", "--id", "--for"],
        ["announce", "--directory", "d", "--id", "pump-7", "--model", "--for"],
    ])
    func `an option is never the value of the one before`(_ arguments: [String]) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-options-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        // What is wrong is found before anything is done; `announce` would go on for ever.
        let result = try Life.Tool.run(["--chdir=\(folder.path)", "timeout", "-s", "KILL", "5"], arguments)
        #expect(result.status == 2 && result.error.contains(" behind "), "\(result)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
}
