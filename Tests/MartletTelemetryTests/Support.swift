// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCOSE
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletSenML
import MartletTelemetry
import MartletTestKit

func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

/// A fresh seed, or that of the environment variable MARTLET_SEED; printed, so that a failure can be repeated.
func announcedSeed(_ test: String) -> UInt64 {
    let seed = ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap(UInt64.init) ?? .random(in: 0 ... .max)
    print("\(test): MARTLET_SEED=\(seed)")
    return seed
}

func digest(_ value: UInt64) -> Digest {
    Digest(InlineArray { UInt8(truncatingIfNeeded: value >> UInt64(8 * ($0 % 8))) })
}

extension ReadingBatch {
    mutating func add(
        _ name: String = "t", unit: String = "", _ value: Double = 1, time: UInt64 = 1000
    ) throws(ReadingError) {
        let (name, unit) = (bytes(name), bytes(unit))
        try append(name: name.span, unit: unit.span, value: .number(value), time: time)
    }

    mutating func add(text: [UInt8], name: String = "t", time: UInt64 = 1000) throws(ReadingError) {
        let name = bytes(name)
        try append(name: name.span, unit: Span(), value: .string(text.span), time: time)
    }
}

/// A spool on a simulated disk, of small segments.
func makeSpool(
    _ disk: SimulatedDisk, keys: TestSegmentKeys, device: String = "device-1", segment: Int = 4096, lane: Lane = .normal
) throws(JournalError) -> Spool {
    try Spool(
        Journal(
            storage: disk, keys: keys, device: bytes(device), stream: Spool.stream(lane), segmentSize: segment,
            historySize: nil))
}

struct SentEnvelope: Equatable {
    let sequence: UInt64
    let bytes: [UInt8]
}

extension Spool {
    /// Appends an envelope of `size` bytes that can be told apart. False if too much waits.
    @discardableResult
    func add(_ sequence: UInt64, size: Int = 100) -> Bool {
        add(sequence, [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: size))
    }

    @discardableResult
    func add(_ sequence: UInt64, _ content: [UInt8]) -> Bool {
        do throws(EnvelopeError) {
            return try append(sequence: sequence, readings: Int(sequence % 7)) { (envelope) throws(EnvelopeError) in
                envelope += content
                return digest(sequence)
            }
        } catch {
            fatalError("nothing here throws")
        }
    }

    /// Gives up one envelope that a link has; nil if it has not.
    func giveUp(_ sequence: UInt64) -> Gap? {
        let gap = gap(of: sequence, .refused)
        release(sequence)
        return gap
    }

    /// Sends one and gives its number; nil if there is none.
    func sendOne() -> UInt64? {
        var sent: UInt64?
        let isSent = sendNext { (sequence, _, _) in
            sent = sequence
            return true
        }
        return isSent ? sent : nil
    }

    /// Sends all that is unsent and gives the numbers.
    func sendAll() -> [UInt64] { deliver().map(\.sequence) }

    /// Sends all that is unsent and gives what it was.
    func deliver() -> [SentEnvelope] {
        var sent: [SentEnvelope] = []
        while sendNext({ (sequence, _, envelope) in
            sent.append(SentEnvelope(sequence: sequence, bytes: [UInt8](copying: envelope)))
            return true
        }) {}
        return sent
    }
}
