// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Host names.
public enum Resolver {
    /// Numeric addresses of `host`, at most 8, in the order the system prefers. Blocks as long as the system's
    /// resolver does (by default 5 s for each try and server).
    public static func addresses(of host: String) throws(PosixError) -> [[UInt8]] {
        // In C the name would end there, and be another one.
        guard let host = cString(host) else { throw .unresolved(code: Int32(CPOSIX_NO_SUCH_HOST)) }
        let capacity: Int32 = 8
        let size = Int(CPOSIX_ADDRESS_SIZE)
        var buffer = [CChar](repeating: 0, count: Int(capacity) * size)
        let count = CPosix_resolve(host, &buffer, capacity)
        if count < 0 { throw .unresolved(code: count) }
        return (0..<Int(count)).map { index in
            buffer.withUnsafeBufferPointer { bytes in
                bytes.baseAddress.map { MartletPosix.bytes($0 + index * size) } ?? []
            }
        }
    }
}
