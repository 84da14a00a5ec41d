// SPDX-License-Identifier: Apache-2.0

import MartletController

/// The operator's sequence numbers, in a file that one process at a time uses.
final class SequenceFile: SequenceStore {
    private let directory: GatewayDirectory
    private let lock: DirectoryLock
    private var last: UInt64

    /// Takes the lock, for which it waits up to `seconds`: two operators would also push each other off the broker.
    init(_ directory: GatewayDirectory, seconds: Double) throws(Failure) {
        self.directory = directory
        lock = try directory.lock("operator.lock", seconds: seconds)
        // Time keeps the numbers above those of a file that was lost, or restored from a backup.
        last = UInt64(clamping: SystemClock.unixMilliseconds())
        if let text = try directory.text(GatewayDirectory.File.sequence) {
            // As many again are left to count up.
            guard let number = UInt64(text.filter { !$0.isWhitespace }), number < 1 << 63 else {
                let place = directory.place(GatewayDirectory.File.sequence)
                throw Failure("\(place): not a number below 2^63: write one that is higher than all that were used")
            }
            last = max(last, number)
        }
    }

    func next() -> UInt64? {
        let next = last + 1
        guard (try? directory.replace(GatewayDirectory.File.sequence, "\(next)\n")) != nil else { return nil }
        last = next
        return next
    }
}
