// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletPosix
import TestSupport
import Testing

@Suite struct SpentFileTests {
    @Test func `a file is removed, and whatever else was its content is zeros`() throws {
        let folder = try Folder()
        let file = try folder.write("label", "secret", 0o644)
        let second = folder.path + "/second"
        try #require(link(file, second) == 0)
        try SpentFile.erase(file)
        #expect(folder.files == ["second"])
        #expect(folder.content("second") == String(repeating: "\0", count: 6))
    }

    @Test(arguments: [0o400, 0o444, 0] as [mode_t])
    func `its owner erases a file that nobody may write, and follows no link`(_ permissions: mode_t) throws {
        let folder = try Folder()
        let file = try folder.write("key", "secret", permissions)
        let second = folder.path + "/second"
        try #require(link(file, second) == 0)
        let target = try folder.write("target", "old", 0o400)
        let job = try Job("erase", in: folder, isOrdinary: true)
        try job.wait()
        #expect(job.process.output.contains("job: done"), "\(job.process.output)")
        #expect(folder.files == ["second", "target"])
        #expect(folder.content("second") == String(repeating: "\0", count: 6))

        symlink(target, file)
        let refused = try Job("erase", in: folder, isOrdinary: true)
        try refused.wait()
        #expect(refused.process.output.contains("job: notRegularFile"), "\(refused.process.output)")
        #expect(mode(target) == S_IFREG | 0o400)
    }

    @Test func `a link, a directory and a FIFO are left alone`() throws {
        let folder = try Folder()
        try folder.write("target", "old")
        symlink(folder.path + "/target", folder.path + "/link")
        try folder.make(0o700, at: folder.path + "/directory")
        mkfifo(folder.path + "/fifo", 0o600)
        let expected = [
            "link": "notRegularFile", "directory": failure("open", EISDIR), "fifo": failure("open", ENXIO),
            "nothing": failure("open", ENOENT),
        ]
        for (name, error) in expected {
            #expect(refusal { () throws(PosixError) in try SpentFile.erase(folder.path + "/" + name) } == error)
        }
        #expect(folder.files == ["directory", "fifo", "link", "target"] && folder.content("target") == "old")
    }
}

@Suite struct RenameTests {
    @Test func `a directory's own name is made durable, but for a parent that nobody may read`() throws {
        let folder = try Folder()
        for mode in [0o700, 0o300] as [mode_t] {
            chmod(folder.path, mode)
            let directory = try PrivateDirectory(creating: folder.path + "/new")
            #expect(refusal { () throws(PosixError) in try directory.syncNames() } == nil)
        }
        chmod(folder.path, 0o700)
    }

    @Test func `a file gets another name, in the place of what had it`() throws {
        let folder = try Folder()
        try folder.write("old", "content")
        try folder.write("new", "other")
        let directory = try folder.directory()
        try directory.rename("old", to: "new")
        #expect(folder.files == ["new"] && folder.content("new") == "content")
        #expect(
            refusal { () throws(PosixError) in try directory.rename("old", to: "new") } == failure("rename", ENOENT))
        #expect(refusal { () throws(PosixError) in try directory.rename("new", to: "../new") } == "badPath")
    }
}
