// SPDX-License-Identifier: Apache-2.0

extension String {
    /// Its UTF-8; on Linux every String has it in one piece. Not by `utf8Span`: of a short text, which has no memory of
    /// its own, Swift 6.3.1 may give the stack away while the span is in use.
    var bytes: [UInt8] { utf8.withContiguousStorageIfAvailable { [UInt8]($0) } ?? [] }
}

/// Constants of C: a String would bring the code that converts it.
extension StaticString {
    var cString: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
