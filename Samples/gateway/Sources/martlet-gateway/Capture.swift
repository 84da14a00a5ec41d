// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// Stores each received envelope as a file, before it is verified, for a verifier outside of this program. The names
/// sort in the order of arrival: `000012.pump-7.telemetry.cbor`.
final class Capture {
    private let files: PrivateDirectory
    private let path: String
    private var count = 0
    /// The last message, until it is acknowledged.
    private var unfinished: [UInt8]?

    /// `path` is made if it does not exist; what is in it already stays, and is not overwritten.
    init(path: String) throws(Failure) {
        self.path = path
        files = try PrivateDirectory.make(path)
    }

    /// Durable on return; of a message that comes again since it could not be taken, one file is made.
    func take(_ envelope: Span<UInt8>, from device: [UInt8], as purpose: Purpose) throws(Failure) {
        if let unfinished, unfinished.span.isEqual(to: envelope) { return }
        var isStored = false
        while !isStored {
            count += 1
            let number = String(count)
            let padded = String(repeating: "0", count: max(0, 6 - number.count)) + number
            let name = "\(padded).\(String(decoding: device, as: UTF8.self)).\(purpose.leaf).cbor"
            isStored = try at("\(path)/\(name)") { () throws(PosixError) in try create(name, envelope) }
        }
        unfinished = [UInt8](copying: envelope)
    }

    /// False if there is such a file already, from an earlier time.
    private func create(_ name: String, _ envelope: Span<UInt8>) throws(PosixError) -> Bool {
        do throws(PosixError) { try files.create(name, envelope) } catch {
            if error.code == EEXIST { return false }
            throw error
        }
        return true
    }

    /// The last message is acknowledged: if it comes again, it was sent twice.
    func finish() { unfinished = nil }
}
