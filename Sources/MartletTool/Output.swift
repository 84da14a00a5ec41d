// SPDX-License-Identifier: Apache-2.0

import CTool

extension ArraySlice<[UInt8]> {
    /// What stands behind an option; empty if nothing does, or the next option.
    mutating func popValue() -> [UInt8] {
        if let first, first.starts(with: "--".utf8) { return [] }
        return popFirst() ?? []
    }
}

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

    /// A step of a verb, as a line to standard output: for people, or a JSON object. Nobody has to read it.
    static func tell(_ step: StaticString, _ text: StaticString, _ detail: [UInt8] = [], isJSON: Bool) {
        var safe: [UInt8] = []
        safe.add(escaping: detail)
        var line: [UInt8] = []
        if isJSON {
            line.add("{\"step\":")
            line.add(quoting: [UInt8](step))
            if !safe.isEmpty {
                line.add(",\"detail\":")
                line.add(quoting: safe)
            }
            line.add("}\n")
        } else {
            line.add(text)
            if !safe.isEmpty { line.add(" ") }
            line += safe
            line.add("\n")
        }
        _ = write(line, to: 1)
    }

    static func complain(_ failure: Failure) { complain(failure.before, failure.detail, failure.after) }

    /// The first line of standard input without its end, or its first `limit` bytes.
    static func readLine(limit: Int) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = bytes.withUnsafeMutableBufferPointer { CTool_read_line(0, $0.baseAddress, $0.count) }
        if count < 0 { throw Failure(.system, "standard input cannot be read") }
        bytes.removeLast(limit - Int(count))
        return bytes
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
