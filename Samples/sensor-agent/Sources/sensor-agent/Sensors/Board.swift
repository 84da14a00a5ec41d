// SPDX-License-Identifier: Apache-2.0

/// The file system in which sensors are looked for, and what is known of them so far.
struct Board {
    /// Stands before every path: empty on the machine itself.
    let root: Path
    var names = ReadingNames()

    init(root: Path) {
        self.root = root
    }

    func path(_ path: StaticString) -> Path {
        root.appending(path)
    }

    /// What in `folder` has a name that begins with `prefix`; nothing if there is no `folder`.
    func instances(of prefix: StaticString, in folder: StaticString) -> [(path: Path, name: [UInt8])] {
        let path = self.path(folder)
        var instances: [(path: Path, name: [UInt8])] = []
        for name in names(in: path) where name.starts(with: prefix.bytes) {
            instances.append((path.appending("/").appending(name), name))
        }
        return instances
    }

    /// Names in a folder; none if it cannot be listed.
    func names(in folder: Path) -> [[UInt8]] {
        (try? System.list(folder)) ?? []
    }

    /// The first line of a short file; nil if it cannot be read or is empty.
    func word(_ path: Path) -> [UInt8]? {
        guard let bytes = try? System.read(path, limit: 256) else { return nil }
        let line = Array(bytes.prefix { $0 != UInt8(ascii: "\n") })
        return line.isEmpty ? nil : line
    }

    /// The number in a file; nil if it cannot be read or holds something else.
    func number(_ path: Path) -> Double? {
        guard let bytes = try? System.read(path, limit: 256) else { return nil }
        return Channel.number(in: bytes.span)
    }
}
