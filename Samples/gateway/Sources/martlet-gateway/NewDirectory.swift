// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// Makes directories that come into being whole, or not at all.
enum NewDirectory {
    /// Fills a directory under another name, `.NAME.new` beside its place, and renames it; durable on return. An empty
    /// directory at the place is replaced, anything else is an error. `what` is what the directory will be. Nothing is
    /// left of an attempt that throws.
    static func make(_ path: String, _ what: String, _ fill: (GatewayDirectory) throws -> Void) throws {
        let parts = split(path)
        if ["", "/", ".", ".."].contains(parts.name) { throw Failure("\(path): name a directory that is to be made") }
        if try !names(in: path).isEmpty {
            throw Failure("\(path): there is something already: use another directory, or remove this one")
        }
        let working = "\(parts.parent)/.\(parts.name).new"
        if mkdir(working, 0o700) != 0 {
            let code = errno
            guard code == EEXIST else { throw failure(path, "mkdir in \(parts.parent)", code) }
            throw Failure(
                "\(working): left over where making \(what) was interrupted, or it is being made now: "
                    + "if it is not, remove it (rm -r \(working)) and try again")
        }
        do {
            try fill(GatewayDirectory(path: working))
            try syncDirectory(working)
            if rename(working, path) != 0 { throw failure(path, "rename", errno) }
        } catch {
            remove(working, depth: 2)
            throw error
        }
        try syncDirectory(parts.parent)
    }

    /// A place that cannot be replaced, or has a parent that cannot be written, may well take a directory inside it.
    private static func failure(_ path: String, _ call: String, _ code: Int32) -> Failure {
        let isInPlace = [EBUSY, EACCES, EPERM, EROFS].contains(code)
        return Failure(
            "\(path): \(call): \(String(cString: strerror(code)))"
                + (isInPlace ? ": if this directory is there and yours, name a directory inside it" : ""))
    }

    /// What is in a directory; nothing if there is none.
    static func names(in path: String) throws(Failure) -> [String] {
        guard let stream = opendir(path) else {
            if errno == ENOENT { return [] }
            throw Failure("\(path): \(String(cString: strerror(errno)))")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes what was made, as far as it goes: files, and directories below one another.
    private static func remove(_ path: String, depth: Int) {
        for name in (try? names(in: path)) ?? [] where unlink("\(path)/\(name)") != 0 && depth > 1 {
            remove("\(path)/\(name)", depth: depth - 1)
        }
        rmdir(path)
    }

    static func split(_ path: String) -> (parent: String, name: String) {
        var path = Substring(path)
        while path.count > 1, path.last == "/" { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return (".", String(path)) }
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        return (parent, String(path[path.index(after: slash)...]))
    }
}

extension PrivateDirectory {
    /// Makes the directory if there is none; durable on return.
    static func make(_ path: String) throws(Failure) -> PrivateDirectory {
        let directory = try at(path) { () throws(PosixError) in try PrivateDirectory(creating: path) }
        try syncDirectory(NewDirectory.split(path).parent)
        return directory
    }
}

/// Makes the names in a directory durable.
func syncDirectory(_ path: String) throws(Failure) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure("\(path): open: \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw Failure("\(path): fsync: \(String(cString: strerror(errno)))") }
}
