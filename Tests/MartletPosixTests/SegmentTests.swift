// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletPosix
import TestSupport
import Testing

@Suite struct SegmentTests {
    private let name = "journal-1-000000000000001f"

    @Test("FS-01 a segment is born 0600, exclusively, and synced with its directory before it is written to")
    func calls() throws {
        let folder = try Folder()
        let trace = "trace=/^open,fallocate,pwrite64,fsync,fdatasync,ftruncate,unlinkat"
        let job = try Job("segment", in: folder, strace: ["-e", trace])
        try job.wait()
        #expect(job.process.output.contains("job: done"))
        let file = "<~/\(name)>"
        let other = "journal-1-0000000000000020"
        let expected = [
            "\"\(name)\", O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600", "fallocate(\(file), 0, 0, 8192",
            "pwrite64(\(file)", "fsync(\(file)", "fsync(<~>", "pwrite64(\(file)", "fdatasync(\(file)",
            "\"\(other)\", O_WRONLY|O_CREAT", "fallocate(<~/\(other)>", "pwrite64(<~/\(other)>",
            "fsync(<~/\(other)>", "fsync(<~>", "fdatasync(<~/\(other)>",
            "\"\(name)\", O_WRONLY|O_NOCTTY|O_NONBLOCK|O_NOFOLLOW", "ftruncate(\(file), 4096", "\"\(name)\", O_RDONLY|",
            "fdatasync(\(file)", "unlinkat(<~>, \"\(other)\"", "fsync(<~>",
        ]
        let calls = try job.calls().map { $0.replacing(/\d+</, with: "<") }
        let first = try #require(calls.firstIndex { $0.contains(expected[0]) }, "\(calls)")
        for (call, part) in zip(calls[first...], expected) { #expect(call.contains(part)) }
        #expect(calls.count - first == expected.count)
        #expect(mode(folder.path + "/" + name) == S_IFREG | 0o600)
        #expect(folder.files == [name])
        let content = [UInt8](try Data(contentsOf: URL(filePath: folder.path + "/" + name)))
        #expect(content == [UInt8](repeating: 0, count: 64) + [1, 2, 3] + [UInt8](repeating: 0, count: 4096 - 67))
    }

    @Test func `a file system that cannot reserve space will do`() throws {
        let folder = try Folder()
        let inject = ["-e", "trace=fallocate", "-e", "inject=fallocate:error=EOPNOTSUPP"]
        let job = try Job("segment", in: folder, strace: inject)
        try job.wait()
        #expect(job.process.output.contains("job: done"))
        let content = [UInt8](try Data(contentsOf: URL(filePath: folder.path + "/" + name)))
        #expect(content.count == 4096 && content[64..<67] == [1, 2, 3])
    }

    @Test(arguments: [("ENOSPC", ENOSPC), ("EINTR:when=1", 0), ("EIO", EIO)])
    func `a segment that could not be made is not there`(injected: String, code: Int32) throws {
        let folder = try Folder()
        let inject = ["-e", "trace=fallocate", "-e", "inject=fallocate:error=\(injected)"]
        let job = try Job("segment", in: folder, strace: inject)
        try job.wait()
        #expect(job.process.output.contains(code == 0 ? "job: done" : "job: \(failure("fallocate", code))"))
        #expect(folder.files == (code == 0 ? [name] : []))
    }

    @Test func `only names that a segment can have are listed`() throws {
        let folder = try Folder()
        let segments = SegmentDirectory(try folder.directory())
        let all: [(UInt8, UInt64)] = [(0, 1), (1, 0), (1, .max), (9, 0xabcdef), (10, 1), (100, 1), (255, 1 << 63)]
        for (stream, number) in all { _ = try segments.create(stream: stream, number: number, size: 4096) }
        for name in [
            "master.key", "journal-", "journal-1", "journal-1-", "journal--0000000000000001",
            "journal-1-000000000000001", "journal-1-00000000000000011", "journal-1-000000000000000G",
            "journal-1-000000000000000A", "journal-01-0000000000000001", "journal-256-0000000000000001",
            "journal-1000-0000000000000001", "journal-1-0000000000000001.new", "Journal-1-0000000000000001",
            "journal-1_0000000000000001", "journal-a-0000000000000001",
        ] {
            try folder.write(name, "")
        }
        let found = try segments.names().map { "\($0.stream) \($0.number)" }
        #expect(found.sorted() == all.map { "\($0.0) \($0.1)" }.sorted())
    }

    @Test func `a segment is read up to a limit, made once, and removed even if it is not there`() throws {
        let folder = try Folder()
        let segments = SegmentDirectory(try folder.directory())
        let segment = try segments.create(stream: 1, number: 7, size: 4096)
        try segment.write([1, 2, 3].span, at: 0)
        #expect(try segments.read(stream: 1, number: 7, limit: 2) == [1, 2])
        #expect(try segments.read(stream: 1, number: 7, limit: 10_000).count == 4096)
        let error = refusal { () throws(PosixError) in try segments.create(stream: 1, number: 7, size: 4096) }
        #expect(error == failure("create", EEXIST))
        #expect(try segments.read(stream: 1, number: 7, limit: 3) == [1, 2, 3])
        for _ in 0..<2 { try segments.remove(stream: 1, number: 7) }
        #expect(folder.files.isEmpty)
    }

    @Test("FS-02 a segment that is a link, or that others can read, is refused")
    func loose() throws {
        let folder = try Folder()
        let segments = SegmentDirectory(try folder.directory())
        _ = try segments.create(stream: 1, number: 0x1f, size: 4096)
        chmod(folder.path + "/" + name, 0o640)
        symlink(folder.path + "/" + name, folder.path + "/journal-1-0000000000000020")
        for (number, error) in [(0x1f, "fileTooOpen"), (0x20, "notRegularFile")] as [(UInt64, String)] {
            let read = refusal { () throws(PosixError) in try segments.read(stream: 1, number: number, limit: 9) }
            let trim = refusal { () throws(PosixError) in try segments.trim(stream: 1, number: number, size: 9) }
            #expect(read == error && trim == error)
        }
    }

    @Test func `a master key is made once, 0600, and one of another length is made anew`() throws {
        let folder = try Folder()
        let directory = try folder.directory()
        let key = try MasterKey.open(directory)
        #expect(key.count == 32 && Set(key).count > 8)
        #expect(try MasterKey.open(directory) == key)
        #expect(mode(folder.path + "/master.key") == S_IFREG | 0o600)
        let other = try Folder()
        #expect(try MasterKey.open(try other.directory()) != key)
        for length in [0, 31, 33] {
            let folder = try Folder()
            try folder.write("master.key", String(repeating: "k", count: length))
            let directory = try folder.directory()
            let made = try MasterKey.open(directory)
            #expect(made.count == 32 && made != key)
            #expect(try MasterKey.open(directory) == made)
        }
        chmod(folder.path + "/master.key", 0o644)
        #expect(refusal { () throws(PosixError) in try MasterKey.open(directory) } == "fileTooOpen")
    }
}
