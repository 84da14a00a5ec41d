// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// A directory that only this user can enter (0700), and the files in it that only this user can read (0600).
///
/// Whatever is looser or owned by somebody else is refused, not mended, and so is a file that is a link: whoever
/// loosened it may have read or replaced it. The directory itself may be reached through a link, as systemd's
/// StateDirectory= is; what it leads to is judged. Files are created with their final mode, and names never leave
/// the directory.
public final class PrivateDirectory: Sendable {
    let descriptor: Descriptor

    public init(path: String) throws(PosixError) {
        let number = try withPath(path) { CPosix_open_directory($0) }
        descriptor = Descriptor(try check(number, "open"))
        try Self.requirePrivate(descriptor, directory: true)
    }

    /// Makes the directory 0700 if nothing is there yet.
    public convenience init(creating path: String) throws(PosixError) {
        let made = try withPath(path) { CPosix_make_directory($0) }
        if made < 0 && made != -EEXIST { throw .system("mkdir", code: -made) }
        try self.init(path: path)
    }

    /// Makes the names in the directory, and its own, durable: those that are found may be of a process that was killed
    /// before it did. A parent that this user may not read is left to the system.
    public func syncNames() throws(PosixError) {
        try descriptor.sync()
        let parent = try withPath("..") { CPosix_open_at(descriptor.number, $0) }
        if parent == -EACCES { return }
        try Descriptor(try check(parent, "open")).sync()
    }

    /// The content of `name`, at most `limit` bytes.
    public func read(_ name: String, limit: Int) throws(PosixError) -> [UInt8] {
        try file(CPosix_open_at(descriptor.number, try cString(name))).readAll(limit: limit)
    }

    /// What an open function returned, if it is a private file.
    func file(_ number: Int32) throws(PosixError) -> Descriptor {
        if number == -ELOOP { throw .notRegularFile }
        let file = Descriptor(try check(number, "open"))
        try Self.requirePrivate(file, directory: false)
        return file
    }

    /// Creates `name`; an existing file is an error (EEXIST). Durable on return.
    public func create(_ name: String, _ bytes: Span<UInt8>) throws(PosixError) {
        try create(cString(name), bytes)
    }

    private func create(_ name: [CChar], _ bytes: Span<UInt8>) throws(PosixError) {
        let number = CPosix_create_at(descriptor.number, name)
        let file = Descriptor(try check(number, "create"))
        do throws(PosixError) {
            try file.writeAll(bytes)
            try file.sync()
            try descriptor.sync()
        } catch {
            CPosix_unlink_at(descriptor.number, name)
            throw error
        }
    }

    /// Puts `bytes` in the place of `name` in one step: after a power cut there is the old or the new content.
    /// Durable on return.
    public func replace(_ name: String, _ bytes: Span<UInt8>) throws(PosixError) {
        let fresh = try cString(name, suffix: ".new")
        let stale = CPosix_unlink_at(descriptor.number, fresh)
        if stale < 0 && stale != -ENOENT { throw .system("unlink", code: -stale) }
        try create(fresh, bytes)
        _ = try check(CPosix_rename_at(descriptor.number, fresh, try cString(name)), "rename")
        try descriptor.sync()
    }

    /// Gives `name` another name in one step, in the place of what had it. Durable on return.
    public func rename(_ name: String, to other: String) throws(PosixError) {
        _ = try check(CPosix_rename_at(descriptor.number, try cString(name), try cString(other)), "rename")
        try descriptor.sync()
    }

    /// Gives each of two files the other's name in one step. Durable on return. False, and nothing was done, if the file
    /// system cannot.
    public func exchange(_ name: String, _ other: String) throws(PosixError) -> Bool {
        let result = CPosix_exchange_at(descriptor.number, try cString(name), try cString(other))
        if result == -EINVAL || result == -ENOSYS { return false }
        _ = try check(result, "rename")
        try descriptor.sync()
        return true
    }

    /// Takes the directory for this process, until the returned lock is released. A lock left by a killed
    /// process is gone with it.
    public func lock(_ name: String) throws(PosixError) -> DirectoryLock {
        let number = CPosix_open_lock_at(descriptor.number, try cString(name))
        let file = Descriptor(try check(number, "open"))
        let taken = CPosix_lock(file.number)
        if taken == -EWOULDBLOCK { throw .locked }
        _ = try check(taken, "flock")
        return DirectoryLock(file)
    }

    private static func requirePrivate(_ file: Descriptor, directory: Bool) throws(PosixError) {
        switch try check(CPosix_privacy(file.number, directory), "fstat") {
        case Int32(CPOSIX_WRONG_KIND): throw .notRegularFile
        case Int32(CPOSIX_WRONG_OWNER): throw .wrongOwner
        case Int32(CPOSIX_MODE_TOO_OPEN): throw directory ? .directoryTooOpen : .fileTooOpen
        case Int32(CPOSIX_HARD_LINKED): throw .hardLinked
        default: return
        }
    }

    /// A name without a slash or NUL, and with something other than the dots of `.` and `..`, as C wants it.
    private func cString(_ name: String, suffix: StaticString = "") throws(PosixError) -> [CChar] {
        let name = name.bytes
        var text: [CChar] = []
        var dots = 0
        for index in name.indices {
            if name[index] == UInt8(ascii: "/") || name[index] == 0 { throw .badPath }
            if name[index] == UInt8(ascii: ".") { dots += 1 }
            text.append(CChar(bitPattern: name[index]))
        }
        if dots == name.count && dots <= 2 { throw .badPath }
        for index in 0..<suffix.utf8CodeUnitCount { text.append(CChar(bitPattern: suffix.utf8Start[index])) }
        text.append(0)
        return text
    }
}

/// Holds a directory's lock until it is released.
public final class DirectoryLock: Sendable {
    private let file: Descriptor

    init(_ file: Descriptor) { self.file = file }

    deinit { CPosix_unlock(file.number) }
}
