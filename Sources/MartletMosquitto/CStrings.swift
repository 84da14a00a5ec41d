// SPDX-License-Identifier: Apache-2.0

/// Whether bytes can be an MQTT string that is not empty, and a C string. UTF-8 is checked by the library.
func isText(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count > 0, bytes.count <= 65_535 else { return false }
    for index in bytes.indices where bytes[index] == 0 { return false }
    return true
}

/// Whether a message can be published to it: no wildcard (MQTT 5 §4.7.1).
func isTopicName(_ bytes: Span<UInt8>) -> Bool {
    for index in bytes.indices where bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "#") {
        return false
    }
    return isText(bytes)
}

/// Lends a copy that ends with NUL: on the stack up to 1,023 bytes.
@inline(never)
func withCString(_ bytes: Span<UInt8>, _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) { copy in
        for index in bytes.indices { copy[index] = CChar(bitPattern: bytes[index]) }
        copy[bytes.count] = 0
        return body(UnsafePointer(copy.baseAddress.unsafelyUnwrapped))
    }
}
