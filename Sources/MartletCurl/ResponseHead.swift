// SPDX-License-Identifier: Apache-2.0

/// What is read of an answer's headers.
struct ResponseHead {
    /// The most bytes of the headers of an answer, and of the interim ones before it (RFC 9110 §15.2).
    static let maximumSize = 16 * 1024

    private(set) var contentType: [UInt8] = []
    private(set) var date: Int64?
    /// Whether the line came that ends the headers. libcurl takes a connection that ends before for the end of them.
    private(set) var isComplete = false
    private var seconds: UInt32?
    private var moment: Int64?

    /// Takes a header line as libcurl gives it; each answer begins with its status line. Of a header that comes twice
    /// the last one counts; one after the headers is a trailer, which may be there to look like one (RFC 9110 §6.5.1).
    mutating func take(_ line: Span<UInt8>) {
        if begins(line, with: "http/") {
            self = ResponseHead()
        } else if isComplete {
            return
        } else if line.count <= 2 {
            isComplete = true
        } else if let value = value(line, of: "content-type:") {
            contentType = value
        } else if let value = value(line, of: "date:") {
            date = HTTPDate.seconds(value.span)
        } else if let value = value(line, of: "retry-after:") {
            seconds = number(value.span)
            moment = HTTPDate.seconds(value.span)
        }
    }

    /// Seconds to wait. A date is relative to the server's own clock, because the device's may be wrong.
    var retryAfter: UInt32? {
        if let seconds { return seconds }
        guard let moment, let date else { return nil }
        return UInt32(clamping: moment - date)
    }

    /// `name` in lower case.
    private func begins(_ line: Span<UInt8>, with name: StaticString) -> Bool {
        guard line.count >= name.utf8CodeUnitCount else { return false }
        for index in 0..<name.utf8CodeUnitCount {
            let byte = line[index]
            let lower = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            if lower != name.utf8Start[index] { return false }
        }
        return true
    }

    /// Without white space around it.
    private func value(_ line: Span<UInt8>, of name: StaticString) -> [UInt8]? {
        guard begins(line, with: name) else { return nil }
        var start = name.utf8CodeUnitCount
        var end = line.count
        while start < end, isSpace(line[start]) { start += 1 }
        while end > start, isSpace(line[end - 1]) { end -= 1 }
        return line.extracting(start..<end).withUnsafeBufferPointer { [UInt8]($0) }
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// Of digits alone; what is too large is the largest.
    private func number(_ text: Span<UInt8>) -> UInt32? {
        guard text.count > 0 else { return nil }
        var number: UInt64 = 0
        for index in text.indices {
            guard (0x30...0x39).contains(text[index]) else { return nil }
            number = min(number * 10 + UInt64(text[index] - 0x30), UInt64(UInt32.max))
        }
        return UInt32(number)
    }
}
