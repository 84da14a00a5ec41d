// SPDX-License-Identifier: Apache-2.0

internal import CMosquitto

/// Whether bytes can be an MQTT string that is not empty, and a C string. The library checks UTF-8, and that a message has
/// no wildcard in its topic (MQTT 5 §4.7.1).
func isText(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count > 0, bytes.count <= 65_535 else { return false }
    return bytes.withUnsafeBytes { bytes in bytes.baseAddress.map { memchr($0, 0, bytes.count) == nil } ?? false }
}

/// Lends a copy that ends with NUL: on the stack up to 1,023 bytes.
@inline(never)
func withCString(_ bytes: Span<UInt8>, _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) { copy in
        bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(copy).copyMemory(from: $0) }
        copy[bytes.count] = 0
        return body(UnsafePointer(copy.baseAddress.unsafelyUnwrapped))
    }
}
