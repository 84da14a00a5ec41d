// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// What is in a private directory.
extension PrivateDirectory {
    /// The names in it but `.` and `..`, sorted by their bytes.
    public func names() throws(PosixError) -> [[UInt8]] {
        let list = NameBytes()
        let result = withExtendedLifetime(list) {
            CPosix_list(descriptor.number, addBytes, Unmanaged.passUnretained(list).toOpaque())
        }
        _ = try check(result, "readdir")
        return list.names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Removes a file, if it is there; durable on return.
    public func remove(_ name: String) throws(PosixError) {
        let result = try withPath(name) { CPosix_unlink_at(descriptor.number, $0) }
        if result != -ENOENT { _ = try check(result, "unlink") }
        try descriptor.sync()
    }

    /// Whether another process holds the lock of this name. To find out takes a shared lock for a moment, in which
    /// nobody gets the lock itself.
    public func isLocked(_ name: String) throws(PosixError) -> Bool {
        let number = try withPath(name) { CPosix_open_at(descriptor.number, $0) }
        if number == -ENOENT { return false }
        let file = Descriptor(try check(number, "open"))
        return try check(CPosix_is_locked(file.number), "flock") == 1
    }

    /// Whether both are the same directory, whatever paths lead there.
    public func isSame(as other: PrivateDirectory) throws(PosixError) -> Bool {
        try check(CPosix_is_same(descriptor.number, other.descriptor.number), "fstat") == 1
    }
}

private final class NameBytes {
    var names: [[UInt8]] = []
}

private func addBytes(_ context: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?) {
    guard let context, let name else { return }
    let text = bytes(name)
    if text == [UInt8(ascii: ".")] || text == [UInt8(ascii: "."), UInt8(ascii: ".")] { return }
    Unmanaged<NameBytes>.fromOpaque(context).takeUnretainedValue().names.append(text)
}
