// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletPosix
import TestSupport
import Testing

private let isRoot = geteuid() == 0

@Suite(.timeLimit(.minutes(1))) struct RefusalTests {
    @Test(
        "FS-02 a file that others can touch is refused",
        arguments: [0o640, 0o604, 0o644, 0o666, 0o660, 0o620, 0o602, 0o610, 0o601, 0o777] as [mode_t])
    func modes(mode: mode_t) throws {
        let folder = try Folder()
        try folder.write("key", "secret", mode)
        let directory = try folder.directory()
        #expect(refusal { () throws(PosixError) in try directory.read("key", limit: 64) } == "fileTooOpen")
    }

    @Test("FS-02 a file of its owner alone is read", arguments: [0o600, 0o400, 0o700] as [mode_t])
    func privateModes(mode: mode_t) throws {
        let folder = try Folder()
        try folder.write("key", "secret", mode)
        #expect(try folder.directory().read("key", limit: 64) == Array("secret".utf8))
    }

    @Test(
        "FS-02 a directory that others can enter is refused",
        arguments: [0o755, 0o750, 0o710, 0o701, 0o770, 0o777, 0o1777] as [mode_t])
    func directories(mode: mode_t) throws {
        let folder = try Folder()
        try folder.make(mode, at: folder.path + "/state")
        let path = folder.path + "/state"
        #expect(refusal { () throws(PosixError) in try PrivateDirectory(path: path) } == "directoryTooOpen")
    }

    @Test("FS-02 another user's file and directory are refused")
    func owner() throws {
        // Only root can give files away; for anybody else the root directory is another user's.
        guard isRoot else {
            #expect(refusal { () throws(PosixError) in try PrivateDirectory(path: "/") } == "wrongOwner")
            return
        }
        let folder = try Folder()
        let file = try folder.write("key", "secret")
        try #require(chown(file, 65_534, 65_534) == 0)
        let directory = try folder.directory()
        #expect(refusal { () throws(PosixError) in try directory.read("key", limit: 64) } == "wrongOwner")
        try #require(chown(folder.path, 65_534, 65_534) == 0)
        #expect(refusal { () throws(PosixError) in try PrivateDirectory(path: folder.path) } == "wrongOwner")
    }

    @Test("FS-02 what is not a regular file is refused, without waiting for it")
    func kinds() throws {
        let folder = try Folder()
        let target = try folder.write("target", "secret")
        symlink(target, folder.path + "/link")
        symlink(folder.path + "/nowhere", folder.path + "/dangling")
        symlink("/dev/full", folder.path + "/full")
        symlink("/dev/zero", folder.path + "/zero")
        mkfifo(folder.path + "/fifo", 0o600)
        try folder.make(0o700, at: folder.path + "/directory")
        let directory = try folder.directory()
        for name in ["link", "dangling", "full", "zero", "fifo", "directory"] {
            #expect(
                refusal { () throws(PosixError) in try directory.read(name, limit: 64) } == "notRegularFile", "\(name)")
        }
    }

    @Test("FS-02 a device is refused", .enabled(if: isRoot, "only root can make one"))
    func device() throws {
        let folder = try Folder()
        try #require(mknod(folder.path + "/full", S_IFCHR | 0o600, 1 << 8 | 7) == 0)
        let directory = try folder.directory()
        #expect(refusal { () throws(PosixError) in try directory.read("full", limit: 64) } == "notRegularFile")
    }

    @Test("FS-02 a file with a second name is refused")
    func hardLink() throws {
        let folder = try Folder()
        let file = try folder.write("key", "secret")
        link(file, folder.path + "/copy")
        let directory = try folder.directory()
        for name in ["key", "copy"] {
            #expect(refusal { () throws(PosixError) in try directory.read(name, limit: 64) } == "hardLinked")
        }
        unlink(folder.path + "/copy")
        #expect(refusal { () throws(PosixError) in try directory.read("key", limit: 64) } == nil)
    }

    @Test("FS-02 a link to a directory is judged by what it leads to")
    func directoryLink() throws {
        let folder = try Folder()
        try folder.make(0o700, at: folder.path + "/good")
        try folder.make(0o755, at: folder.path + "/open")
        for (name, error) in [("good", nil), ("open", "directoryTooOpen")] {
            let link = folder.path + "/to-" + name
            symlink(folder.path + "/" + name, link)
            #expect(refusal { () throws(PosixError) in try PrivateDirectory(path: link) } == error)
        }
    }

    @Test func `a path that is no directory is refused`() throws {
        let folder = try Folder()
        let file = try folder.write("key", "secret")
        #expect(refusal { () throws(PosixError) in try PrivateDirectory(path: file) } == failure("open", ENOTDIR))
        #expect(
            refusal { () throws(PosixError) in try PrivateDirectory(path: folder.path + "/none") }
                == failure("open", ENOENT))
        #expect(refusal { () throws(PosixError) in try PrivateDirectory(path: "") } == failure("open", ENOENT))
    }

    @Test(arguments: ["", ".", "..", "/", "a/b", "../key", "/etc/passwd", "a\0", "\0"])
    func `a name never leaves the directory`(name: String) throws {
        let folder = try Folder()
        let directory = try folder.directory()
        let bytes: [UInt8] = [1]
        #expect(refusal { () throws(PosixError) in try directory.read(name, limit: 1) } == "badPath")
        #expect(refusal { () throws(PosixError) in try directory.create(name, bytes.span) } == "badPath")
        #expect(refusal { () throws(PosixError) in try directory.replace(name, bytes.span) } == "badPath")
        #expect(refusal { () throws(PosixError) in try directory.lock(name) } == "badPath")
        #expect(folder.files.isEmpty)
    }

    @Test func `a NUL does not cut a path short`() throws {
        let folder = try Folder()
        let file = try folder.write("key", "secret")
        #expect(refusal { () throws(PosixError) in try PublicFile.read(file + "\0.txt", limit: 64) } == "badPath")
        #expect(refusal { () throws(PosixError) in try PrivateDirectory(path: folder.path + "\0") } == "badPath")
        #expect(
            refusal { () throws(PosixError) in try PrivateDirectory(creating: folder.path + "/a\0b") } == "badPath")
        #expect(folder.files == ["key"])
    }

    @Test func `a file is read up to the limit and refused above it`() throws {
        let folder = try Folder()
        let file = try folder.write("key", "secret")
        let directory = try folder.directory()
        for (limit, error) in [(6, nil), (7, nil), (5, "tooLarge(limit: 5)"), (0, "tooLarge(limit: 0)")] {
            #expect(refusal { () throws(PosixError) in try directory.read("key", limit: limit) } == error)
            #expect(refusal { () throws(PosixError) in try PublicFile.read(file, limit: limit) } == error)
        }
    }

    @Test func `a missing file is told from a bad one`() throws {
        let folder = try Folder()
        try folder.write("open", "x", 0o644)
        let directory = try folder.directory()
        func isMissing(_ name: String) -> Bool? {
            do throws(PosixError) {
                _ = try directory.read(name, limit: 1)
                return nil
            } catch {
                return error.isMissingFile
            }
        }
        #expect(isMissing("none") == true)
        #expect(isMissing("open") == false)
        #expect(refusal { () throws(PosixError) in try directory.read("none", limit: 1) } == failure("open", ENOENT))
    }

    @Test func `a public file may be a link; an endless or silent one ends`() throws {
        let folder = try Folder()
        let file = try folder.write("file", "text", 0o644)
        symlink(file, folder.path + "/link")
        mkfifo(folder.path + "/fifo", 0o644)
        #expect(try PublicFile.read(folder.path + "/link", limit: 64) == Array("text".utf8))
        #expect(
            refusal { () throws(PosixError) in try PublicFile.read("/dev/full", limit: 64) } == "tooLarge(limit: 64)")
        #expect(try PublicFile.read(folder.path + "/fifo", limit: 64) == [])
        #expect(
            refusal { () throws(PosixError) in try PublicFile.read(folder.path, limit: 64) } == failure("read", EISDIR))
    }

    @Test func `every error has a text`() {
        let errors: [PosixError] = [
            .system("open", code: EACCES), .system("x", code: 99_999), .unresolved(code: -2), .tooLarge(limit: 1),
            .badPath, .notRegularFile, .wrongOwner, .fileTooOpen, .directoryTooOpen, .hardLinked, .locked,
        ]
        let texts = errors.map(\.text)
        #expect(Set(texts).count == errors.count)
        #expect(texts.allSatisfy { $0.count > 5 })
        #expect(texts[0] == Array("Permission denied".utf8))
    }
}

