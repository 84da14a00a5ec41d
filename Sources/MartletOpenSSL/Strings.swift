// SPDX-License-Identifier: Apache-2.0

extension String {
    /// Its UTF-8, without the views of String, whose code is larger than most of this module.
    var bytes: [UInt8] {
        let span = utf8Span.span
        var bytes: [UInt8] = []
        bytes.reserveCapacity(span.count)
        for index in span.indices { bytes.append(span[index]) }
        return bytes
    }
}

/// Constants of C: a String would bring the code that converts it.
extension StaticString {
    var cString: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
