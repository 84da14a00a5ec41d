// SPDX-License-Identifier: Apache-2.0

import MartletController

/// Stores each received envelope as a file, before it is verified, for a verifier outside of this program. The names
/// sort in the order of arrival: `000012.pump-7.telemetry.cbor`.
final class Capture {
    private let files: PrivateDirectory
    private var count = 0

    /// `path` is made if it does not exist; what is in it already stays, and is not overwritten.
    init(path: String) throws(Failure) {
        files = try at(path) { () throws(PosixError) in try PrivateDirectory(creating: path) }
    }

    /// What went wrong, if anything did.
    func take(_ envelope: Span<UInt8>, from device: [UInt8], as purpose: Purpose) -> String? {
        count += 1
        let number = String(count)
        let padded = String(repeating: "0", count: max(0, 6 - number.count)) + number
        let name = "\(padded).\(String(decoding: device, as: UTF8.self)).\(purpose.leaf).cbor"
        do throws(PosixError) {
            try files.create(name, envelope)
            return nil
        } catch {
            return "\(name) was not captured: \(error.words)"
        }
    }
}
