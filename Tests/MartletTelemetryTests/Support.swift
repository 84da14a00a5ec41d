// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCOSE
import MartletEnvelope
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

extension MemoryQueue {
    /// Appends an envelope of `size` bytes that can be told apart.
    func add(_ sequence: UInt64, size: Int = 10) {
        do throws(EnvelopeError) {
            try append(sequence: sequence, readings: Int(sequence % 7)) { (envelope) throws(EnvelopeError) in
                envelope.append(contentsOf: repeatElement(UInt8(truncatingIfNeeded: sequence), count: size))
                return digest(sequence)
            }
        } catch {
            fatalError("nothing here throws")
        }
    }

    /// Sends one and gives its number; nil if there is none.
    func sendOne() -> UInt64? {
        var sent: UInt64?
        let isSent = sendNext { (sequence, _) in
            sent = sequence
            return true
        }
        return isSent ? sent : nil
    }

    /// Sends all that is unsent and gives the numbers.
    func sendAll() -> [UInt64] {
        var sent: [UInt64] = []
        while sendNext({ (sequence, _) in
            sent.append(sequence)
            return true
        }) {}
        return sent
    }
}
