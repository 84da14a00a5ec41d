// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// A file descriptor that is closed when nobody holds it any longer.
final class Descriptor: @unchecked Sendable {  // immutable
    let number: Int32

    init(_ number: Int32) { self.number = number }

    deinit { close(number) }

    /// Everything up to the end; more than `limit` bytes are an error.
    func readAll(limit: Int) throws(PosixError) -> [UInt8] {
        let bytes = try readFirst(limit + 1)
        if bytes.count > limit { throw .tooLarge(limit: limit) }
        return bytes
    }

    /// Up to `capacity` bytes.
    func readFirst(_ capacity: Int) throws(PosixError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: capacity)
        let count = bytes.withUnsafeMutableBufferPointer { CPosix_read_all(number, $0.baseAddress, $0.count) }
        if count < 0 { throw .system("read", code: Int32(truncatingIfNeeded: -count)) }
        bytes.removeLast(bytes.count - Int(count))
        return bytes
    }

    func writeAll(_ bytes: Span<UInt8>) throws(PosixError) {
        let result = bytes.withUnsafeBufferPointer { CPosix_write_all(number, $0.baseAddress, $0.count) }
        _ = try check(result, "write")
    }

    func sync() throws(PosixError) {
        _ = try check(CPosix_sync(number), "fsync")
    }
}
