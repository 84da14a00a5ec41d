// SPDX-License-Identifier: Apache-2.0

import MartletPosix

extension PrivateDirectory {
    /// The name of a file that is in this directory, whatever path leads there; nil for one elsewhere.
    func name(at path: String) -> String? {
        guard let (directory, name) = Self.split(path), (try? directory.isSame(as: self)) == true else { return nil }
        return name
    }

    /// The directory of a file, and its name there; nil if there is no such directory, or it is not private.
    static func split(_ path: String) -> (PrivateDirectory, name: String)? {
        let bytes = Array(path.utf8)
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")), slash > 0,
            let directory = try? PrivateDirectory(path: String(decoding: bytes[..<slash], as: UTF8.self))
        else { return nil }
        return (directory, String(decoding: bytes[(slash + 1)...], as: UTF8.self))
    }
}
