// SPDX-License-Identifier: Apache-2.0

import CTool

/// The program's arguments and standard descriptors.
enum Output {
    /// Those behind the program's name.
    static var arguments: [[UInt8]] {
        var result: [[UInt8]] = []
        for index in 1..<max(1, CTool_argument_count()) {
            guard var next = CTool_argument(index) else { break }
            var bytes: [UInt8] = []
            while next.pointee != 0 {
                bytes.append(UInt8(bitPattern: next.pointee))
                next += 1
            }
            result.append(bytes)
        }
        return result
    }

    /// To standard output.
    static func write(_ bytes: [UInt8]) -> Status {
        if write(bytes, to: 1) { return .success }
        complain("standard output cannot be written")
        return .system
    }

    /// A line to standard error; `detail` may come from outside.
    static func complain(_ before: StaticString, _ detail: [UInt8] = [], _ after: StaticString = "") {
        var line = [UInt8]("martlet: ")
        line.add(before)
        line.add(escaping: detail)
        line.add(after)
        line.add("\n")
        _ = write(line, to: 2)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBufferPointer { CTool_write(descriptor, $0.baseAddress, $0.count) } == 0
    }
}
