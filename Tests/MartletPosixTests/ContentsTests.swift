// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletPosix
import Testing

@Suite struct ContentsTests {
    @Test func `every name is listed, whatever its bytes, in their order`() throws {
        let folder = try Folder()
        for name in ["b", "a", ".hidden", "ä", "journal-1-0000000000000001"] { try folder.write(name, "") }
        let directory = try folder.directory()
        let names = try directory.names().map { String(decoding: $0, as: UTF8.self) }
        #expect(names == [".hidden", "a", "b", "journal-1-0000000000000001", "ä"])
    }

    @Test func `a file is removed, and one that is not there is no error`() throws {
        let folder = try Folder()
        try folder.write("file", "x")
        let directory = try folder.directory()
        try directory.remove("file")
        try directory.remove("file")
        #expect(folder.files.isEmpty)
        try folder.make(0o700, at: folder.path + "/directory")
        #expect(refusal { () throws(PosixError) in try directory.remove("directory") } == failure("unlink", EISDIR))
    }

    @Test func `a lock that is held is seen, is not taken, and is not made`() throws {
        let folder = try Folder()
        let directory = try folder.directory()
        #expect(try !directory.isLocked("lock"))
        #expect(folder.files.isEmpty)
        do {
            let lock = try directory.lock("lock")
            #expect(try directory.isLocked("lock"))
            withExtendedLifetime(lock) {}
        }
        for _ in 0..<3 { #expect(try !directory.isLocked("lock")) }
        withExtendedLifetime(try directory.lock("lock")) {}
    }

    @Test func `one directory is the same by any path`() throws {
        let folder = try Folder()
        try folder.make(0o700, at: folder.path + "/inside")
        let directory = try folder.directory()
        #expect(try directory.isSame(as: PrivateDirectory(path: folder.path + "/inside/..")))
        #expect(try !directory.isSame(as: PrivateDirectory(path: folder.path + "/inside")))
    }
}
