// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Secrets that have served their purpose.
public enum SpentFile {
    /// The most bytes that are overwritten.
    public static let maximumSize = 64 * 1024

    /// Overwrites the file with zeros and removes it, each durable before the next step: after a power cut it is whole, has
    /// zeros in it, or is gone. A link, or what is no file, is refused and left alone.
    ///
    /// Reaches what the file system calls the file: copies that a flash card or a journal keeps elsewhere stay.
    public static func erase(_ path: String) throws(PosixError) {
        let bytes = path.bytes
        let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
        let folder = slash.map { $0 == 0 ? [UInt8(ascii: "/")] : [UInt8](bytes[..<$0]) } ?? [UInt8(ascii: ".")]
        let opened = try withPath(String(decoding: folder, as: UTF8.self)) { CPosix_open_directory($0) }
        let directory = Descriptor(try check(opened, "open"))
        let name = String(decoding: bytes[(slash.map { $0 + 1 } ?? 0)...], as: UTF8.self)

        var number = try withPath(name) { CPosix_open_write_at(directory.number, $0) }
        // Its owner may have made it read-only.
        if number == -EACCES, try withPath(name, { CPosix_make_private_at(directory.number, $0) }) == 0 {
            number = try withPath(name) { CPosix_open_write_at(directory.number, $0) }
        }
        if number == -ELOOP { throw .notRegularFile }
        let file = Descriptor(try check(number, "open"))
        if CPosix_privacy(file.number, false) == Int32(CPOSIX_WRONG_KIND) { throw .notRegularFile }
        let size = min(max(CPosix_size(file.number), 0), Int64(maximumSize))
        let zeros = [UInt8](repeating: 0, count: Int(size))
        try file.writeAll(zeros.span)
        try file.sync()
        _ = try check(try withPath(name) { CPosix_unlink_at(directory.number, $0) }, "unlink")
        try directory.sync()
    }
}
