// SPDX-License-Identifier: Apache-2.0

/// The bytes of a path.
struct Path {
    private(set) var bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// `?` if it is not UTF-8.
    var string: String { String(text: bytes) }

    func appending(_ text: StaticString) -> Path {
        var path = self
        text.withUTF8Buffer { path.bytes.append(contentsOf: $0) }
        return path
    }

    func appending(_ name: [UInt8]) -> Path {
        Path(bytes + name)
    }

    /// The path as C wants it. A zero byte in it ends it early.
    var terminated: [UInt8] { bytes + [0] }
}
