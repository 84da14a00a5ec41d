// SPDX-License-Identifier: Apache-2.0

/// The bytes of a path.
struct Path {
    private(set) var bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var string: String { String(decoding: bytes, as: UTF8.self) }

    func appending(_ text: StaticString) -> Path {
        var path = self
        text.withUTF8Buffer { path.bytes.append(contentsOf: $0) }
        return path
    }

    func appending(_ name: [UInt8]) -> Path {
        Path(bytes + name)
    }

    /// Calls `body` with the path as C wants it. A zero byte ends it early.
    func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        let terminated = bytes + [0]
        return terminated.withUnsafeBytes { buffer in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: buffer.count) { copy in
                for i in buffer.indices { copy.initializeElement(at: i, to: CChar(bitPattern: buffer[i])) }
                return body(UnsafePointer(copy.baseAddress.unsafelyUnwrapped))
            }
        }
    }
}
