// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletPosix
import TestSupport
import Testing

@Suite struct CreationTests {
    @Test("FS-01 with umask 000, files are born 0600 and directories 0700, exclusively")
    func creation() throws {
        let folder = try Folder()
        let job = try Job("create", in: folder, strace: ["-e", "trace=/^open,/^mkdir,/chmod"])
        try job.wait()
        #expect(job.process.output.contains("job: done"))
        let calls = try job.calls()
        #expect(calls.contains { $0.hasPrefix("mkdir") && $0.contains("\"~/state\", 0700)") })
        for (name, flags) in [
            ("key", "O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC"),
            ("data.new", "O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC"),
            ("lock", "O_RDWR|O_CREAT|O_NOFOLLOW|O_CLOEXEC"),
        ] {
            let call = calls.first { $0.contains("\"\(name)\"") }
            #expect(call?.contains("<~/state>, \"\(name)\", \(flags), 0600)") == true, "\(call ?? "no call")")
        }
        #expect(!calls.contains { $0.contains("chmod") }, "the mode is right from the beginning")
        for name in ["key", "data", "lock"] { #expect(mode(folder.path + "/state/" + name) == S_IFREG | 0o600) }
        #expect(mode(folder.path + "/state") == S_IFDIR | 0o700)
    }

    @Test("FS-01 an existing file is never opened for writing")
    func existing() throws {
        let folder = try Folder()
        try folder.write("key", "old")
        try folder.write("target", "old")
        symlink(folder.path + "/target", folder.path + "/link")
        symlink(folder.path + "/nowhere", folder.path + "/dangling")
        let directory = try folder.directory()
        for name in ["key", "link", "dangling"] {
            let error = refusal { () throws(PosixError) in try directory.create(name, [1].span) }
            #expect(error == failure("create", EEXIST), "\(name)")
        }
        #expect(folder.content("key") == "old" && folder.content("target") == "old")
        #expect(folder.files == ["dangling", "key", "link", "target"])
    }

    @Test func `an existing directory is taken as it is, if it is private`() throws {
        let folder = try Folder()
        try folder.make(0o700, at: folder.path + "/good")
        try folder.make(0o750, at: folder.path + "/open")
        #expect(refusal { () throws(PosixError) in try PrivateDirectory(creating: folder.path + "/good") } == nil)
        #expect(
            refusal { () throws(PosixError) in try PrivateDirectory(creating: folder.path + "/open") }
                == "directoryTooOpen")
        #expect(mode(folder.path + "/open") == S_IFDIR | 0o750, "it is not mended")
        #expect(
            refusal { () throws(PosixError) in try PrivateDirectory(creating: folder.path + "/no/parent") }
                == failure("mkdir", ENOENT))
    }

    @Test func `what was written is read back`() throws {
        let folder = try Folder()
        let directory = try folder.directory()
        for size in [0, 1, 4096, 100_000] {
            let bytes = [UInt8](repeating: 0xa5, count: size)
            try directory.replace("data", bytes.span)
            #expect(try directory.read("data", limit: size) == bytes)
        }
        #expect(folder.files == ["data"])
    }
}

@Suite struct ReplaceTests {
    @Test("FS-01 new content is on the disk before the name changes, and the name before the call returns")
    func order() throws {
        let folder = try Folder()
        try folder.write("data", "old")
        let job = try Job(
            "replace", in: folder, strace: ["-e", "trace=/^unlink,/^open,write,fsync,fdatasync,/^rename"])
        try job.wait()
        let calls = try job.calls().filter { !$0.contains("O_DIRECTORY") }
        let steps = calls.map { call in
            let words = ["unlink", "openat", "write", "fsync", "rename"]
            let name = words.first { call.hasPrefix($0) } ?? call
            return name + (call.contains("<~>)") ? " directory" : "")
        }
        #expect(steps == ["unlink", "openat", "write", "fsync", "fsync directory", "rename", "fsync directory"])
        #expect(folder.content("data") == "new")
    }

    @Test(
        "FS-02 a full or failing disk is named, and the old content stays",
        arguments: [("write", ENOSPC, "ENOSPC"), ("fsync", EIO, "EIO"), ("write", EDQUOT, "EDQUOT")])
    func failing(call: String, code: Int32, name: String) throws {
        let folder = try Folder()
        try folder.write("data", "old")
        let job = try Job(
            "replace", in: folder,
            strace: ["-P", folder.path + "/data.new", "-e", "trace=\(call)", "-e", "inject=\(call):error=\(name)"])
        try job.wait()
        #expect(job.process.output.contains("job: \(failure(call, code))"), "\(job.process.output)")
        #expect(folder.content("data") == "old")
        #expect(folder.files == ["data"], "what could not be written is removed")
    }

    @Test(
        "FS-02 a process killed at any step leaves the old or the new content",
        arguments: [
            ("fsync", 1, "old"), ("fsync", 2, "old"), ("renameat,renameat2", 1, "old"), ("fsync", 3, "new"),
        ])
    func killed(call: String, count: Int, content: String) throws {
        let folder = try Folder()
        try folder.write("data", "old")
        let job = try Job(
            "replace", in: folder,
            strace: ["-e", "trace=\(call)", "-e", "inject=\(call):signal=KILL:when=\(count)"])
        #expect(throws: (any Error).self) { try job.wait() }
        #expect(!job.process.output.contains("job: done"))
        #expect(folder.content("data") == content)
        try folder.directory().replace("data", Array("next".utf8).span)
        #expect(folder.content("data") == "next")
        #expect(folder.files == ["data"], "nothing of the killed process is left")
    }

    @Test func `a link, a loose file and a hard link are replaced, not written through`() throws {
        let folder = try Folder()
        let target = try folder.write("target", "old")
        symlink(target, folder.path + "/data")
        let directory = try folder.directory()
        try directory.replace("data", [0x6e].span)
        #expect(mode(folder.path + "/data") == S_IFREG | 0o600)
        link(target, folder.path + "/second")
        try directory.replace("second", [0x6e].span)
        chmod(target, 0o666)
        #expect(folder.content("target") == "old")
        try directory.replace("target", [0x6e].span)
        #expect(mode(target) == S_IFREG | 0o600)
    }

    @Test func `a rename that fails is named`() throws {
        let folder = try Folder()
        try folder.make(0o700, at: folder.path + "/data")
        let directory = try folder.directory()
        #expect(
            refusal { () throws(PosixError) in try directory.replace("data", [1].span) } == failure("rename", EISDIR))
    }
}
