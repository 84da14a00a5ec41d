// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Writes to the standard descriptors, at once and whole. Each call is one message; standard output's have one thread.
enum Output {
    static let standard: Int32 = 1
    static let error: Int32 = 2

    /// False if nobody reads any longer, or the disk is full.
    @discardableResult
    static func write(_ text: String, to descriptor: Int32 = standard) -> Bool {
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let count = bytes[start...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                start += count
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}
