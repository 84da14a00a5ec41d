// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Why the operating system, or a rule about files, said no.
public enum PosixError: Error {
    /// A call failed; `code` is its errno.
    case system(StaticString, code: Int32)
    /// A host name was not resolved; `code` is that of getaddrinfo.
    case unresolved(code: Int32)
    /// The file holds more bytes than its reader takes.
    case tooLarge(limit: Int)
    /// The path holds a NUL; or it should be a file name, and is empty, `.`, `..` or has a slash.
    case badPath
    /// Not a regular file: a link, FIFO, device or directory.
    case notRegularFile
    /// The file or its directory belongs to another user.
    case wrongOwner
    /// Group or others can access the file: it must be 0600.
    case fileTooOpen
    /// Group or others can access the directory: it must be 0700.
    case directoryTooOpen
    /// The file has a second name (hard link).
    case hardLinked
    /// Another process holds the lock.
    case locked
    /// No interface is up and can multicast, or none of them has an address.
    case noMulticastInterface

    /// Whether there is no such file.
    public var isMissingFile: Bool {
        if case .system(_, ENOENT) = self { true } else { false }
    }

    /// Whether somebody else has the port.
    public var isTaken: Bool {
        if case .system(_, EADDRINUSE) = self { true } else { false }
    }

    /// The errno of a failed call; EACCES for a rule about files, EIO for anything else.
    public var code: Int32 {
        switch self {
        case .system(_, let code): code
        case .notRegularFile, .wrongOwner, .fileTooOpen, .directoryTooOpen, .hardLinked: EACCES
        default: EIO
        }
    }

    /// Whether a shortage in the process or the system is to blame, so that trying later may help.
    public var isShortage: Bool {
        switch self {
        case .system(_, EMFILE), .system(_, ENFILE), .system(_, ENOMEM), .system(_, EAGAIN): true
        default: false
        }
    }

    /// Whether there is no room: on the device, in the user's quota, or under the process's limit.
    public var isFull: Bool {
        switch self {
        case .system(_, ENOSPC), .system(_, EDQUOT), .system(_, EFBIG): true
        default: false
        }
    }

    /// Whether the peer was gone: it ended the connection without a farewell.
    public var isReset: Bool {
        switch self {
        case .system(_, ECONNRESET), .system(_, EPIPE): true
        default: false
        }
    }

    /// What is wrong and what to do; for `system` the system's own words.
    public var text: [UInt8] {
        switch self {
        case .system(_, let code): bytes(CPosix_error_text(code))
        case .unresolved(let code): bytes(CPosix_resolve_error_text(code))
        default: constantText.withUTF8Buffer { [UInt8]($0) }
        }
    }

    private var constantText: StaticString {
        switch self {
        case .system, .unresolved: ""
        case .tooLarge: "the file is too large"
        case .badPath: "not usable as a path or file name"
        case .notRegularFile: "not a regular file: links, FIFOs and devices are refused"
        case .wrongOwner: "belongs to another user: run this as that user, or chown it"
        case .fileTooOpen: "readable by others: chmod 600 it"
        case .directoryTooOpen: "the directory is open to others: chmod 700 it"
        case .hardLinked: "has a second name (hard link): keep a single one"
        case .locked: "in use by another process"
        case .noMulticastInterface: "no network interface is up, can multicast and has an address: connect this machine"
        }
    }
}

/// A copy of a C string.
func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
    [UInt8](UnsafeRawBufferPointer(start: text, count: strlen(text)))
}

/// Calls `body` with the C string of `path`; a NUL would end it early.
func withPath(_ path: String, _ body: (UnsafePointer<CChar>) -> Int32) throws(PosixError) -> Int32 {
    guard let text = cString(path) else { throw .badPath }
    return body(text)
}

extension String {
    /// Its UTF-8; on Linux every String has it in one piece. Not by `utf8Span`: of a short text, which has no memory of
    /// its own, Swift 6.3.1 may give the stack away while the span is in use.
    var bytes: [UInt8] { utf8.withContiguousStorageIfAvailable { [UInt8]($0) } ?? [] }
}

/// `text` as C wants it; nil if a NUL would end it early.
func cString(_ text: String) -> [CChar]? {
    let bytes = text.bytes
    var result: [CChar] = []
    result.reserveCapacity(bytes.count + 1)
    for index in bytes.indices {
        if bytes[index] == 0 { return nil }
        result.append(CChar(bitPattern: bytes[index]))
    }
    result.append(0)
    return result
}

/// Turns the negative errno of a CPosix function into an error.
func check(_ result: Int32, _ operation: StaticString) throws(PosixError) -> Int32 {
    if result < 0 { throw .system(operation, code: -result) }
    return result
}
