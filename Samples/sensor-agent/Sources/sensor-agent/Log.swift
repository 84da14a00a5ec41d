// SPDX-License-Identifier: Apache-2.0

enum LogLevel: Int, CaseIterable {
    case error
    case warning
    case info
    case debug

    var name: StaticString {
        switch self {
        case .error: "error"
        case .warning: "warning"
        case .info: "info"
        case .debug: "debug"
        }
    }
}

/// A line for the log.
struct Note {
    let level: LogLevel
    let text: Text
}

/// One line on standard error for each note of the level or above it.
struct Log {
    var level: LogLevel

    func write(_ level: LogLevel, _ text: Text) {
        guard level.rawValue <= self.level.rawValue else { return }
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
