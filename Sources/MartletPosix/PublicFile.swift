// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Files that are not secret.
public enum PublicFile {
    /// The content of `path`, at most `limit` bytes; follows links.
    public static func read(_ path: String, limit: Int) throws(PosixError) -> [UInt8] {
        let number = try withPath(path) { CPosix_open($0) }
        return try Descriptor(try check(number, "open")).readAll(limit: limit)
    }

    /// Whether there is something of that name.
    public static func exists(_ path: String) throws(PosixError) -> Bool {
        try check(try withPath(path) { CPosix_exists($0) }, "stat") == 1
    }

    /// Puts `bytes` in the place of `path` in one step, readable for everybody (0644).
    public static func replace(_ path: String, _ bytes: Span<UInt8>) throws(PosixError) {
        let fresh = String(decoding: path.bytes + [0x2e, 0x6e, 0x65, 0x77], as: UTF8.self)  // .new
        try remove(fresh)
        let file = Descriptor(try check(try withPath(fresh) { CPosix_create_public($0) }, "create"))
        do throws(PosixError) {
            try file.writeAll(bytes)
            try file.sync()
            guard let from = cString(fresh), let to = cString(path) else { throw .badPath }
            _ = try check(CPosix_rename(from, to), "rename")
        } catch {
            try? remove(fresh)
            throw error
        }
    }

    /// Removes `path`, if it is there.
    public static func remove(_ path: String) throws(PosixError) {
        let code = try withPath(path) { CPosix_unlink($0) }
        if code != -ENOENT { _ = try check(code, "unlink") }
    }
}
