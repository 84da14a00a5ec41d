// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Overwrites `bytes` with zeros in a way that the optimiser cannot drop, and empties the array.
///
/// Reaches only this buffer: an array that shares it is copied first, so do not keep one.
public func secureZero(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBufferPointer { buffer in OPENSSL_cleanse(buffer.baseAddress, buffer.count) }
    bytes = []
}

/// Overwrites `bytes` with zeros in a way that the optimiser cannot drop.
public func secureZero(_ bytes: inout MutableSpan<UInt8>) {
    bytes.withUnsafeMutableBufferPointer { buffer in OPENSSL_cleanse(buffer.baseAddress, buffer.count) }
}
