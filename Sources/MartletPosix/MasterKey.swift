// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Random bytes of the kernel, which no copy of a process or of a machine's memory can repeat.
public enum KernelRandom {
    /// nil if there are none to be had.
    public static func bytes32() -> InlineArray<32, UInt8>? {
        var bytes = InlineArray<32, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        let result = span.withUnsafeMutableBufferPointer { CPosix_random($0.baseAddress, $0.count) }
        return result < 0 ? nil : bytes
    }
}

/// The secret that all keys of the journal come from.
public enum MasterKey {
    public static let count = 32

    /// Reads `master.key`. If there is none, or not one of this length, it is made anew, of the operating system's random
    /// bytes; durable on return. What a lost key had encrypted is damaged then, and the device goes on without it.
    ///
    /// A secret: wipe the bytes after use.
    public static func open(_ directory: PrivateDirectory) throws(PosixError) -> [UInt8] {
        do throws(PosixError) {
            let key = try directory.read("master.key", limit: count)
            if key.count == count { return key }
        } catch {
            switch error {
            case .tooLarge: break
            default: guard error.isMissingFile else { throw error }
            }
        }
        var key = [UInt8](repeating: 0, count: count)
        _ = try check(key.withUnsafeMutableBufferPointer { CPosix_random($0.baseAddress, $0.count) }, "getrandom")
        try directory.replace("master.key", key.span)
        return key
    }
}
