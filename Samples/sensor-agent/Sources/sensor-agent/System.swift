// SPDX-License-Identifier: Apache-2.0

import CAgent

/// Why the system refused.
struct SystemError: Error {
    let code: Int32

    var text: Text {
        var text = Text()
        guard let pointer = CAgent_error_text(code) else { return text }
        text.add(quoting: System.bytes(pointer))
        return text
    }
}

/// The agent's calls of the system.
enum System {
    /// The first `limit` bytes of a file.
    static func read(_ path: Path, limit: Int) throws(SystemError) -> [UInt8] {
        let path = path.terminated
        return try fill(limit) { buffer in
            path.withUnsafeBufferPointer { CAgent_read($0.baseAddress, buffer.baseAddress, buffer.count) }
        }
    }

    /// Names in a directory, 16 KiB of them: shorter names first, so that 2 stands before 10; those of one length by
    /// their bytes.
    static func list(_ path: Path) throws(SystemError) -> [[UInt8]] {
        let path = path.terminated
        let all = try fill(16_384) { buffer in
            path.withUnsafeBufferPointer { CAgent_list($0.baseAddress, buffer.baseAddress, buffer.count) }
        }
        var names: [[UInt8]] = []
        var rest = Scanner(all.span)
        while let name = rest.cut(at: 0) {
            names.append(name.array)
            var place = names.count - 1
            while place > 0, precedes(names[place], names[place - 1]) {
                names.swapAt(place, place - 1)
                place -= 1
            }
        }
        return names
    }

    private static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count == b.count ? a.lexicographicallyPrecedes(b) : a.count < b.count
    }

    static func disk(_ path: Path) throws(SystemError) -> (size: UInt64, available: UInt64) {
        var size: UInt64 = 0
        var available: UInt64 = 0
        let result = path.terminated.withUnsafeBufferPointer { CAgent_disk($0.baseAddress, &size, &available) }
        guard result == 0 else { throw SystemError(code: -result) }
        return (size, available)
    }

    enum Stream: Int32 {
        case output = 1
        case error = 2
    }

    static func write(_ text: Text, to stream: Stream) throws(SystemError) {
        let bytes = text.bytes
        let result = bytes.withUnsafeBufferPointer { CAgent_write(stream.rawValue, $0.baseAddress, $0.count) }
        guard result == 0 else { throw SystemError(code: -result) }
    }

    /// The shortest digits that mean `number`.
    static func format(_ number: Double) -> Text {
        var text = Text()
        let capacity = 32
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
            buffer.initialize(repeating: 0)
            var number = number
            guard CAgent_format(&number, buffer.baseAddress, capacity) > 0, let digits = buffer.baseAddress else {
                return
            }
            text.add(quoting: bytes(digits))
        }
        return text
    }

    /// Milliseconds since boot; they count while the board sleeps.
    static var uptime: Int64 { CAgent_boottime_ms() }

    /// The arguments behind the program's name.
    static var arguments: [[UInt8]] {
        var result: [[UInt8]] = []
        for i in 1..<max(1, CAgent_argument_count()) {
            guard let pointer = CAgent_argument(i) else { break }
            result.append(bytes(pointer))
        }
        return result
    }

    /// A copy of a C string.
    static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        var bytes: [UInt8] = []
        var next = text
        while next.pointee != 0 {
            bytes.append(UInt8(bitPattern: next.pointee))
            next += 1
        }
        return bytes
    }

    private static func fill(
        _ capacity: Int, _ body: (UnsafeMutableBufferPointer<UInt8>) -> Int64
    ) throws(SystemError) -> [UInt8] {
        var result: Int64 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            result = body(buffer)
            count = Int(max(0, result))
        }
        guard result >= 0 else { throw SystemError(code: Int32(clamping: -result)) }
        return bytes
    }
}