@Suite struct LockTests {
    @Test func `one holder at a time; releasing gives it to the next`() throws {
        let folder = try Folder()
        let (first, second) = (try folder.directory(), try folder.directory())
        var lock: DirectoryLock? = try first.lock("lock")
        #expect(refusal { () throws(PosixError) in try second.lock("lock") } == "locked")
        #expect(refusal { () throws(PosixError) in try first.lock("lock") } == "locked")
        #expect(refusal { () throws(PosixError) in try second.lock("other") } == nil)
        withExtendedLifetime(lock) {}
        lock = nil
        #expect(refusal { () throws(PosixError) in try second.lock("lock") } == nil)
        #expect(mode(folder.path + "/lock") == S_IFREG | 0o600)
    }

    @Test func `a released lock is free although a forked child still has the open file`() throws {
        let folder = try Folder()
        let directory = try folder.directory()
        var lock: DirectoryLock? = try directory.lock("lock")
        let number = try #require(
            (3..<1024).first { number in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)"))
                    == folder.path + "/lock"
            })
        let shared = dup(Int32(number))
        defer { close(shared) }
        withExtendedLifetime(lock) {}
        lock = nil
        #expect(refusal { () throws(PosixError) in try directory.lock("lock") } == nil)
    }

    @Test func `a lock ends with its process, also by kill -9`() throws {
        let folder = try Folder()
        let directory = try folder.directory()
        let job = try Job("lock", in: folder)
        try job.process.waitForOutput("job: locked", seconds: 60)
        #expect(refusal { () throws(PosixError) in try directory.lock("lock") } == "locked")
        job.process.stop()
        #expect(refusal { () throws(PosixError) in try directory.lock("lock") } == nil)
    }

    @Test func `a link is not locked`() throws {
        let folder = try Folder()
        let target = try folder.write("target", "x")
        symlink(target, folder.path + "/lock")
        let directory = try folder.directory()
        #expect(refusal { () throws(PosixError) in try directory.lock("lock") } == failure("open", ELOOP))
    }
}
