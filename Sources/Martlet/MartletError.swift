// SPDX-License-Identifier: Apache-2.0

package import MartletPosix
package import MartletSession

/// Why a call failed: what, where, and what to do. No secret is ever part of it.
public struct MartletError: Error, Sendable {
    /// Codes never change their meaning; C sees the same numbers.
    public enum Code: Int32, Sendable {
        /// The configuration file cannot be used; the message names file and line.
        case configuration = 1
        /// A file that the configuration names cannot be used.
        case file = 2
        /// The certificate, key and device id do not fit together.
        case identity = 3
        /// The state directory cannot be used, or another process uses it.
        case state = 4
        /// An argument is outside what its documentation allows.
        case argument = 5
        /// Readings come faster than the queue takes them: this one was dropped, and counted.
        case full = 6
        /// What was asked for is not supported by this version.
        case unsupported = 7
        /// The call does not fit the state of the device.
        case wrongState = 8
        /// The operating system or a library failed.
        case system = 9
    }

    public let code: Code
    public let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// A message made of parts; outside texts in it are escaped.
    package init(_ code: Code, _ build: (inout LogLine) -> Void) {
        var line = LogLine()
        build(&line)
        self.init(code, line.string)
    }

    package init(_ code: Code, file: String, _ error: PosixError) {
        self.init(code) {
            $0.untrusted(file)
            $0.text(": ")
            if case .system(let operation, _) = error {
                $0.text(operation)
                $0.text(": ")
            }
            $0.untrusted(error.text)
        }
    }
}

extension LogLine {
    package var string: String { String(checked: bytes) }

    package mutating func untrusted(_ text: String) { untrusted(text.bytes) }
}

extension String {
    /// Its UTF-8; on Linux every String has it in one piece. Not by `utf8Span`: of a short text, which has no memory of
    /// its own, Swift 6.3.1 may give the stack away while the span is in use.
    package var bytes: [UInt8] { utf8.withContiguousStorageIfAvailable { [UInt8]($0) } ?? [] }

    /// Calls `body` once with the same bytes, without a copy.
    @inline(never)
    func withBytes(_ body: (Span<UInt8>) -> Void) {
        _ = utf8.withContiguousStorageIfAvailable { body($0.span) }
    }

    /// Bytes that were checked to be UTF-8 where they came from; empty if they are not. Repairing them, as
    /// `String(decoding:)` does, brings much of String's code into a program.
    package init(checked bytes: [UInt8]) {
        guard let text = try? UTF8Span(validating: bytes.span) else {
            self = ""
            return
        }
        self.init(copying: text)
    }
}
