// SPDX-License-Identifier: Apache-2.0

import MartletController

/// Decides which trust documents a device is sent, and when: those after its own, in order, no more at once than it
/// checks, and not again while the ones before are on their way. A birth says how far the device got.
final class TrustDelivery {
    /// Documents that a device checks without a pause.
    static let batch: UInt64 = 8
    /// Milliseconds after which it checks as many again.
    static let pause: UInt64 = 10_000

    /// The newest one.
    private(set) var version: UInt64

    private struct Place {
        /// What the device has, by its newest birth.
        var version: UInt64
        /// Boot time in milliseconds from which more may be sent.
        var next: UInt64 = 0
        /// Whether there is something to send then.
        var waits = false
    }

    private let files: TrustFiles
    private var places: [[UInt8]: Place] = [:]

    init(_ files: TrustFiles) throws(Failure) {
        self.files = files
        version = try files.newest()
    }

    /// Whether there is a newer document than before. It then goes to every device that was heard of.
    func lookForNewer() throws(Failure) -> Bool {
        let newest = try files.newest(from: version + 1)
        if newest == version { return false }
        version = newest
        for device in places.keys { places[device]?.waits = true }
        return true
    }

    /// What is to be sent in answer to a birth with this version of the trust document.
    func take(for device: [UInt8], with version: UInt64, now: UInt64) throws(Failure) -> [[UInt8]] {
        var place = places[device] ?? Place(version: version)
        place.version = version
        place.waits = true
        places[device] = place
        return try take(device, now)
    }

    /// What has become due otherwise.
    func takeDue(now: UInt64) throws(Failure) -> [(device: [UInt8], documents: [[UInt8]])] {
        var due: [(device: [UInt8], documents: [[UInt8]])] = []
        do throws(Failure) {
            for device in places.keys where places[device]?.waits == true {
                due.append((device, try take(device, now)))
            }
        } catch {
            for (device, _) in due { postpone(device) }
            throw error
        }
        return due
    }

    /// What was taken did not go out: it becomes due again after a pause.
    func postpone(_ device: [UInt8]) { places[device]?.waits = true }

    private func take(_ device: [UInt8], _ now: UInt64) throws(Failure) -> [[UInt8]] {
        guard var place = places[device], now >= place.next else { return [] }
        place.waits = false
        var documents: [[UInt8]] = []
        if place.version < version {
            // A device without any takes the first one that its root signed: which that is, it alone knows.
            let last = place.version == 0 ? version : min(version, place.version + Self.batch)
            for version in place.version + 1...last {
                if let message = try files.message(version) { documents.append(message) }
            }
            place.next = now + Self.pause
        }
        places[device] = place
        return documents
    }
}
