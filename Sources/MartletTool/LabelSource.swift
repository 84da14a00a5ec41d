// SPDX-License-Identifier: Apache-2.0

import MartletEnrolment
import MartletOpenSSL
import MartletPosix

/// Where a label comes from: standard input, or a file, which goes when it has served its purpose.
struct LabelSource {
    /// nil: standard input.
    let path: [UInt8]?
    /// nil: its file is no longer there, or was overwritten.
    let label: EnrolmentLabel?
    private let isThere: Bool

    init(path: [UInt8]?) throws(Failure) {
        self.path = path
        // One more than is allowed, and the end of the line.
        let limit = EnrolmentLabel.maximumLength + 3
        var text: [UInt8]
        if let path {
            do throws(PosixError) {
                text = try PublicFile.read(String(decoding: path, as: UTF8.self), limit: limit)
            } catch {
                if case .tooLarge = error { throw Self.failure(.notALabel) }
                guard error.isMissingFile else { throw Failure(path, error) }
                label = nil
                isThere = false
                return
            }
            if text.last == UInt8(ascii: "\n") { text.removeLast() }
        } else {
            text = try Output.readLine(limit: limit)
        }
        defer { secureZero(&text) }
        isThere = true
        if text.last == UInt8(ascii: "\r") { text.removeLast() }
        // Overwritten, or a sector of it.
        if path != nil, text.contains(0), text.allSatisfy({ $0 == 0 || (0x21...0x7e).contains($0) }) {
            label = nil
            return
        }
        do throws(LabelError) { label = try EnrolmentLabel(parsing: text.span) } catch {
            throw Self.failure(error)
        }
    }

    private static func failure(_ error: LabelError) -> Failure {
        Failure(.usage, "this is not a label: ", [UInt8](error.text))
    }

    /// Overwrites and removes the file, if there is one.
    func erase() throws(Failure) {
        guard let path, isThere else { return }
        do throws(PosixError) { try SpentFile.erase(String(decoding: path, as: UTF8.self)) } catch {
            throw Failure(
                .system, "the device is onboarded, but the label is still there, remove it: ",
                path + [UInt8](": ") + error.text)
        }
    }
}
