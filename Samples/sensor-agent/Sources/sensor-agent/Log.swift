// SPDX-License-Identifier: Apache-2.0

import Martlet
import Synchronization

/// A line for the log.
struct Note {
    let level: LogLevel
    let text: Text
}

/// One line on standard error for each note of the level or above it. Any thread.
final class Log: Sendable {
    private let threshold: Atomic<Int>

    init(level: LogLevel) { threshold = Atomic(Int(level.rawValue)) }

    func setLevel(_ level: LogLevel) { threshold.store(Int(level.rawValue), ordering: .relaxed) }

    func write(_ level: LogLevel, _ text: Text) {
        guard Int(level.rawValue) <= threshold.load(ordering: .relaxed) else { return }
        var line = Text("sensor-agent: ")
        line.add(level.name)
        line.add(": ")
        line.add(text)
        line.add("\n")
        // A log that cannot be written has nowhere to say so.
        try? System.write(line, to: .error)
    }

    func write(_ notes: [Note]) {
        for note in notes { write(note.level, note.text) }
    }
}
